import { USABLE } from '../../src/routing/endpoint-set.js';
import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { LiveCluster } from '../cluster/live-cluster.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import { type ClusterTallies, summedUp } from '../records/cluster-tallies.js';

/**
 * What `/clusters` shows: every cluster and endpoint, with its health and counts.
 *
 * @param others what the other workers have counted
 */
export function describeClusters(clusters: ClusterRegistry, others: readonly ClusterTallies[]): object {
  return { clusters: clusters.clusters.map((cluster) => describeCluster(cluster, others)) };
}

function describeCluster(cluster: LiveCluster, others: readonly ClusterTallies[]): object {
  const { name, panicking, load, upstreams } = cluster;
  const tallies = others.map((tally) => tally.get(name));
  const { retriesRefused } = load;
  return {
    name,
    panicking,
    requests: load.requests,
    connections: load.connections,
    pending: load.pending,
    retries: load.retries,
    ...summedUp(
      { retriesRefused },
      tallies.map((tally) => tally && { retriesRefused: tally.retriesRefused }),
    ),
    shed: summedUp(
      load.shed,
      tallies.map((tally) => tally?.shed),
    ),
    endpoints: [...upstreams].map((endpoint) =>
      describeEndpoint(
        endpoint,
        tallies.map((tally) => tally?.endpoints.get(endpoint.address)),
      ),
    ),
  };
}

function describeEndpoint(
  endpoint: UpstreamEndpoint,
  others: readonly (UpstreamEndpoint['counters'] | undefined)[],
): object {
  const { health, outlier } = endpoint;
  return {
    address: endpoint.address,
    healthy: endpoint.usability === USABLE,
    status: statusOf(endpoint),
    announced: endpoint.status,
    unreachable: endpoint.isUnreachable,
    leaving: endpoint.isLeaving,
    ejected: endpoint.isEjected,
    ejections: outlier.ejections,
    failingChecks: health.failing,
    checkFailures: health.failures,
    ...(health.lastFailure === '' ? {} : { lastCheck: health.lastFailure }),
    weight: endpoint.weight,
    ...(endpoint.zone === '' ? {} : { zone: endpoint.zone }),
    activeRequests: endpoint.activeRequests,
    connections: endpoint.connectionCount,
    ...summedUp(endpoint.counters, others),
  };
}

/** Why an endpoint takes no new sessions, the first reason there is; `healthy`: it does. */
function statusOf(endpoint: UpstreamEndpoint): string {
  if (endpoint.usability === USABLE) return endpoint.status === 'degraded' ? 'degraded' : 'healthy';
  if (endpoint.isUnreachable) return 'unreachable';
  if (endpoint.isEjected) return 'ejected';
  if (endpoint.health.failing) return 'failing-checks';
  if (endpoint.isLeaving) return 'leaving';
  return endpoint.status;
}
