import xxhash from 'xxhash-wasm';

const { h64 } = await xxhash();

/** S3: XXH64 of an ASCII text, from the library itself. */
export function hashOf(text: string, seed = 0n): bigint {
  return h64(text, seed);
}

/** S4.4 as docs/semantics.md reads it: the hash of the salt is the seed. */
export function saltSeed(salt: string | undefined): bigint {
  return salt === undefined ? 0n : h64(salt, 0n);
}
