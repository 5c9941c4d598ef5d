import type { KeySourceConfig } from '../xds/hash-policy.js';
import type { AffinityConfig } from '../xds/policy.js';
import type { RetryConfig } from '../xds/retry.js';
import type { RouteActions } from './actions.js';
import type { Condition } from './match.js';
import type { PinDigests } from './pins.js';
import type { Release } from './release.js';
import type { RouteGuards } from './route-guards.js';
import type { SessionKeys } from './session-key.js';
import type { StatefulSession } from './stateful-cookie.js';

/**
 * The routing table: what configuration compiles to and every decision reads. Immutable but for the endpoint
 * sets that its clusters hold, which are themselves replaced whole.
 */
export interface RoutingTable {
  /**
   * The virtual host of an authority, by Envoy's order: exact, then wildcards.
   *
   * @param authority in its one spelling (`src/http/authority.ts`)
   */
  find(authority: string): VirtualHost | undefined;
  readonly virtualHosts: readonly VirtualHost[];
  /** Every source that some route takes session keys from, each once. */
  readonly keySources: readonly KeySourceConfig[];
}

export interface VirtualHost {
  readonly name: string;
  readonly service: Service;
  readonly routes: readonly Route[];
  /** Finds among many routes; undefined where there are few. */
  readonly guards: RouteGuards | undefined;
}

/** A service as its callers see it. Without our payload, the virtual host stands in for it. */
export interface Service {
  /** `checkout.shop`: how logs, metrics and people name it. */
  readonly label: string;
  readonly releases: readonly Release[];
  /** Declared to be plain TCP: what callers send is carried as it is. */
  readonly isOpaque: boolean;
  /** Some release carries a lane. */
  readonly hasLanes: boolean;
  /** Where failover goes; undefined where the configuration does not say. */
  readonly stable: Release | undefined;
}

export interface Route {
  readonly name: string;
  /** Undefined: every request. */
  readonly condition: Condition | undefined;
  readonly split: Split;
  /** Undefined: no stickiness at all. */
  readonly affinity: Affinity | undefined;
  /** Set only by control planes that are not ours: the client itself names its endpoint. */
  readonly stateful: StatefulSession | undefined;
  /** A route that names one release pins the session there. */
  readonly pins: boolean;
  readonly timeouts: Timeouts;
  readonly retry: RetryConfig | undefined;
  /** Undefined: its requests are sent somewhere and that is all. A route that redirects has an empty split. */
  readonly actions: RouteActions | undefined;
}

/** How long a request may take; 0: as long as it likes. */
export interface Timeouts {
  /** From the request's head to the end of the response, whatever happens in between. */
  readonly requestMs: number;
  readonly perTryMs: number;
  /** Without a byte in either direction; 0: as long as the sidecar lets any. */
  readonly idleMs: number;
}

export interface Split {
  readonly releases: readonly Release[];
  /** End of each release's slots, exclusive; as many as there are releases. */
  readonly ends: readonly number[];
  /** Number of slots: 10,000 from our control plane. */
  readonly total: number;
}

/** How a service keeps sessions, compiled. */
export interface Affinity {
  /** `checkout.shop` */
  readonly service: string;
  readonly keys: SessionKeys;
  /** What seeds the hash of keys; empty: nothing. */
  readonly salt: string;
  /** Endpoints are picked by the hash without the salt. */
  readonly saltReleaseOnly: boolean;
  readonly version: AffinityConfig['version'];
  readonly endpoint: AffinityConfig['endpoint'];
  /** A valid pin goes before a route that names one release. */
  readonly sessionFirst: boolean;
  readonly followLanes: boolean;
  readonly failoverAny: boolean;
  readonly failoverRepinMs: number;
  readonly ttlMs: number;
  readonly digests: PinDigests;
  /** What shared pins are encrypted with. */
  readonly pinSecret: Buffer;
  /** Some of its sessions have pins that no cookie carries: those who call the service share them. */
  readonly sharesPins: boolean;
  /** XXH64 of what has sessions of its own in the session table: the service, or the route with `scope: route`. */
  readonly scope: bigint;
}
