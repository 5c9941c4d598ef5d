import { setImmediate } from 'node:timers/promises';

/** How long a plan decides without letting anything else run, in milliseconds. */
const SLICE_MS = 8;

/** Lets others run in between. */
export class TimeSlices {
  private startedMs = performance.now();

  get isOver(): boolean {
    return performance.now() - this.startedMs >= SLICE_MS;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.startedMs = performance.now();
  }
}
