import { DurationHistogram, durationBounds } from './duration-histogram.js';

const PERIOD_MS = 50;
const BOUNDS = durationBounds([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]);

/**
 * How late timers run: a timer of 50 ms, and by how much each of its turns misses its time. A histogram rather than
 * the highest value since the last scrape, which two scrapers would take from each other.
 */
export class EventLoopDelay {
  readonly histogram = new DurationHistogram(BOUNDS);
  private readonly timer: NodeJS.Timeout;
  private lastAt = performance.now();

  constructor() {
    this.timer = setInterval(() => this.tick(), PERIOD_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const at = performance.now();
    // Timers count in whole milliseconds and may be early by a part of one.
    this.histogram.observe(Math.max(0, at - this.lastAt - PERIOD_MS));
    this.lastAt = at;
  }
}
