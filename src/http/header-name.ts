/**
 * A header name prepared once, so that looking it up in a request compares numbers before text.
 */
export interface HeaderName {
  /** Lower case. */
  readonly lower: string;
  /** {@link hashHeaderName} of the name. */
  readonly hash: number;
  /** What stands between the values of several lines where they are read as one (RFC 9110 section 5.3). */
  readonly separator: string;
}

export const HASH_SEED = 5381;

/** One step of a hash over characters (a 32-bit integer); names are hashed in lower case. */
export function hashStep(hash: number, code: number): number {
  return (Math.imul(hash, 33) ^ code) | 0;
}

/** Cookies are no list of RFC 9110; their lines are joined like their pairs (RFC 9113 section 8.2.3). */
const COOKIE_SEPARATOR = '; ';

export function headerName(name: string): HeaderName {
  const lower = name.toLowerCase();
  let hash = HASH_SEED;
  for (let i = 0; i < lower.length; i++) hash = hashStep(hash, lower.charCodeAt(i));
  return { lower, hash, separator: lower === 'cookie' ? COOKIE_SEPARATOR : ',' };
}
