import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { Sighting } from '../cluster/worker-cluster.js';

/**
 * What the main thread makes of what another worker has seen. What all workers count together is looked at again: it may
 * have changed while the message was on its way.
 */
export function applySighting(
  clusters: ClusterRegistry,
  { cluster: name, address, what, errors }: Sighting,
): void {
  const cluster = clusters.find(name);
  if (what === 'used') cluster?.wake();
  const endpoint = cluster?.find(address);
  if (cluster === undefined || endpoint === undefined) return;
  switch (what) {
    case 'app-refuses':
    case 'unreachable':
      endpoint.appRefuses ||= what === 'app-refuses';
      if (!endpoint.isUnreachable && endpoint.isRefusing) cluster.onUnreachable(endpoint);
      return;
    case 'reached':
      if (!endpoint.isUnreachable || endpoint.isRefusing) return;
      endpoint.appRefuses = false;
      cluster.onReached(endpoint);
      return;
    case 'leaving':
      cluster.onLeaving(endpoint);
      return;
    case 'errors':
      cluster.onErrorsInARow(endpoint, errors);
  }
}
