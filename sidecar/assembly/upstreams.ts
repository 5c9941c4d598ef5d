import type { Logger } from '../../src/telemetry/logger.js';
import type { SidecarOptions } from '../options.js';
import { ClusterRegistry } from '../upstream/cluster-registry.js';
import { OWN_COUNTS } from '../upstream/counts-source.js';
import { DnsRefresher, resolveBySystem, resolveWithOverrides } from '../upstream/dns-refresher.js';
import { HealthChecker } from '../upstream/health-checker.js';
import { probeHealth } from '../upstream/health-probe.js';
import { LiveCluster } from '../upstream/live-cluster.js';
import { ReachabilityProber } from '../upstream/reachability-prober.js';
import type { UpstreamEndpoint, UpstreamSettings } from '../upstream/upstream-endpoint.js';

/** Whom requests are sent to, and whoever finds out how these are. */
export interface Upstreams {
  readonly clusters: ClusterRegistry;
  readonly prober: ReachabilityProber;
  readonly checker: HealthChecker;
}

export function assembleUpstreams(
  options: SidecarOptions,
  settings: UpstreamSettings,
  log: Logger,
): Upstreams {
  const prober = new ReachabilityProber();
  const checker = new HealthChecker(probeHealth);
  const resolve = resolveWithOverrides(options.resolve, resolveBySystem);
  const ofClusters = {
    ...settings,
    counts: OWN_COUNTS,
    onCondition: (_cluster: LiveCluster, endpoint: UpstreamEndpoint) => prober.watch(endpoint),
    askForRoom: undefined,
  };
  const clusters = new ClusterRegistry(
    (name) => new LiveCluster(name, ofClusters, log),
    (cluster, config, onEndpoints) => new DnsRefresher(cluster, config, resolve, onEndpoints, log),
  );
  return { clusters, prober, checker };
}
