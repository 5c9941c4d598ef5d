import { median } from '../measure/percentiles.js';

/** Whether a figure grew while the load stayed the same. */
export interface Growth {
  readonly firstThird: number;
  readonly lastThird: number;
  /** Slope of the straight line through all values (least squares), an hour. */
  readonly perHour: number;
}

/** Of values taken every second, in order; medians of the first and last third. Undefined: too few values. */
export function growthOf(values: readonly number[]): Growth | undefined {
  const third = Math.floor(values.length / 3);
  if (third === 0 || values.some((value) => Number.isNaN(value))) return undefined;
  return {
    firstThird: median(values.slice(0, third)),
    lastThird: median(values.slice(-third)),
    perHour: slope(values) * 3600,
  };
}

/** The figure rose from the first third to the last by more than noise, and the line through all values rises. */
export function grew(
  { firstThird, lastThird, perHour }: Growth,
  noise: { share: number; absolute: number },
): boolean {
  return perHour > 0 && lastThird - firstThird > firstThird * noise.share + noise.absolute;
}

function slope(values: readonly number[]): number {
  const n = values.length;
  const meanX = (n - 1) / 2;
  const meanY = values.reduce((sum, y) => sum + y, 0) / n;
  let above = 0;
  let below = 0;
  for (const [x, y] of values.entries()) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
