import type { ReleaseLoad } from '../../src/api/config-service.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import { clusterName } from '../../src/xds/resource-names.js';
import { addLoad, type LoadStore, NO_LOAD, type PresentLoad } from '../load/load-store.js';
import type { ConfiguredService } from '../store/configuration.js';

/** Load by release, of every release that has any or has had any; in the order of names, releases as declared. */
export function releaseLoads(
  services: ReadonlyMap<ServiceKey, ConfiguredService>,
  store: LoadStore,
): ReleaseLoad[] {
  const byCluster = new Map<string, { now: PresentLoad; requests: number }>();
  for (const { cluster, now, issued } of store.totals()) {
    const sum = byCluster.get(cluster) ?? { now: NO_LOAD, requests: 0 };
    byCluster.set(cluster, { now: addLoad(sum.now, now), requests: sum.requests + issued });
  }
  return [...services.keys()].sort().flatMap((key) => {
    const { service } = services.get(key) as ConfiguredService;
    return service.spec.versions.flatMap(({ name }) => {
      const load = byCluster.get(clusterName(service, name));
      return load === undefined ? [] : [describe(key, name, load.now, load.requests)];
    });
  });
}

function describe(service: ServiceKey, release: string, now: PresentLoad, requests: number): ReleaseLoad {
  const perSecond = now.succeededPerSecond + now.failedPerSecond;
  return {
    service,
    release,
    requestsPerSecond: perSecond,
    successRate: perSecond === 0 ? 1 : now.succeededPerSecond / perSecond,
    latencyMs: now.timedPerSecond === 0 ? 0 : now.latencyMsPerSecond / now.timedPerSecond,
    inFlight: now.inFlight,
    pins: now.pins,
    requests,
  };
}
