/**
 * Endpoints whose address tells when they were made, so that another process on the machine can tell how long they
 * took: the milliseconds of the machine's monotonic clock, modulo 2^24, are the last three bytes of `10.x.x.x`.
 */
const RANGE_MS = 2 ** 24;

export function timedAddress(atMs: number): string {
  const ms = Math.floor(atMs) % RANGE_MS;
  return `10.${ms >> 16}.${(ms >> 8) & 255}.${ms & 255}`;
}

/** How old the timed endpoints in the bytes of a response are, in milliseconds. */
export function agesIn(response: Buffer, nowMs: number): number[] {
  const found = response.toString('latin1').matchAll(/10\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})/g);
  return [...found].map(([, a, b, c]) => {
    const atMs = (Number(a) << 16) | (Number(b) << 8) | Number(c);
    return (Math.floor(nowMs) - atMs + RANGE_MS) % RANGE_MS;
  });
}
