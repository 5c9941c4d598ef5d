import type { ClusterCondition, ClusterLoad, EndpointLoad } from '../../src/xds/load-report.js';

/** What several workers have to report, as one. */
export function mergedLoads(reports: readonly (readonly ClusterLoad[])[]): ClusterLoad[] {
  const clusters = new Map<string, { endpoints: Map<string, EndpointLoad>; condition?: ClusterCondition }>();
  for (const { cluster, endpoints, condition } of reports.flat()) {
    const merged = clusters.get(cluster) ?? { endpoints: new Map<string, EndpointLoad>() };
    clusters.set(cluster, merged);
    if (condition !== undefined) merged.condition = inAddition(merged.condition, condition);
    for (const load of endpoints) {
      const known = merged.endpoints.get(load.address);
      merged.endpoints.set(load.address, known === undefined ? load : added(known, load));
    }
  }
  return [...clusters].map(([cluster, { endpoints, ...condition }]) => ({
    cluster,
    endpoints: [...endpoints.values()],
    ...condition,
  }));
}

/** All workers know the same of the endpoints; each has counted its own failovers. */
function inAddition(known: ClusterCondition | undefined, more: ClusterCondition): ClusterCondition {
  return known === undefined ? more : { ...known, failovers: known.failovers + more.failovers };
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
