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
  /** No new session comes to the release, those that are there stay. */
  drain(): Promise<void>;
  /** The release v2 is gone, and another one takes its place: other pods under the same name. */
  replace(pods: readonly NamedBackend[], weights: Weights): Promise<void>;
}

export interface StickyPeerProgram {
  readonly name: string;
  /** How it keeps sessions, for the table. */
  readonly how: string;
  /** Undefined: it is here; else what is missing. */
  missing(): string | undefined;
  start(owner: Owner, pods: Pods, weights: Weights): Promise<StickyPeer>;
}

/** Host that all calls are for. */
export const HOST = 'checkout';
export const USER_HEADER = 'x-user-id';
