import { INSECURE, openChannelSecurity } from '../../src/access/channel-security.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ClusterLoad } from '../../src/xds/load-report.js';
import type { AdsClient, AdsClientOptions, ResourceConsumer } from '../discovery/ads-client.js';
import { controlPlaneChannel } from '../discovery/control-plane-channel.js';
import { DeltaClient } from '../discovery/delta-client.js';
import { LastGood } from '../discovery/last-good.js';
import { LoadReporter } from '../discovery/load-reporter.js';
import { MeshConfiguration } from '../discovery/mesh-configuration.js';
import { nodeOf } from '../discovery/node.js';
import { SotwClient } from '../discovery/sotw-client.js';
import type { SidecarOptions } from '../options.js';
import type { ClusterRegistry } from '../upstream/cluster-registry.js';
import type { OtherWorkers } from '../workers/other-workers.js';

/** What talks to the control plane. */
export interface Discovery {
  readonly configuration: MeshConfiguration;
  /** Where a directory was named to keep it in. */
  readonly lastGood: LastGood | undefined;
  readonly client: AdsClient;
  readonly reporter: LoadReporter;
  /** What this sidecar tells servers about itself. */
  readonly node: object;
}

/** What talks to the control plane needs of the rest. */
export interface DiscoveryNeeds {
  readonly options: SidecarOptions;
  readonly clusters: ClusterRegistry;
  readonly others: OtherWorkers | undefined;
  nowMs(): number;
  /** What there is to report of the load since the last time. */
  collectLoad(): Promise<readonly ClusterLoad[]>;
  readonly log: Logger;
}

export function assembleDiscovery(needs: DiscoveryNeeds): Discovery {
  const { options, clusters, others, log } = needs;
  const nowMs = () => needs.nowMs();
  const configuration: MeshConfiguration = new MeshConfiguration({
    clusters,
    subscribe: (kind, names) => {
      client.subscribe(kind, names);
      lastGood?.wanted(kind, names);
    },
    nowMs,
    log,
  });
  const consumer = others?.consumer(configuration) ?? configuration;
  const lastGood = newLastGood(options, consumer, configuration, log);
  const node = nodeOf(options);
  const security =
    options.security &&
    openChannelSecurity(options.security, options.controlPlane, (problem) =>
      log.error({ problem }, 'the token cannot be read again; the one read last is used'),
    );
  const client: AdsClient = newAdsClient(options.xdsMode, {
    address: options.controlPlane,
    security: security ?? INSECURE,
    node,
    consumer: lastGood ?? consumer,
    ignoresDeletion: options.ignoresDeletion,
    nowMs,
    log,
  });
  const reporter = new LoadReporter({
    channel: controlPlaneChannel(options.controlPlane, security ?? INSECURE),
    node,
    waiting: () => configuration.waiting,
    collect: needs.collectLoad,
    log,
  });
  return { configuration, lastGood, client, reporter, node };
}

function newLastGood(
  { stateDir, service }: SidecarOptions,
  consumer: ResourceConsumer,
  configuration: MeshConfiguration,
  log: Logger,
): LastGood | undefined {
  if (stateDir === '') return undefined;
  return new LastGood({
    directory: stateDir,
    service: `${service.name}.${service.namespace}`,
    consumer,
    isSettled: () => configuration.isSettled,
    nowMs: Date.now,
    log,
  });
}

function newAdsClient(mode: SidecarOptions['xdsMode'], options: AdsClientOptions): AdsClient {
  return mode === 'delta' ? new DeltaClient(options) : new SotwClient(options);
}
