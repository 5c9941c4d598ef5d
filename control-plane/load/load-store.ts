import type { ClusterLoad, EndpointLoad } from '../../src/xds/load-report.js';

/** Load of one endpoint, from all clients together. */
export interface LoadTotals {
  readonly cluster: string;
  readonly address: string;
  /** Since the control plane started. */
  readonly issued: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly latencySumMs: number;
  /** As last reported by each client that is connected. */
  readonly inFlight: number;
  readonly pins: number;
}

interface Counters {
  issued: number;
  succeeded: number;
  failed: number;
  latencySumMs: number;
}

/** Most endpoints remembered; a client that invents names must not fill memory. The oldest are forgotten. */
const MAX_ENDPOINTS = 200_000;

/**
 * What clients report, added up. Counts stay when a client leaves; what is true of a moment (in flight, pins) is
 * the client's own and leaves with it.
 */
export class LoadStore {
  private readonly counters = new Map<string, Counters>();
  private readonly gauges = new Map<object, Map<string, { inFlight: number; pins: number }>>();

  /** @param client stands for one connection */
  report(client: object, load: ClusterLoad): void {
    for (const endpoint of load.endpoints) {
      const key = `${load.cluster}\n${endpoint.address}`;
      this.count(key, endpoint);
      let own = this.gauges.get(client);
      if (own === undefined) {
        own = new Map();
        this.gauges.set(client, own);
      }
      if (endpoint.inFlight === 0 && endpoint.pins === 0) own.delete(key);
      else own.set(key, { inFlight: endpoint.inFlight, pins: endpoint.pins });
    }
  }

  /** A client's connection has ended. */
  forget(client: object): void {
    this.gauges.delete(client);
  }

  /** Load of every endpoint of these clusters; of all where none are named. */
  totals(clusters?: ReadonlySet<string>): LoadTotals[] {
    const now = new Map<string, { inFlight: number; pins: number }>();
    for (const own of this.gauges.values()) {
      for (const [key, { inFlight, pins }] of own) {
        const sum = now.get(key) ?? { inFlight: 0, pins: 0 };
        now.set(key, { inFlight: sum.inFlight + inFlight, pins: sum.pins + pins });
      }
    }
    return [...this.counters].flatMap(([key, counters]) => {
      const [cluster = '', address = ''] = key.split('\n');
      if (clusters !== undefined && !clusters.has(cluster)) return [];
      return [{ cluster, address, ...counters, ...(now.get(key) ?? { inFlight: 0, pins: 0 }) }];
    });
  }

  private count(key: string, load: EndpointLoad): void {
    let counters = this.counters.get(key);
    if (counters === undefined) {
      counters = { issued: 0, succeeded: 0, failed: 0, latencySumMs: 0 };
      this.counters.set(key, counters);
      const [oldest] = this.counters.keys();
      if (this.counters.size > MAX_ENDPOINTS) this.counters.delete(oldest as string);
    }
    counters.issued += load.issued;
    counters.succeeded += load.succeeded;
    counters.failed += load.failed;
    counters.latencySumMs += load.latencySumMs;
  }
}
