import type { ClusterLoad, EndpointLoad } from '../../src/xds/load-report.js';

/** What several workers have to report, as one. */
export function mergedLoads(reports: readonly (readonly ClusterLoad[])[]): ClusterLoad[] {
  const clusters = new Map<string, Map<string, EndpointLoad>>();
  for (const { cluster, endpoints } of reports.flat()) {
    const merged = clusters.get(cluster) ?? new Map<string, EndpointLoad>();
    clusters.set(cluster, merged);
    for (const load of endpoints) {
      const known = merged.get(load.address);
      merged.set(load.address, known === undefined ? load : added(known, load));
    }
  }
  return [...clusters].map(([cluster, endpoints]) => ({ cluster, endpoints: [...endpoints.values()] }));
}

/** What is in flight, and pinned, is counted by all workers together, and is not more for being reported twice. */
function added(a: EndpointLoad, b: EndpointLoad): EndpointLoad {
  return {
    address: a.address,
    issued: a.issued + b.issued,
    succeeded: a.succeeded + b.succeeded,
    failed: a.failed + b.failed,
    latencySumMs: a.latencySumMs + b.latencySumMs,
    timed: a.timed + b.timed,
    inFlight: Math.max(a.inFlight, b.inFlight),
    pins: Math.max(a.pins, b.pins),
  };
}
