import xxhash from 'xxhash-wasm';

const { h64, h64Raw } = await xxhash();

/**
 * XXH64 of a byte string held as a latin-1 JavaScript string (one character, one byte), which is how
 * header values travel through the sidecar.
 *
 * @param seed defaults to 0, the seed Envoy uses throughout its hash policies.
 * @returns an unsigned 64-bit integer.
 */
export function xxh64(bytes: string, seed = 0n): bigint {
  // h64 encodes as UTF-8 straight into the module's memory: half the cost of h64Raw, right for ASCII only.
  return isAscii(bytes) ? h64(bytes, seed) : h64Raw(Buffer.from(bytes, 'latin1'), seed);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Hash of several values as one: chained, the hash of one being the seed of the next. */
export function xxh64Chain(values: readonly string[], seed = 0n): bigint {
  let hash = seed;
  for (const value of values) hash = xxh64(value, hash);
  return hash;
}

/**
 * Hash of a header that may occur several times, as Envoy's header hash policy computes it: the values
 * sorted, then chained, so that their order on the wire does not matter.
 */
export function xxh64OfHeader(values: readonly string[], seed = 0n): bigint {
  return values.length === 1 ? xxh64(values[0] as string, seed) : xxh64Chain([...values].sort(), seed);
}

/**
 * Folds one hash policy's value into the hash of the policies before it (Envoy `hash_policy.cc`: rotate
 * left by one, then exclusive or).
 */
export function combineHashes(previous: bigint, next: bigint): bigint {
  const rotated = BigInt.asUintN(64, previous << 1n) | (previous >> 63n);
  return rotated ^ next;
}
