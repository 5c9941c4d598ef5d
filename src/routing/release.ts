import type { EndpointSet } from './endpoint-set.js';
import type { ReleaseDigests } from './pins.js';

/** A release, compiled: what a decision may choose. */
export interface Release extends ReleaseDigests {
  readonly name: string;
  readonly cluster: Cluster;
  /** Empty: none. */
  readonly lane: string;
}

/** A cluster's endpoints as they are now: the only thing in a table that changes. */
export interface Cluster {
  readonly name: string;
  readonly endpoints: EndpointSet;
  /** When the last usable endpoint was lost, in milliseconds of the decision's clock; undefined while there is one. */
  readonly unusableSinceMs: number | undefined;
  /**
   * Where no endpoint is usable and a panic threshold is set: the endpoints with active checks and ejections
   * ignored, for requests that have nowhere else to go.
   */
  readonly lastResort?: EndpointSet | undefined;
}
