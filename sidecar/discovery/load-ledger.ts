import type { ClusterLoad, EndpointLoad } from '../../src/xds/load-report.js';
import type { PinCounts } from '../session/pin-census.js';

/** An endpoint with what it counts; the sidecar's own. */
export interface CountedEndpoint {
  readonly address: string;
  /** Attempts. */
  readonly counters: { readonly requests: number };
  readonly traffic: { readonly succeeded: number; readonly failed: number; readonly latencySumMs: number };
  readonly activeRequests: number;
  readonly isRetired: boolean;
}

/** How many endpoints a cluster has, and how many of them take new sessions. */
export interface Condition {
  readonly endpoints: number;
  readonly usable: number;
}

/** Every cluster of the present configuration; the sidecar's registry. */
export interface EndpointSource {
  readonly clusters: Iterable<{
    readonly name: string;
    readonly upstreams: Iterable<CountedEndpoint>;
    /** Something has been sent there. */
    readonly isUsed: boolean;
    readonly condition?: Condition;
  }>;
}

/** What has been reported of an endpoint so far. */
interface Reported {
  readonly cluster: string;
  issued: number;
  succeeded: number;
  failed: number;
  latencySumMs: number;
}

/**
 * Remembers what has been reported of every endpoint, so that each report tells what is new since the last one.
 * Endpoints that leave the configuration are followed until their last request is over.
 */
export class LoadLedger {
  private readonly reported = new Map<CountedEndpoint, Reported>();

  private readonly failoversReported = new Map<string, number>();

  /** @param failovers requests that another release took, by the cluster that should have; since the start */
  constructor(
    private readonly source: EndpointSource,
    private readonly failovers: () => ReadonlyMap<string, number> = () => NO_FAILOVERS,
  ) {}

  /** What is new since the last time; endpoints with nothing to tell of are left out. */
  take(pins: PinCounts): ClusterLoad[] {
    this.meetNew(pins);
    const loads = new Map<string, EndpointLoad[]>();
    const add = (cluster: string, load: EndpointLoad) => {
      const others = loads.get(cluster);
      if (others === undefined) loads.set(cluster, [load]);
      else others.push(load);
    };
    for (const [endpoint, last] of this.reported) {
      const load = loadSince(last, endpoint, pins.get(last.cluster)?.get(endpoint.address) ?? 0);
      if (load !== undefined) add(last.cluster, load);
      if (endpoint.isRetired && endpoint.activeRequests === 0) this.reported.delete(endpoint);
    }
    for (const [cluster, addresses] of pins) {
      const homeless = addresses.get('');
      if (homeless !== undefined) add(cluster, { ...NOTHING, address: '', pins: homeless });
    }
    const conditions = this.conditions();
    const names = new Set([...loads.keys(), ...conditions.keys()]);
    return [...names].map((cluster) => ({
      cluster,
      endpoints: loads.get(cluster) ?? [],
      ...conditions.get(cluster),
    }));
  }

  /** Of clusters that are called, or should have been: told every time, since it is true of the moment. */
  private conditions(): Map<string, Pick<ClusterLoad, 'condition'>> {
    const told = new Map<string, Pick<ClusterLoad, 'condition'>>();
    const failovers = this.failovers();
    for (const { name, isUsed, condition } of this.source.clusters) {
      const total = failovers.get(name) ?? 0;
      if (condition === undefined || !(isUsed || total > 0)) continue;
      const since = total - (this.failoversReported.get(name) ?? 0);
      if (since > 0) this.failoversReported.set(name, total);
      told.set(name, { condition: { ...condition, failovers: since } });
    }
    return told;
  }

  /** Of a large mesh, a sidecar calls a few services: the others have nothing to tell of. */
  private meetNew(pins: PinCounts): void {
    for (const { name: cluster, upstreams, isUsed } of this.source.clusters) {
      if (!isUsed && !pins.has(cluster)) continue;
      for (const endpoint of upstreams) {
        if (this.reported.has(endpoint)) continue;
        this.reported.set(endpoint, { cluster, issued: 0, succeeded: 0, failed: 0, latencySumMs: 0 });
      }
    }
  }
}

const NO_FAILOVERS: ReadonlyMap<string, number> = new Map();
const NOTHING = { issued: 0, succeeded: 0, failed: 0, latencySumMs: 0, timed: 0, inFlight: 0 } as const;

/** @returns undefined where there is nothing to tell of */
function loadSince(last: Reported, endpoint: CountedEndpoint, pins: number): EndpointLoad | undefined {
  const { traffic, counters, activeRequests, address } = endpoint;
  const succeeded = traffic.succeeded - last.succeeded;
  const failed = traffic.failed - last.failed;
  const load = {
    address,
    issued: counters.requests - last.issued,
    succeeded,
    failed,
    timed: succeeded + failed,
    latencySumMs: traffic.latencySumMs - last.latencySumMs,
    inFlight: activeRequests,
    pins,
  };
  const { issued } = load;
  if (issued + succeeded + failed + activeRequests + pins === 0) return undefined;
  last.issued = counters.requests;
  last.succeeded = traffic.succeeded;
  last.failed = traffic.failed;
  last.latencySumMs = traffic.latencySumMs;
  return load;
}
