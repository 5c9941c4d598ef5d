import { setTimeout as wait } from 'node:timers/promises';
import { FastCaller } from '../support/fast-traffic.js';
import type { Owner } from '../support/owner.js';

/** Workers that call through one sidecar, one request at a time each. */
const WORKERS = 2;
const PAUSE_MS = 4;
/** A request that is not answered by then has failed. */
const TIMEOUT_MS = 10_000;
/**
 * Answered later than this, a request has waited for something that it must not wait for: the relay of pins, a session
 * store beyond its deadline of 20 ms. Far above what a busy machine of two cores takes.
 */
const LATE_MS = 500;
const USERS = 500;
/** Failures told one by one. */
const MAX_TOLD = 50;

/** What one service may be answered by. */
export interface Called {
  readonly host: string;
  /** Releases that have been configured for it at any time. */
  readonly releases: readonly string[];
}

export interface TrafficReport {
  readonly sent: number;
  readonly failed: number;
  /** Answered after more than {@link LATE_MS}. Reported; a slow machine breaks no promise. */
  readonly late: number;
  readonly slowestMs: number;
  /** The first of them: through which sidecar, what was answered, and during what. */
  readonly failures: readonly string[];
}

/** Calls through sidecars without a pause. Every endpoint that it calls is healthy: whatever fails is a fault's doing. */
export class Traffic {
  private sent = 0;
  private failed = 0;
  private late = 0;
  private slowestMs = 0;
  private readonly failures: string[] = [];
  private readonly lanes = new Map<string, Lane>();
  private running = true;

  /** @param during what is going on, for failures */
  constructor(
    private readonly owner: Owner,
    private readonly called: readonly Called[],
    private readonly during: () => string,
  ) {}

  /** Begins to call through a sidecar. */
  through(name: string, outbound: string): void {
    const caller = new FastCaller(this.owner, outbound, WORKERS);
    const lane: Lane = { caller, paused: false, workers: [] };
    this.lanes.set(name, lane);
    lane.workers.push(...Array.from({ length: WORKERS }, (_, i) => this.work(name, lane, i)));
  }

  /** Calls no more through a sidecar that is about to be killed; resolves when nothing is under way. */
  async pause(name: string): Promise<void> {
    const lane = this.lanes.get(name) as Lane;
    lane.paused = true;
    await Promise.all(lane.workers);
    lane.workers.length = 0;
  }

  resume(name: string): void {
    const lane = this.lanes.get(name) as Lane;
    lane.paused = false;
    lane.workers.push(...Array.from({ length: WORKERS }, (_, i) => this.work(name, lane, i)));
  }

  async stop(): Promise<TrafficReport> {
    this.running = false;
    await Promise.all([...this.lanes.values()].flatMap(({ workers }) => workers));
    const { sent, failed, late, slowestMs, failures } = this;
    return { sent, failed, late, slowestMs, failures };
  }

  /** Requests sent so far. */
  get count(): number {
    return this.sent;
  }

  private async work(name: string, lane: Lane, first: number): Promise<void> {
    for (let turn = first; this.running && !lane.paused; turn++) {
      const { host, releases } = this.called[turn % this.called.length] as Called;
      this.sent++;
      const startedAt = performance.now();
      const problem = await this.ask(lane.caller, host, releases, `user-${(turn * 7) % USERS}`);
      const tookMs = performance.now() - startedAt;
      this.slowestMs = Math.max(this.slowestMs, tookMs);
      if (tookMs > LATE_MS) this.late++;
      if (problem !== undefined) this.fail(`${name} → ${host}: ${problem}`);
      await wait(PAUSE_MS);
    }
  }

  /** @returns what is wrong with the answer */
  private async ask(
    caller: FastCaller,
    host: string,
    releases: readonly string[],
    user: string,
  ): Promise<string | undefined> {
    const timeout = new AbortController();
    try {
      const answer = await Promise.race([
        caller.one({ host, headers: [['x-user-id', user]] }),
        wait(TIMEOUT_MS, undefined, { signal: timeout.signal, ref: false }),
      ]);
      if (answer === undefined) return `no answer within ${TIMEOUT_MS} ms`;
      const { status, body, error } = answer;
      if (status !== 200) return `${status} ${error ?? ''}`;
      return releases.includes(body.split('-')[0] as string) ? undefined : `answered by ${body}`;
    } catch (error) {
      return (error as Error).message;
    } finally {
      timeout.abort();
    }
  }

  private fail(text: string): void {
    this.failed++;
    if (this.failures.length < MAX_TOLD) this.failures.push(`${text} (during ${this.during()})`);
  }
}

interface Lane {
  readonly caller: FastCaller;
  readonly workers: Promise<void>[];
  paused: boolean;
}
