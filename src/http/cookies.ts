import { isBlank, trimBlanks } from './byte-text.js';

/** Browsers keep no cookie for longer (RFC 6265bis section 5.5): 400 days. */
export const LONGEST_MAX_AGE_S = 400 * 24 * 3600;

/** Longest value of a session cookie: a key, a mark, two digests, a mark and a time (`src/routing/pins.ts`). */
export const LONGEST_SESSION_COOKIE = 22 + 1 + 2 * 8 + 1 + 6;

/**
 * The one reader of the `Cookie` header, for conditions and session keys alike. A cookie is `name=value` between
 * semicolons (RFC 6265 section 4.2.1); blanks around name and value do not count, nor do double quotes around a
 * value. What has no "=" is no cookie. Of several with the name, the first counts: browsers send the one with the
 * longest path first (RFC 6265 section 5.4).
 *
 * @param header every `Cookie` line of the request, joined with "; " ({@link HeaderName.separator})
 * @returns undefined where there is none.
 */
export function readCookie(header: string, name: string): string | undefined {
  return findCookie(header, name, (value) => value);
}

/**
 * What the first cookie of this name stands for that stands for something.
 *
 * @param read undefined: nothing; the next one is read
 */
export function findCookie<T>(
  header: string,
  name: string,
  read: (value: string) => T | undefined,
): T | undefined {
  for (let from = 0; from < header.length; ) {
    let end = header.indexOf(';', from);
    if (end === -1) end = header.length;
    const value = valueNamed(name, header, from, end);
    const found = value === undefined ? undefined : read(value);
    if (found !== undefined) return found;
    from = end + 1;
  }
  return undefined;
}

const EQUALS = 0x3d;

/** The value between two semicolons, if it is a cookie of this name. */
function valueNamed(name: string, header: string, from: number, end: number): string | undefined {
  let at = from;
  while (at < end && isBlank(header.charCodeAt(at))) at++;
  if (!header.startsWith(name, at)) return undefined;
  at += name.length;
  while (at < end && isBlank(header.charCodeAt(at))) at++;
  if (at >= end || header.charCodeAt(at) !== EQUALS) return undefined;
  return unquoteCookie(trimBlanks(header, at + 1, end));
}

/** A cookie without the double quotes around its value, which are none of it. */
export function unquoteCookie(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

/** `name=value`, which reads as this value again. */
export function formatCookie(name: string, value: string): string {
  return `${name}=${unquoteCookie(trimBlanks(value)) === value ? value : `"${value}"`}`;
}
