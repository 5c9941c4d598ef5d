import { INSECURE, openChannelSecurity } from '../../src/access/channel-security.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ClusterLoad } from '../../src/xds/load-report.js';
import type { NameChanges } from '../../src/xds/referenced-names.js';
import { listenerName } from '../../src/xds/resource-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { SessionAnswer, SessionQuestion } from '../../src/xds/session-survey.js';
import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { AdsClient, AdsClientOptions, ResourceConsumer } from '../discovery/ads-client.js';
import { ControlPlanes } from '../discovery/control-planes.js';
import { DeltaClient } from '../discovery/delta-client.js';
import { LastGood } from '../discovery/last-good.js';
import { ListenerDemand } from '../discovery/listener-demand.js';
import { LoadReporter } from '../discovery/load-reporter.js';
import { MeshConfiguration } from '../discovery/mesh-configuration.js';
import { nodeOf } from '../discovery/node.js';
import { OnDemand } from '../discovery/on-demand.js';
import { SotwClient } from '../discovery/sotw-client.js';
import type { Origin } from '../discovery/store-guard.js';
import type { AppRefusals } from '../http/app-refusal.js';
import type { OtherWorkers } from './other-workers.js';
import type { SidecarOptions } from './sidecar-options.js';

/** What talks to the control plane. */
export interface Discovery {
  readonly configuration: MeshConfiguration;
  /** Where hosts that were not named beforehand are asked for. */
  readonly onDemand: OnDemand | undefined;
  /** Where a directory was named to keep it in. */
  readonly lastGood: LastGood | undefined;
  readonly client: AdsClient;
  readonly reporter: LoadReporter;
  readonly controlPlanes: ControlPlanes;
  /** What this sidecar tells servers about itself. */
  readonly node: object;
}

/** What talks to the control plane needs of the rest. */
export interface DiscoveryNeeds {
  readonly options: SidecarOptions;
  readonly clusters: ClusterRegistry;
  readonly others: OtherWorkers;
  readonly refusals: AppRefusals;
  nowMs(): number;
  /** What there is to report of the load since the last time. */
  collectLoad(): Promise<readonly ClusterLoad[]>;
  /** Which sessions are held here. */
  surveySessions(question: SessionQuestion): AsyncIterable<SessionAnswer>;
  readonly log: Logger;
}

export function assembleDiscovery(needs: DiscoveryNeeds): Discovery {
  const { options, clusters, others, refusals, log } = needs;
  const nowMs = () => needs.nowMs();
  const subscribe = (kind: ResourceKind, changes: NameChanges) => {
    client.subscribe(kind, changes);
    lastGood?.wanted(kind, changes);
  };
  const demand = listenerDemand(options, {
    subscribe: (changes) => subscribe('listener', changes),
    forget: (listeners) => {
      configuration.forget(listeners);
      others.onForgotten(listeners);
    },
    lastUsedMs: (listener) => configuration.lastUsedMs(listener),
    connected: () => configuration.connected,
    nowMs,
  });
  const configuration: MeshConfiguration = new MeshConfiguration({ clusters, demand, subscribe, nowMs, log });
  const consumer = others.consumer(configuration, demand);
  const lastGood = newLastGood({ options, consumer, configuration, origin: () => client.guard.origin, log });
  const node = nodeOf(options);
  const controlPlanes = newControlPlanes(options, log);
  const client: AdsClient = newAdsClient(options.xdsMode, {
    controlPlanes,
    node,
    consumer: lastGood ?? consumer,
    ignoresDeletion: options.ignoresDeletion,
    nowMs,
    onSidecarKey: (key) => {
      refusals.key = key;
      others.onSidecarKey(key);
    },
    log,
  });
  const reporter = new LoadReporter({
    controlPlanes,
    node,
    waiting: () => configuration.waiting,
    collect: () => needs.collectLoad(),
    survey: (question) => needs.surveySessions(question),
    log,
  });
  return { configuration, onDemand: demand.onDemand, lastGood, client, reporter, controlPlanes, node };
}

interface DemandNeeds {
  subscribe(changes: NameChanges): void;
  forget(listeners: readonly string[]): void;
  lastUsedMs(listener: string): number;
  connected(): boolean;
  nowMs(): number;
}

function listenerDemand({ service, dependencies }: SidecarOptions, needs: DemandNeeds): ListenerDemand {
  const { subscribe, nowMs, lastUsedMs, connected } = needs;
  const limits = dependencies?.onDemand;
  const change = (changes: NameChanges) => {
    subscribe(changes);
    if (changes.dropped.length > 0) needs.forget(changes.dropped);
  };
  const onDemand = limits && new OnDemand({ limits, change, lastUsedMs, connected, nowMs });
  return new ListenerDemand({ dependencies, own: listenerName(service), onDemand, subscribe });
}

/** @throws OperatorError where a file of credentials cannot be used */
function newControlPlanes({ controlPlanes, security }: SidecarOptions, log: Logger): ControlPlanes {
  const onProblem = (problem: string) =>
    log.error({ problem }, 'the token cannot be read again; the one read last is used');
  return new ControlPlanes(
    controlPlanes.map((address) => ({
      address,
      security: security === undefined ? INSECURE : openChannelSecurity(security, address, onProblem),
    })),
  );
}

interface LastGoodNeeds {
  readonly options: SidecarOptions;
  readonly consumer: ResourceConsumer;
  readonly configuration: MeshConfiguration;
  origin(): Origin;
  readonly log: Logger;
}

function newLastGood({ options, consumer, configuration, origin, log }: LastGoodNeeds): LastGood | undefined {
  const { stateDir, service } = options;
  if (stateDir === '') return undefined;
  return new LastGood({
    directory: stateDir,
    service: `${service.name}.${service.namespace}`,
    consumer,
    onStored: (listeners) => configuration.resume(listeners),
    origin,
    isSettled: () => configuration.isSettled,
    nowMs: Date.now,
    log,
  });
}

function newAdsClient(mode: SidecarOptions['xdsMode'], options: AdsClientOptions): AdsClient {
  return mode === 'delta' ? new DeltaClient(options) : new SotwClient(options);
}
