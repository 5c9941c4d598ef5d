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

/** Every cluster of the present configuration; the sidecar's registry. */
export interface EndpointSource {
  readonly clusters: Iterable<{
    readonly name: string;
    readonly upstreams: Iterable<CountedEndpoint>;
    /** Something has been sent there. */
    readonly isUsed: boolean;
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

  constructor(private readonly source: EndpointSource) {}

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
    return [...loads].map(([cluster, endpoints]) => ({ cluster, endpoints }));
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
