import { INSECURE, openChannelSecurity } from '../../src/access/channel-security.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { listenerName } from '../../src/xds/resource-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { NameChanges } from '../../src/xds/wanted-names.js';
import type { AdsClient, AdsClientOptions } from '../discovery/ads-client.js';
import { ControlPlanes } from '../discovery/control-planes.js';
import { DeltaClient } from '../discovery/delta-client.js';
import { LastGood } from '../discovery/last-good.js';
import { ListenerDemand } from '../discovery/listener-demand.js';
import { LoadLedger } from '../discovery/load-ledger.js';
import { LoadReporter } from '../discovery/load-reporter.js';
import { MeshConfiguration } from '../discovery/mesh-configuration.js';
import { nodeOf } from '../discovery/node.js';
import { OnDemand } from '../discovery/on-demand.js';
import { SotwClient } from '../discovery/sotw-client.js';
import type { Origin } from '../discovery/store-guard.js';
import type { SidecarOptions } from '../options.js';
import { countPins } from '../session/pin-census.js';
import type { SessionTable } from '../session/session-table.js';
import type { ClusterRegistry } from '../upstream/cluster-registry.js';

/** What talks to the control plane. */
export interface Discovery {
  readonly configuration: MeshConfiguration;
  /** Where hosts that nobody named beforehand are asked for. */
  readonly onDemand: OnDemand | undefined;
  /** Where a directory was named to keep it in. */
  readonly lastGood: LastGood | undefined;
  readonly client: AdsClient;
  readonly reporter: LoadReporter;
  readonly controlPlanes: ControlPlanes;
  /** What this sidecar tells servers about itself. */
  readonly node: object;
}

export function assembleDiscovery(
  options: SidecarOptions,
  clusters: ClusterRegistry,
  sessions: SessionTable,
  nowMs: () => number,
  log: Logger,
): Discovery {
  const subscribe = (kind: ResourceKind, changes: NameChanges) => {
    client.subscribe(kind, changes);
    lastGood?.wanted(kind, changes);
  };
  const demand = listenerDemand(options, {
    subscribe: (changes) => subscribe('listener', changes),
    forget: (listeners) => configuration.forget(listeners),
    lastUsedMs: (listener) => configuration.lastUsedMs(listener),
    connected: () => configuration.connected,
    nowMs,
  });
  const configuration: MeshConfiguration = new MeshConfiguration({ clusters, demand, subscribe, nowMs, log });
  const lastGood = newLastGood(options, configuration, () => client.guard.origin, log);
  const node = nodeOf(options);
  const controlPlanes = newControlPlanes(options, log);
  const client: AdsClient = newAdsClient(options.xdsMode, {
    controlPlanes,
    node,
    consumer: lastGood ?? configuration,
    ignoresDeletion: options.ignoresDeletion,
    nowMs,
    log,
  });
  const ledger = new LoadLedger(clusters);
  const reporter = new LoadReporter({
    controlPlanes,
    node,
    waiting: () => configuration.waiting,
    collect: async () => ledger.take(await countPins(sessions, configuration.table, nowMs())),
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

function newLastGood(
  { stateDir, service }: SidecarOptions,
  configuration: MeshConfiguration,
  origin: () => Origin,
  log: Logger,
): LastGood | undefined {
  if (stateDir === '') return undefined;
  return new LastGood({
    directory: stateDir,
    service: `${service.name}.${service.namespace}`,
    consumer: configuration,
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
