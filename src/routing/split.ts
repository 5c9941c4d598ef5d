/** Number of slots that every split is normalised to; never changes, since that would reshuffle every session. */
export const SLOTS = 10_000;

/**
 * Normalises weights to {@link SLOTS} slots by largest remainder, so that 90/10, 900/100 and 9/1 come out the
 * same. Of equal remainders the earlier entry gets the slot. A weight of 0 gets none.
 *
 * @param weights whole numbers ≥ 0 with a sum > 0
 */
export function toSlots(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum <= 0) throw new RangeError('a split needs a weight above 0');
  // In whole numbers: the quotient and remainder of weight × SLOTS / sum are exact.
  const slots = weights.map((weight) => Math.floor((weight * SLOTS) / sum));
  const remainders = weights.map((weight) => (weight * SLOTS) % sum);
  const left = SLOTS - slots.reduce((total, n) => total + n, 0);
  const byRemainder = weights
    .map((_, i) => i)
    .sort((a, b) => (remainders[b] as number) - (remainders[a] as number) || a - b);
  for (const i of byRemainder.slice(0, left)) slots[i] = (slots[i] as number) + 1;
  return slots;
}
