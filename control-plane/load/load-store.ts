import type { ClusterCondition, ClusterLoad, EndpointLoad, LoadReport } from '../../src/xds/load-report.js';
import { ANYTHING, type LoadScope } from './load-scope.js';

/** Load of one endpoint, from all clients together. */
export interface LoadTotals {
  readonly cluster: string;
  /** Empty: of no endpoint in particular. */
  readonly address: string;
  /** Since the control plane started. */
  readonly issued: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly latencySumMs: number;
  /** What is true now. */
  readonly now: PresentLoad;
}

/** As last reported by each client that is connected. */
export interface PresentLoad {
  readonly inFlight: number;
  readonly pins: number;
  /** Requests that finished, over each client's last reporting interval. */
  readonly succeededPerSecond: number;
  readonly failedPerSecond: number;
  /** Those of them that were timed, and the time that they took together, in milliseconds, for each second. */
  readonly timedPerSecond: number;
  readonly latencyMsPerSecond: number;
}

interface Counters {
  issued: number;
  succeeded: number;
  failed: number;
  latencySumMs: number;
}

/** Most endpoints remembered: of all clients, of one, and of one cluster. */
const BOUNDS = { all: 200_000, ofClient: 50_000, ofCluster: 1000 };

export const NO_LOAD: PresentLoad = {
  inFlight: 0,
  pins: 0,
  succeededPerSecond: 0,
  failedPerSecond: 0,
  timedPerSecond: 0,
  latencyMsPerSecond: 0,
};

/**
 * What clients report, added up. Counts stay when a client leaves; what is true of a moment is the client's own:
 * each of its reports replaces all of the one before, and the last leaves with it.
 *
 * Of clusters that there are not, nothing is kept; what is reported of an address that a cluster has not counts for no
 * endpoint in particular.
 */
export class LoadStore {
  /** By cluster and address; the oldest are forgotten. */
  private readonly counters = new Map<string, Counters>();
  private readonly present = new Map<object, ReadonlyMap<string, PresentLoad>>();
  private readonly waiting = new Map<object, { readonly node: string; readonly names: readonly string[] }>();

  /** By client and cluster. */
  private readonly reported = new Map<object, ReadonlyMap<string, ClusterCondition>>();
  /** By cluster; the oldest are forgotten. */
  private readonly failovers = new Map<string, number>();

  /** Addresses remembered of each cluster. */
  private readonly addresses = new Map<string, number>();

  constructor(
    private readonly bounds = BOUNDS,
    private readonly scope: LoadScope = ANYTHING,
  ) {}

  /** @param client stands for one connection */
  report(client: object, { node, waiting, clusters, intervalMs }: LoadReport): void {
    if (waiting.length === 0) this.waiting.delete(client);
    else this.waiting.set(client, { node, names: waiting });
    const now = new Map<string, PresentLoad>();
    const known = clusters.filter(({ cluster }) => this.scope.hasCluster(cluster));
    for (const [cluster, endpoint] of entriesOf(known)) {
      if (now.size >= this.bounds.ofClient) break;
      const key = this.count(cluster, endpoint);
      now.set(key, addLoad(now.get(key) ?? NO_LOAD, presentOf(endpoint, intervalMs / 1000)));
    }
    this.present.set(client, now);
    this.reported.set(client, this.takeConditions(known));
  }

  /**
   * What clients know of each cluster. Where they see different numbers of usable endpoints it is the smallest, since
   * that is where requests go elsewhere; failovers are those since the control plane started.
   */
  get conditions(): ReadonlyMap<string, ClusterCondition> {
    const all = new Map<string, ClusterCondition>();
    for (const [cluster, failovers] of this.failovers)
      all.set(cluster, { endpoints: 0, usable: Number.POSITIVE_INFINITY, failovers });
    for (const own of this.reported.values())
      for (const [cluster, { endpoints, usable }] of own) {
        const known = all.get(cluster);
        if (known === undefined || usable < known.usable)
          all.set(cluster, { endpoints, usable, failovers: known?.failovers ?? 0 });
      }
    for (const [cluster, condition] of all)
      if (condition.usable === Number.POSITIVE_INFINITY) all.set(cluster, { ...condition, usable: 0 });
    return all;
  }

