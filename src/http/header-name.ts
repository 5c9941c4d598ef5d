/**
 * A header name prepared once, so that looking it up in a request compares numbers before text.
 */
export interface HeaderName {
  /** Lower case. */
  readonly lower: string;
  /** {@link hashHeaderName} of the name. */
  readonly hash: number;
}

export const HASH_SEED = 5381;

/** One step of a hash over characters (a 32-bit integer); names are hashed in lower case. */
export function hashStep(hash: number, code: number): number {
  return (Math.imul(hash, 33) ^ code) | 0;
}

export function headerName(name: string): HeaderName {
  const lower = name.toLowerCase();
  let hash = HASH_SEED;
  for (let i = 0; i < lower.length; i++) hash = hashStep(hash, lower.charCodeAt(i));
  return { lower, hash };
}
