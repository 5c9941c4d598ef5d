import type { CellRange } from '../shared-memory/cells.js';

/** What is not used is kept for so long. */
const KEPT_MS = 10_000;

/**
 * Retries that are allowed whatever is in flight: so many a second, those of the last ten seconds together if they were
 * not needed. For the moment in which an endpoint dies with requests in its hands, whose retries all come at once.
 *
 * One cell says until when what was used is used up, in milliseconds that wrap around (the "virtual scheduling" of
 * ITU-T I.371).
 */
export class RetryReserve {
  private readonly cells: Int32Array;
  private readonly at: number;

  constructor({ cells, at }: CellRange) {
    this.cells = cells;
    this.at = at;
  }

  /**
   * @param perSecond 0: never; more than 1,000 count as 1,000
   * @param nowMs of one clock for all threads
   * @returns whether there was one left
   */
  take(perSecond: number, nowMs: number): boolean {
    if (perSecond === 0) return false;
    const costMs = Math.max(1, Math.floor(1000 / perSecond));
    for (let until = Atomics.load(this.cells, this.at); ; ) {
      const next = untilAfter(until, costMs, Math.floor(nowMs));
      if (next === undefined) return false;
      const found = Atomics.compareExchange(this.cells, this.at, until, next);
      if (found === until) return true;
      until = found;
    }
  }
}

function untilAfter(until: number, costMs: number, nowMs: number): number | undefined {
  const ahead = (until - nowMs) | 0;
  // More than can have been used: it is from before the clock went around.
  const usedMs = ahead < 0 || ahead > KEPT_MS ? 0 : ahead;
  return usedMs + costMs > KEPT_MS ? undefined : (nowMs + usedMs + costMs) | 0;
}
