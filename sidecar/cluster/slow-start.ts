/** Smallest part of its weight that an endpoint starts with (Envoy's `min_weight_percent`). */
const FIRST_SHARE = 0.1;

/** How much of its weight an endpoint has that takes requests for so long: it grows with time, to all of it. */
export function slowStartShare(forMs: number, windowMs: number): number {
  if (forMs >= windowMs) return 1;
  return Math.max(FIRST_SHARE, forMs / windowMs);
}
