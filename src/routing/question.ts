import type { Pin } from './pins.js';
import type { Release } from './release.js';
import type { RequestView } from './request-view.js';
import type { SessionKey } from './session-key.js';
import type { Affinity, Route, VirtualHost } from './table.js';

/** What a decision needs from outside. */
export interface DecisionContext {
  readonly nowMs: number;
  /** A number in [0, 1). */
  random(): number;
  /** The pin of a session whose key travels in no cookie. @param pinHash see {@link SessionKey.pinHash} */
  findPin(affinity: Affinity, pinHash: bigint): Pin | undefined;
}

/** One request that is to be placed: all that its fate depends on. */
export interface Question {
  readonly host: VirtualHost;
  readonly route: Route;
  readonly request: RequestView;
  readonly context: DecisionContext;
  /** Releases whose endpoints have all just refused this very request. */
  readonly without: readonly Release[];
  /** Undefined: the request belongs to no session. */
  readonly session: SessionKey | undefined;
  /** The pin that the session came with, valid or not. */
  readonly pin: Pin | undefined;
  /** The endpoint that the client itself asks for, `ip:port` (another control plane's stateful session). */
  readonly asked: string | undefined;
}

/** Why a release was chosen. */
export type ReleaseReason = 'named' | 'lane' | 'pin' | 'slot' | 'random' | 'failover';

/** The release that a request belongs to, whether or not that has a usable endpoint. */
export interface ChosenRelease {
  readonly release: Release;
  readonly reason: ReleaseReason;
  /** Which slot of the split the session owns; undefined where the slot did not matter. */
  readonly slot: number | undefined;
  /** Index of the endpoint that the session's pin (or the client) names in this release, or -1. */
  readonly pinned: number;
  /** The release that the session's pin holds it on, chosen or not. */
  readonly held: Release | undefined;
}

/** Where a request goes after failover. */
export interface Target {
  readonly release: Release;
  /** Index of the endpoint that the session's pin names in this release, or -1. */
  readonly pinned: number;
}
