import { randomUUID } from 'node:crypto';

/** Hexadecimal digits that are counted; the rest stays for as long as the count lasts. */
const COUNTED_DIGITS = 6;
const COUNTS = 16 ** COUNTED_DIGITS;

/**
 * Makes values for `X-Request-Id`: UUIDs of version 4 in form, each unlike every other, here and elsewhere. They are
 * names, not secrets: the last digits count, which costs a third of drawing all of them.
 */
export function requestIds(): () => string {
  let prefix = '';
  let next = COUNTS;
  return () => {
    if (next === COUNTS) {
      prefix = randomUUID().slice(0, -COUNTED_DIGITS);
      next = 0;
    }
    return prefix + (next++).toString(16).padStart(COUNTED_DIGITS, '0');
  };
}
