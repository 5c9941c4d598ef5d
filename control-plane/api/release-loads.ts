import type { ReleaseLoad } from '../../src/api/config-service.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import { mainRoute } from '../../src/model/operations.js';
import type { ClusterCondition } from '../../src/xds/load-report.js';
import { clusterName } from '../../src/xds/resource-names.js';
import { addLoad, type LoadStore, NO_LOAD, type PresentLoad } from '../load/load-store.js';
import type { ConfiguredService } from '../store/configuration.js';

interface ClusterFigures {
  readonly now: PresentLoad;
  readonly requests: number;
}

const NO_FIGURES: ClusterFigures = { now: NO_LOAD, requests: 0 };
const NO_CONDITION: ClusterCondition = { endpoints: 0, usable: 0, failovers: 0 };

/**
 * Load by release, of every release of services that have any or have had any; in the order of names, releases as
 * declared. A release without requests is told of too: it may be the one that is down.
 */
export function releaseLoads(
  services: ReadonlyMap<ServiceKey, ConfiguredService>,
  store: LoadStore,
  sharedPins: ReadonlyMap<string, number>,
): ReleaseLoad[] {
  const figures = figuresOf(store);
  const { conditions } = store;
  return [...services.keys()].sort().flatMap((key) => {
    const { service } = services.get(key) as ConfiguredService;
    const clusters = service.spec.versions.map(({ name }) => clusterName(service, name));
    const isKnown = (cluster: string) =>
      figures.has(cluster) || conditions.has(cluster) || sharedPins.has(cluster);
    if (!clusters.some(isKnown)) return [];
    const split = service.spec.routes[mainRoute(service.spec.routes)]?.split ?? [];
    const splitTotal = split.reduce((sum, { weight }) => sum + weight, 0);
    return service.spec.versions.map(({ name }, i) => {
      const cluster = clusters[i] as string;
      const load = describe(figures.get(cluster) ?? NO_FIGURES, conditions.get(cluster) ?? NO_CONDITION);
      const entry = split.find(({ version }) => version === name);
      return {
        service: key,
        release: name,
        ...load,
        // What sidecars share they do not report.
        pins: load.pins + (sharedPins.get(cluster) ?? 0),
        splitWeight: entry?.weight ?? 0,
        splitTotal: entry === undefined ? 0 : splitTotal,
      };
    });
  });
}

function figuresOf(store: LoadStore): ReadonlyMap<string, ClusterFigures> {
  const byCluster = new Map<string, ClusterFigures>();
  for (const { cluster, now, issued } of store.totals()) {
    const sum = byCluster.get(cluster) ?? NO_FIGURES;
    byCluster.set(cluster, { now: addLoad(sum.now, now), requests: sum.requests + issued });
  }
  return byCluster;
}

function describe(
  { now, requests }: ClusterFigures,
  { endpoints, usable, failovers }: ClusterCondition,
): Omit<ReleaseLoad, 'service' | 'release' | 'splitWeight' | 'splitTotal'> {
  const perSecond = now.succeededPerSecond + now.failedPerSecond;
  return {
    requestsPerSecond: perSecond,
    successRate: perSecond === 0 ? 1 : now.succeededPerSecond / perSecond,
    latencyMs: now.timedPerSecond === 0 ? 0 : now.latencyMsPerSecond / now.timedPerSecond,
    inFlight: now.inFlight,
    pins: now.pins,
    requests,
    endpoints,
    usableEndpoints: usable,
    failovers,
  };
}
