import { parentPort, workerData } from 'node:worker_threads';

/**
 * Wakes the load generator when requests are due. Timers of the event loop go by whole milliseconds; a thread
 * that waits on a futex wakes within tens of microseconds and leaves the core to the backends meanwhile.
 */
export interface PacerData {
  /** Due times in milliseconds since {@link startMs}. */
  readonly times: Float64Array;
  /** `performance.timeOrigin + performance.now()` at the start. */
  readonly startMs: number;
  /** Set here, cleared by the generator: it has been woken and not looked yet. */
  readonly woken: Int32Array;
}

function pace({ times, startMs, woken }: PacerData): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (const time of times) {
    const wait = startMs + time - (performance.timeOrigin + performance.now());
    if (wait > 0) Atomics.wait(never, 0, 0, wait);
    if (Atomics.compareExchange(woken, 0, 0, 1) === 0) parentPort?.postMessage(undefined);
  }
}

if (workerData !== null) pace(workerData as PacerData);
