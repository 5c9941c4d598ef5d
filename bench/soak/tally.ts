import type { Outcome } from './outcomes.js';
import type { RequestKind } from './request-kinds.js';
import type { Judgement } from './session.js';

/** Latencies are counted by whole milliseconds; the last count takes all that are longer. */
const LONGEST_MS = 60_000;

/** Everything that is counted of requests. */
export class Tally {
  requests = 0;
  answered = 0;
  /** Clients that left, as they were meant to. */
  left = 0;
  /** Due, but as many were under way as the driver allows. */
  notSent = 0;
  readonly kinds = new Map<string, number>();
  readonly failures = {
    savable: new Map<string, number>(),
    lost: new Map<string, number>(),
    unexplained: new Map<string, number>(),
  };
  readonly judgements: Record<Judgement, number> = {
    first: 0,
    stayed: 0,
    'hop-with-cause': 0,
    'hop-without-cause': 0,
    flip: 0,
  };
  /** Of the first things that should not have been, for whoever looks for the reason. */
  readonly details: string[] = [];
  private readonly latencies = new Uint32Array(LONGEST_MS + 1);
  private timed = 0;

  count(kind: RequestKind, outcome: Outcome): void {
    this.requests++;
    this.kinds.set(kind.name, (this.kinds.get(kind.name) ?? 0) + 1);
    if (outcome.is === 'answered') this.answered++;
    else if (outcome.is === 'left') this.left++;
    else {
      const counts = this.failures[outcome.how];
      counts.set(outcome.cause, (counts.get(outcome.cause) ?? 0) + 1);
    }
  }

  countLatency(ms: number): void {
    this.timed++;
    const whole = Math.min(LONGEST_MS, Math.ceil(ms));
    this.latencies[whole] = (this.latencies[whole] as number) + 1;
  }

  /** The whole millisecond that this share of answers did not exceed. */
  latencyMs(percent: number): number {
    const rank = Math.max(1, Math.ceil((percent / 100) * this.timed));
    let seen = 0;
    for (let ms = 0; ms <= LONGEST_MS; ms++) {
      seen += this.latencies[ms] as number;
      if (seen >= rank) return ms;
    }
    return Number.NaN;
  }

  failed(how: keyof Tally['failures']): number {
    return [...this.failures[how].values()].reduce((sum, n) => sum + n, 0);
  }

  note(detail: string): void {
    if (this.details.length < 50) this.details.push(detail);
  }
}
