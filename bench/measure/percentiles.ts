/** A copy in ascending order. */
export function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/**
 * The smallest value that at least `percent` of the values do not exceed (nearest rank); NaN of none.
 *
 * @param ascending see {@link sorted}
 */
export function percentile(ascending: readonly number[], percent: number): number {
  if (ascending.length === 0) return Number.NaN;
  const rank = Math.ceil((percent / 100) * ascending.length);
  return ascending[Math.max(0, rank - 1)] as number;
}

/** The middle value, of an even number the mean of the middle two; NaN of none. */
export function median(values: readonly number[]): number {
  const ascending = sorted(values);
  const middle = ascending.length >> 1;
  if (ascending.length % 2 === 1) return ascending[middle] as number;
  return ((ascending[middle - 1] as number) + (ascending[middle] as number)) / 2;
}

/** What several rounds gave for one figure. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Undefined of no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
