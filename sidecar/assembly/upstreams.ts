import type { Logger } from '../../src/telemetry/logger.js';
import type { SidecarOptions } from '../options.js';
import { ClusterRegistry, type FollowNames } from '../upstream/cluster-registry.js';
import type { CountsSource } from '../upstream/counts-source.js';
import { DnsRefresher, resolveBySystem, resolveWithOverrides } from '../upstream/dns-refresher.js';
import { HealthChecker } from '../upstream/health-checker.js';
import { probeHealth } from '../upstream/health-probe.js';
import { type ClusterSettings, LiveCluster } from '../upstream/live-cluster.js';
import { ReachabilityProber } from '../upstream/reachability-prober.js';
import type { UpstreamSettings } from '../upstream/upstream-endpoint.js';
import type { OtherWorkers } from '../workers/other-workers.js';

/** Whom requests are sent to, and whoever finds out how these are. */
export interface Upstreams {
  readonly clusters: ClusterRegistry;
  readonly prober: ReachabilityProber;
  readonly checker: HealthChecker;
}

export interface UpstreamNeeds {
  readonly options: SidecarOptions;
  readonly settings: UpstreamSettings & Pick<ClusterSettings, 'machine'>;
  readonly counts: CountsSource;
  readonly others: OtherWorkers | undefined;
  readonly log: Logger;
}

export function assembleUpstreams({ options, settings, counts, others, log }: UpstreamNeeds): Upstreams {
  const prober = new ReachabilityProber();
  const ofClusters: ClusterSettings = {
    ...settings,
    counts,
    asksForCalled: options.dependencies !== undefined,
    onCondition(cluster, endpoint) {
      prober.watch(endpoint);
      others?.onCondition(cluster, endpoint);
    },
    askForRoom: others && ((cluster, address) => others.askForRoom(cluster, address)),
  };
  const resolve = resolveWithOverrides(options.resolve, resolveBySystem);
  const follow: FollowNames = (cluster, config, onEndpoints) =>
    new DnsRefresher({ cluster, config, resolve, onEndpoints, log, nowMs: settings.nowMs });
  const clusters = new ClusterRegistry(
    (name, onAwake) => new LiveCluster(name, ofClusters, log, onAwake),
    others?.follow(follow) ?? follow,
  );
  return { clusters, prober, checker: new HealthChecker(probeHealth) };
}
