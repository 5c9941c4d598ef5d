import type { NamedBackend } from '../../test/support/fast-traffic.js';
import type { Owner } from '../../test/support/owner.js';

/** What a peer routes between: two releases, each with its pods. */
export type Pods = Readonly<Record<'v1' | 'v2', readonly NamedBackend[]>>;

export type Weights = Readonly<Record<'v1' | 'v2', number>>;

/** Two instances of a proxy in front of the same releases, as pods of one caller have them beside them. */
export interface StickyPeer {
  /** Where its instances take calls, `IP:PORT`. */
  readonly addresses: readonly [string, string];
  /** Changes the split, the way its users do at run time; returns once it is in force at both instances. */
  split(weights: Weights): Promise<void>;
  /** No new session comes to v2; those that are there stay, if the proxy can do that. */
  drain(): Promise<void>;
  /** Takes v2 out: all sessions to v1 at once, those of v2 too. */
  remove(): Promise<void>;
  /** Another release takes the place of one that was taken out: other pods under the same name. */
  replace(pods: readonly NamedBackend[], weights: Weights): Promise<void>;
}

export interface StickyPeerProgram {
  /** For the table and for `--only`, such as `haproxy cookies`. */
  readonly name: string;
  /** How it keeps sessions, and how it is changed, for people. */
  readonly how: string;
  /** What names a session: the header {@link USER_HEADER}, or the cookies that the proxy sets. */
  readonly key: 'header' | 'cookie';
  /** How long its instances need to tell each other of sessions, ms. 0: they share nothing. */
  readonly spreadMs: number;
  /** What has to be installed and is not; undefined: nothing. */
  missing(): string | undefined;
  start(owner: Owner, pods: Pods, weights: Weights): Promise<StickyPeer>;
}

/** Host that all calls are for. */
export const HOST = 'checkout';
export const USER_HEADER = 'x-user-id';
/** Calls with this header set to `yes` go to v2. */
export const TESTER_HEADER = 'x-tester';

/** The canary's share in ten-thousandths, for proxies that take a share instead of weights. */
export function canaryShare({ v1, v2 }: Weights): number {
  return Math.round((v2 / (v1 + v2)) * 10_000);
}
