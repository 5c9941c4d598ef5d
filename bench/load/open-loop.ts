import { Worker } from 'node:worker_threads';
import { percentile, sorted } from '../measure/percentiles.js';
import { arrivalTimes } from './arrivals.js';
import type { OpenLoopResult, WorkerTask } from './load.js';
import { LoadConnection } from './load-connection.js';
import type { PacerData } from './pacer.js';

/** Answers may take so long after the last request was due; what is then still out counts as an error. */
const GRACE_MS = 2000;

/**
 * Sends requests when they are due, whether earlier ones have been answered or not. A request that finds every
 * connection busy waits its turn, and that wait is part of its latency: a slow target cannot slow the load down
 * and so hide how slow it is (coordinated omission).
 */
export class OpenLoop {
  private readonly times: Float64Array;
  private readonly idle: LoadConnection[] = [];
  private readonly latencies: number[] = [];
  private readonly lateness: number[] = [];
  private nextDue = 0;
  private answered = 0;
  private errors = 0;
  private bytes = 0;
  private startMs = 0;
  private readonly warmUpMs: number;

  constructor(
    private readonly task: WorkerTask,
    private readonly pool: readonly Buffer[],
  ) {
    this.times = arrivalTimes(task.rate, task.warmUpSeconds + task.seconds, task.seed);
    this.warmUpMs = task.warmUpSeconds * 1000;
  }

  async run(): Promise<OpenLoopResult> {
    const owner = { onAnswer: this.onAnswer.bind(this) };
    for (let i = 0; i < this.task.connections; i++) {
      const connection = new LoadConnection(this.task, owner);
      connection.open();
      this.idle.push(connection);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    const pacer = this.startPacer();
    const endMs = (this.task.warmUpSeconds + this.task.seconds) * 1000;
    await new Promise((resolve) => setTimeout(resolve, endMs));
    const deadline = performance.now() + GRACE_MS;
    while (this.answered < this.times.length && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await pacer.terminate();
    return this.result();
  }

  private startPacer(): Worker {
    const woken = new Int32Array(new SharedArrayBuffer(4));
    this.startMs = performance.now();
    const workerData: PacerData = {
      times: this.times,
      startMs: performance.timeOrigin + this.startMs,
      woken,
    };
    const pacer = new Worker(new URL('./pacer.js', import.meta.url), { workerData });
    pacer.on('message', () => {
      Atomics.store(woken, 0, 0);
      this.sendDue();
    });
    return pacer;
  }

  private sendDue(): void {
    const now = performance.now() - this.startMs;
    while (this.nextDue < this.times.length && (this.times[this.nextDue] as number) <= now) {
      // The one that has been idle longest, so that all of them are used.
      const connection = this.idle.shift();
      if (connection === undefined) return;
      const due = this.times[this.nextDue] as number;
      if (due >= this.warmUpMs) this.lateness.push(now - due);
      connection.intendedMs = due;
      connection.send(this.pool[this.nextDue++ % this.pool.length] as Buffer);
    }
  }

  private onAnswer(connection: LoadConnection, right: boolean, bytes: number): void {
    const { intendedMs } = connection;
    this.answered++;
    this.bytes += bytes;
    if (!right) this.errors++;
    else if (intendedMs >= this.warmUpMs) this.latencies.push(performance.now() - this.startMs - intendedMs);
    this.idle.push(connection);
    this.sendDue();
  }

  private result(): OpenLoopResult {
    const latencies = sorted(this.latencies);
    const lateness = sorted(this.lateness);
    return {
      requests: latencies.length,
      seconds: this.task.seconds,
      bytes: this.bytes,
      errors: this.errors + this.times.length - this.answered,
      p50: percentile(latencies, 50),
      p90: percentile(latencies, 90),
      p99: percentile(latencies, 99),
      p999: percentile(latencies, 99.9),
      lateP99: percentile(lateness, 99),
    };
  }
}
