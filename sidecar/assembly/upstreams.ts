import type { Logger } from '../../src/telemetry/logger.js';
import { ClusterRegistry, type FollowNames } from '../cluster/cluster-registry.js';
import type { CountsSource } from '../cluster/counts-source.js';
import { DnsRefresher, resolveBySystem, resolveWithOverrides } from '../cluster/dns-refresher.js';
import { HealthChecker } from '../cluster/health-checker.js';
import { type ClusterSettings, LiveCluster } from '../cluster/live-cluster.js';
import { ReachabilityProber } from '../cluster/reachability-prober.js';
import type { UpstreamEndpoint, UpstreamSettings } from '../cluster/upstream-endpoint.js';
import { probeHealth, probeReachability } from '../pool/health-probe.js';
import { FleetViews } from '../session/sharing/fleet-views.js';
import type { OtherWorkers } from './other-workers.js';
import type { SidecarOptions } from './sidecar-options.js';

/** Whom requests are sent to, and the parts that find out how these are. */
export interface Upstreams {
  readonly views: FleetViews<UpstreamEndpoint>;
  readonly clusters: ClusterRegistry;
  readonly prober: ReachabilityProber;
  readonly checker: HealthChecker;
}

export interface UpstreamNeeds {
  readonly options: SidecarOptions;
  readonly settings: UpstreamSettings & Pick<ClusterSettings, 'machine'>;
  readonly counts: CountsSource;
  readonly others: OtherWorkers;
  readonly log: Logger;
}

export function assembleUpstreams({ options, settings, counts, others, log }: UpstreamNeeds): Upstreams {
  const prober = new ReachabilityProber(probeReachability);
  const views: FleetViews<UpstreamEndpoint> = new FleetViews({
    nowMs: settings.nowMs,
    troubled: () => troubledIn(clusters),
    ask: (endpoint, appRefuses, done) => prober.ask(endpoint, appRefuses, done),
    hurry(cluster, endpoint, outForMs) {
      prober.hurry(endpoint);
      clusters.find(cluster)?.hurry(endpoint, outForMs);
    },
    onFleetView(name, endpoint) {
      const cluster = clusters.find(name);
      if (cluster !== undefined) others.onCondition(cluster, endpoint);
    },
  });
  const ofClusters: ClusterSettings = {
    ...settings,
    counts,
    asksForCalled: options.dependencies !== undefined,
    onCondition(cluster, endpoint) {
      prober.watch(endpoint);
      views.onCondition(cluster.name, endpoint);
      others.onCondition(cluster, endpoint);
    },
    askForRoom: others.askForRoom,
  };
  const resolve = resolveWithOverrides(options.resolve, resolveBySystem);
  const follow: FollowNames = (cluster, config, onEndpoints) =>
    new DnsRefresher({ cluster, config, resolve, onEndpoints, log, nowMs: settings.nowMs });
  const clusters = new ClusterRegistry(
    (name, onAwake) => new LiveCluster(name, ofClusters, log, onAwake),
    others.follow(follow),
  );
  return { clusters, prober, views, checker: new HealthChecker(probeHealth) };
}

function* troubledIn(clusters: ClusterRegistry) {
  for (const { name: cluster, upstreams } of clusters.clusters)
    for (const endpoint of upstreams) if (endpoint.trouble !== undefined) yield { cluster, endpoint };
}
