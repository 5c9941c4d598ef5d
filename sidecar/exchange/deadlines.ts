import type { Timeouts } from '../../src/routing/table.js';

/** What is over: a wait that the forwarder asked for, or the time for a connection, an attempt, or the whole request. */
export type Due = 'wait' | 'connect' | 'request' | 'attempt' | 'idle';

/** The waits and deadlines of one exchange, on the coarse clock, in milliseconds. */
export class Deadlines {
  /** For the head of the response to the present attempt; 0: none. */
  attemptMs = 0;
  /** For the connection of the present attempt; 0: it has one. */
  connectMs = 0;
  private lastActivityMs: number;
  /** 0: it waits for nothing. */
  private waitUntilMs = 0;
  private afterWait: (() => void) | undefined;

  constructor(readonly startedMs: number) {
    this.lastActivityMs = startedMs;
  }

  get isWaiting(): boolean {
    return this.waitUntilMs !== 0;
  }

  /** Something of the request or of the response has moved. */
  moved(nowMs: number): void {
    this.lastActivityMs = nowMs;
  }

  /** No attempt is under way meanwhile. @param afterwards what comes then, or before if it {@link endWait ends} early */
  wait(untilMs: number, afterwards: () => void): void {
    this.connectMs = 0;
    this.attemptMs = 0;
    this.waitUntilMs = untilMs;
    this.afterWait = afterwards;
  }

  endWait(): void {
    const { afterWait } = this;
    this.waitUntilMs = 0;
    this.afterWait = undefined;
    afterWait?.();
  }

  /** @param idleMs for how long nothing may move; 0: for ever. @returns the first that is over; undefined: none */
  due(nowMs: number, { requestMs }: Timeouts, idleMs: number): Due | undefined {
    if (this.waitUntilMs !== 0 && nowMs >= this.waitUntilMs) return 'wait';
    if (this.connectMs !== 0 && nowMs >= this.connectMs) return 'connect';
    if (requestMs !== 0 && nowMs - this.startedMs >= requestMs) return 'request';
    if (this.attemptMs !== 0 && nowMs >= this.attemptMs) return 'attempt';
    return idleMs !== 0 && nowMs - this.lastActivityMs >= idleMs ? 'idle' : undefined;
  }
}