  private takeConditions(clusters: readonly ClusterLoad[]): Map<string, ClusterCondition> {
    const conditions = new Map<string, ClusterCondition>();
    for (const { cluster, condition } of clusters) {
      if (condition === undefined || conditions.size >= this.bounds.ofClient) continue;
      conditions.set(cluster, condition);
      if (condition.failovers > 0) this.countFailovers(cluster, condition.failovers);
    }
    return conditions;
  }

  private countFailovers(cluster: string, count: number): void {
    this.failovers.set(cluster, (this.failovers.get(cluster) ?? 0) + count);
    const [oldest] = this.failovers.keys();
    if (this.failovers.size > this.bounds.all) this.failovers.delete(oldest as string);
  }

  /** A client's connection has ended. */
  forget(client: object): void {
    this.present.delete(client);
    this.reported.delete(client);
    this.waiting.delete(client);
  }

  /** Route configurations that a client has accepted and does not run yet. @param node as {@link nodeKey} names it */
  waitingAt(node: string): readonly string[] {
    for (const entry of this.waiting.values()) if (entry.node === node) return entry.names;
    return [];
  }

  /** Load of every endpoint of these clusters; of all where none are named. */
  totals(clusters?: ReadonlySet<string>): LoadTotals[] {
    const now = new Map<string, PresentLoad>();
    for (const own of this.present.values())
      for (const [key, load] of own) now.set(key, addLoad(now.get(key) ?? NO_LOAD, load));
    return [...this.counters].flatMap(([key, counters]) => {
      const [cluster = '', address = ''] = key.split('\n');
      if (clusters !== undefined && !clusters.has(cluster)) return [];
      return [{ cluster, address, ...counters, now: now.get(key) ?? NO_LOAD }];
    });
  }

  /** @returns under which key */
  private count(cluster: string, load: EndpointLoad): string {
    const key = this.keyOf(cluster, load.address);
    const counters = this.counters.get(key) ?? this.newCounters(key, cluster);
    counters.issued += load.issued;
    counters.succeeded += load.succeeded;
    counters.failed += load.failed;
    counters.latencySumMs += load.latencySumMs;
    return key;
  }

  private keyOf(cluster: string, address: string): string {
    const key = `${cluster}\n${address}`;
    if (this.counters.has(key)) return key;
    const isKept =
      this.scope.hasEndpoint(cluster, address) && (this.addresses.get(cluster) ?? 0) < this.bounds.ofCluster;
    return isKept ? key : `${cluster}\n`;
  }

  private newCounters(key: string, cluster: string): Counters {
    const counters = { issued: 0, succeeded: 0, failed: 0, latencySumMs: 0 };
    this.counters.set(key, counters);
    this.addresses.set(cluster, (this.addresses.get(cluster) ?? 0) + 1);
    if (this.counters.size > this.bounds.all) this.forgetOldest();
    return counters;
  }

  private forgetOldest(): void {
    const [oldest = ''] = this.counters.keys();
    this.counters.delete(oldest);
    const cluster = oldest.slice(0, oldest.indexOf('\n'));
    const left = (this.addresses.get(cluster) ?? 1) - 1;
    if (left === 0) this.addresses.delete(cluster);
    else this.addresses.set(cluster, left);
  }
}

export function addLoad(a: PresentLoad, b: PresentLoad): PresentLoad {
  return {
    inFlight: a.inFlight + b.inFlight,
    pins: a.pins + b.pins,
    succeededPerSecond: a.succeededPerSecond + b.succeededPerSecond,
    failedPerSecond: a.failedPerSecond + b.failedPerSecond,
    timedPerSecond: a.timedPerSecond + b.timedPerSecond,
    latencyMsPerSecond: a.latencyMsPerSecond + b.latencyMsPerSecond,
  };
}

function presentOf(load: EndpointLoad, seconds: number): PresentLoad {
  const perSecond = (count: number) => (seconds === 0 ? 0 : count / seconds);
  return {
    inFlight: load.inFlight,
    pins: load.pins,
    succeededPerSecond: perSecond(load.succeeded),
    failedPerSecond: perSecond(load.failed),
    timedPerSecond: perSecond(load.timed),
    latencyMsPerSecond: perSecond(load.latencySumMs),
  };
}

function* entriesOf(clusters: readonly ClusterLoad[]): Iterable<readonly [string, EndpointLoad]> {
  for (const { cluster, endpoints } of clusters) for (const endpoint of endpoints) yield [cluster, endpoint];
}
