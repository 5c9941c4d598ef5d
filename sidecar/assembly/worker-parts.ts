import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import { EventLoopDelay } from '../../src/telemetry/event-loop-delay.js';
import type { LogOutput } from '../../src/telemetry/log-output.js';
import type { Warn } from '../../src/telemetry/logger.js';
import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import { interfaceAddresses } from '../cluster/endpoint-reach.js';
import type { ClusterSettings } from '../cluster/live-cluster.js';
import type { UpstreamSettings } from '../cluster/upstream-endpoint.js';
import { LoadLedger } from '../discovery/load-ledger.js';
import type { HostDemand } from '../discovery/on-demand.js';
import type { AppRefusals } from '../http/app-refusal.js';
import { ActionCounts } from '../outbound/action-counts.js';
import { pools } from '../pool/pools.js';
import { AccessLog } from '../records/access-log.js';
import { Failovers, type NewFailovers } from '../records/failovers.js';
import { RequestRecorder } from '../records/request-recorder.js';
import { RequestSamples } from '../records/request-samples.js';
import type { FleetPins } from '../session/sharing/fleet-pins.js';
import { assembleDataPath, type DataPath, type DataPathOptions } from './data-path.js';
import type { SidecarOptions } from './sidecar-options.js';
import type { ThreadState } from './thread-state.js';

/** Deadlines are kept to within this. */
export const TICK_MS = 50;
const CONNECT_FAILURES_TO_EJECT = 3;

/** Of what a sidecar is told, what the recorder of requests needs. */
export type RecorderSettings = Pick<SidecarOptions, 'service' | 'release' | 'accessLog' | 'debugSample'>;

/** What each worker has of its own: what carries requests, and what it remembers of them. */
export interface WorkerParts extends DataPath {
  /** From 1, which is the main thread. */
  readonly number: number;
  readonly clusters: ClusterRegistry;
  readonly recorder: RequestRecorder;
  readonly actionCounts: ActionCounts;
  readonly failovers: Failovers;
  readonly samples: RequestSamples;
  readonly ledger: LoadLedger;
  readonly delay: EventLoopDelay;
  /** Where its lines of log go. */
  readonly output: LogOutput;
}

export interface WorkerNeeds {
  readonly number: number;
  readonly refusals: AppRefusals;
  readonly options: DataPathOptions & RecorderSettings;
  readonly settings: UpstreamSettings;
  readonly state: ThreadState;
  readonly clusters: ClusterRegistry;
  readonly output: LogOutput;
  readonly warn: Warn;
  /** Requests have gone to another release, since theirs has no usable endpoint. */
  onFailovers(news: readonly NewFailovers[]): void;
  /** The routing table of this instant; undefined until the first configuration is in force. */
  table(): RoutingTable | undefined;
  /** Undefined: hosts are not asked for when they are called. */
  readonly onDemand: HostDemand | undefined;
  readonly fleetPins: FleetPins;
  /** Something is sent by way of a virtual host; only told where there is {@link onDemand}. */
  noteUse(host: VirtualHost): void;
}

export function upstreamSettings(
  { limits, service }: DataPathOptions & Pick<SidecarOptions, 'service'>,
  nowMs: () => number,
): UpstreamSettings & Pick<ClusterSettings, 'machine'> {
  return {
    machine: { namespace: service.namespace, addresses: interfaceAddresses },
    newPool: pools({ limits, nowMs }),
    connectFailuresToEject: CONNECT_FAILURES_TO_EJECT,
    nowMs,
  };
}

export function assembleWorkerParts(needs: WorkerNeeds): WorkerParts {
  const { options, clusters, output } = needs;
  const samples = new RequestSamples(options.debugSample);
  const failovers = new Failovers((news) => needs.onFailovers(news));
  const recorder = newRecorder(options, output, samples, failovers);
  const actionCounts = new ActionCounts();
  const { sessions, seenInCookies, traces, slots, ownPorts, loopSeed } = needs.state;
  const shared = { sessions, seenInCookies, traces, slots, ownPorts, loopSeed };
  const dataPath = assembleDataPath({ ...needs, ...shared, recorder, actionCounts });
  const ledger = new LoadLedger(clusters, () => failovers.byCluster);
  return {
    ...dataPath,
    number: needs.number,
    clusters,
    recorder,
    actionCounts,
    failovers,
    samples,
    ledger,
    delay: new EventLoopDelay(),
    output,
  };
}

/** What time alone brings about, but for clusters. Called on the coarse clock's tick. */
export function tickWorkerParts(parts: WorkerParts, nowMs: number): void {
  parts.inbound.checkDeadlines(nowMs);
  parts.outbound.checkDeadlines(nowMs);
  parts.mirrors.checkDeadlines(nowMs);
  parts.apps.closeIdle(nowMs);
  parts.appsOverHttp2.closeIdle(nowMs);
  parts.passthrough?.closeIdle(nowMs);
  parts.pins.tick();
  parts.samples.onTick();
  parts.failovers.onTick(nowMs);
}

/** Lets go of everything at once, started or not. */
export function releaseWorkerParts(parts: WorkerParts): void {
  parts.inbound.destroy();
  parts.outbound.destroy();
  parts.mirrors.close();
  parts.delay.stop();
  parts.clusters.close();
  parts.apps.close();
  parts.appsOverHttp2.close();
  parts.passthrough?.close();
}

function newRecorder(
  { service: { name, namespace }, release, accessLog: level }: RecorderSettings,
  output: LogOutput,
  samples: RequestSamples,
  failovers: Failovers,
): RequestRecorder {
  const service = `${name}.${namespace}`;
  return new RequestRecorder({
    service,
    release,
    level,
    accessLog: new AccessLog(output.bulk, service),
    samples,
    failovers,
  });
}
