import { randomBytes } from 'node:crypto';

/** A secret of this process, in two 32-bit halves; threads that share a table share it. */
export type HashKey = readonly [low: number, high: number];

export function newHashKey(): HashKey {
  const bytes = randomBytes(8);
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
}

/**
 * HalfSipHash-2-4 of 8 bytes: where an entry of a table goes, by a hash that others can compute. Who does not know the
 * key cannot choose entries that go to one place.
 *
 * @param high the last four bytes, as a little-endian number
 * @param low the first four
 * @returns an unsigned 32-bit integer
 */
export function halfSipHash(high: number, low: number, [k0, k1]: HashKey): number {
  let v0 = k0 | 0;
  let v1 = k1 | 0;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  // Two rounds for each word, the length of the message being the last one; then four more.
  for (let i = 0; i < 10; i++) {
    const word = i < 2 ? low : i < 4 ? high : i < 6 ? LENGTH : 0;
    if ((i & 1) === 0) v3 ^= word;
    if (i === 6) v2 ^= 0xff;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if ((i & 1) === 1) v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}

/** Of 8 bytes. */
const LENGTH = 8 << 24;
