import type { Logger } from '../../src/telemetry/logger.js';
import type { SidecarOptions } from '../options.js';
import { ClusterRegistry, type FollowNames } from '../upstream/cluster-registry.js';
import { DnsRefresher, resolveBySystem, resolveWithOverrides } from '../upstream/dns-refresher.js';
import { HealthChecker } from '../upstream/health-checker.js';
import { probeHealth } from '../upstream/health-probe.js';
import { LiveCluster } from '../upstream/live-cluster.js';
import { ReachabilityProber } from '../upstream/reachability-prober.js';
import type { UpstreamEndpoint, UpstreamSettings } from '../upstream/upstream-endpoint.js';
import type { Journal } from '../workers/journal.js';
import { followForAll } from '../workers/journaled.js';
import type { Workers } from './workers.js';

/** Whom requests are sent to, and whoever finds out how these are. */
export interface Upstreams {
  readonly clusters: ClusterRegistry;
  readonly prober: ReachabilityProber;
  readonly checker: HealthChecker;
}

export function assembleUpstreams(
  options: SidecarOptions,
  settings: UpstreamSettings,
  { state, others }: Workers,
  log: Logger,
): Upstreams {
  const prober = new ReachabilityProber();
  const ofClusters = {
    ...settings,
    counts: state.counts,
    onCondition(cluster: LiveCluster, endpoint: UpstreamEndpoint) {
      prober.watch(endpoint);
      if (others !== undefined) tellOthers(others.journal, cluster, endpoint);
    },
    askForRoom:
      others &&
      ((cluster: string, address: string | undefined) => others.team.wantRoom({ cluster, address })),
  };
  const resolve = resolveWithOverrides(options.resolve, resolveBySystem);
  const follow: FollowNames = (cluster, config, onEndpoints) =>
    new DnsRefresher(cluster, config, resolve, onEndpoints, log);
  const clusters = new ClusterRegistry(
    (name) => new LiveCluster(name, ofClusters, log),
    others === undefined ? follow : followForAll(follow, others.journal),
  );
  return { clusters, prober, checker: new HealthChecker(probeHealth) };
}

/** Of one that the configuration has dropped, nobody needs to know; another may have its address by now. */
function tellOthers(
  journal: Journal,
  cluster: LiveCluster,
  { address, isRetired, condition }: UpstreamEndpoint,
): void {
  if (!isRetired) journal.write({ what: 'condition', cluster: cluster.name, address, condition });
}
