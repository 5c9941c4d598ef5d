import { ConnectionError, ERROR } from './error-code.js';

/** Something that costs us more than the peer, and that honest peers do now and then. */
export type Nuisance = keyof typeof ALLOWANCES;

/** How often: so many at once, and so many each second from then on. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
  /** What a peer does too much of. */
  readonly what: string;
}

/**
 * Honest peers stay far below these: a client cancels calls, but not most of them; it pings while data flows, but data
 * flows (see {@link AbuseMeter.useful}).
 */
export const ALLOWANCES = {
  /** Rapid reset (CVE-2023-44487). */
  reset: { burst: 500, perSecond: 100, what: 'resets streams' },
  /** MadeYouReset (CVE-2025-8671): has us reset its streams by what it sends on them. */
  'stream-error': { burst: 100, perSecond: 10, what: 'has its streams reset' },
  ping: { burst: 1000, perSecond: 100, what: 'pings' },
  settings: { burst: 100, perSecond: 10, what: 'changes settings' },
  'window-update': { burst: 5000, perSecond: 1000, what: 'updates windows' },
  /** DATA without content, PRIORITY and frames of unknown types. */
  'empty-frame': { burst: 1000, perSecond: 100, what: 'sends frames without use' },
  /** Less than {@link TINY_DATA_BYTES} of content, and more to come. */
  'tiny-data': { burst: 10_000, perSecond: 2000, what: 'sends its content in tiny frames' },
} as const satisfies Record<string, Allowance>;

export const TINY_DATA_BYTES = 8;

const NUISANCES = Object.keys(ALLOWANCES) as Nuisance[];

/** Counts what a peer does beyond its allowances, and ends the connection of one that does too much. */
export class AbuseMeter {
  /** What each may still be done of, as it was at {@link sinceMs}. */
  private readonly left = Object.fromEntries(
    NUISANCES.map((nuisance) => [nuisance, ALLOWANCES[nuisance].burst]),
  ) as Record<Nuisance, number>;
  private sinceMs: number;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** @throws ConnectionError */
  charge(nuisance: Nuisance): void {
    if (--this.left[nuisance] >= 0) return;
    throw new ConnectionError(ERROR.enhanceYourCalm, `the peer ${ALLOWANCES[nuisance].what} too often`);
  }

  /** A head, or content, has gone through: what goes with it is no nuisance. */
  useful(nuisance: Nuisance, count = 1): void {
    const left = this.left[nuisance] + count;
    const { burst } = ALLOWANCES[nuisance];
    this.left[nuisance] = left < burst ? left : burst;
  }

  /** Gives back what time gives back. Called on the coarse clock. */
  tick(nowMs: number): void {
    const seconds = (nowMs - this.sinceMs) / 1000;
    this.sinceMs = nowMs;
    if (seconds <= 0) return;
    for (const nuisance of NUISANCES) this.useful(nuisance, ALLOWANCES[nuisance].perSecond * seconds);
  }
}
