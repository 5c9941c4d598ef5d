import { USABLE } from '../../src/routing/endpoint-set.js';
import type { ClusterRegistry } from '../upstream/cluster-registry.js';
import type { UpstreamEndpoint } from '../upstream/upstream-endpoint.js';

/** What `/clusters` shows: every cluster and endpoint, with its health and counts. */
export function describeClusters(clusters: ClusterRegistry): object {
  return {
    clusters: clusters.clusters.map(({ name, panicking, load, upstreams }) => ({
      name,
      panicking,
      requests: load.requests,
      connections: load.connections,
      pending: load.pending,
      retries: load.retries,
      retriesRefused: load.retriesRefused,
      shed: load.shed,
      endpoints: [...upstreams].map(describeEndpoint),
    })),
  };
}

function describeEndpoint(endpoint: UpstreamEndpoint): object {
  const { health, outlier } = endpoint;
  return {
    address: endpoint.address,
    healthy: endpoint.usability === USABLE,
    unreachable: endpoint.isUnreachable,
    leaving: endpoint.isLeaving,
    ejected: endpoint.isEjected,
    ejections: outlier.ejections,
    failingChecks: health.failing,
    checkFailures: health.failures,
    ...(health.lastFailure === '' ? {} : { lastCheck: health.lastFailure }),
    status: endpoint.status,
    weight: endpoint.weight,
    ...(endpoint.zone === '' ? {} : { zone: endpoint.zone }),
    activeRequests: endpoint.activeRequests,
    connections: endpoint.connectionCount,
    ...endpoint.counters,
  };
}
