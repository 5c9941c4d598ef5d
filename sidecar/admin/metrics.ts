import { USABLE } from '../../src/routing/endpoint-set.js';
import type { EventLoopDelay } from '../../src/telemetry/event-loop-delay.js';
import {
  type BoundMetric,
  bindMetrics,
  type Collector,
  labelText,
  sample,
  single,
} from '../../src/telemetry/metrics.js';
import type { ProcessFigures } from '../../src/telemetry/process-metrics.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { LiveCluster } from '../cluster/live-cluster.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { OnDemand } from '../discovery/on-demand.js';
import type { Direction } from '../net/listener.js';
import type { ActionCounts } from '../outbound/action-counts.js';
import type { Failovers } from '../records/failovers.js';
import type { RequestRecorder } from '../records/request-recorder.js';
import type { RequestSeries } from '../records/request-statistics.js';
import type { SharingCounts } from '../session/sharing/pin-sharing.js';
import type { SessionStore } from '../session/store/session-store.js';
import { SIDECAR_METRICS } from './metric-table.js';

const DIRECTIONS: readonly Direction[] = ['inbound', 'outbound'];

/** What a worker counts by itself. */
export interface WorkerSources {
  /** From 1, which is the main thread. */
  readonly number: number;
  readonly recorder: RequestRecorder;
  readonly actionCounts: ActionCounts;
  readonly failovers: Failovers;
  readonly clusters: ClusterRegistry;
  readonly delay: EventLoopDelay;
  readonly inbound: RequestSource;
  readonly outbound: RequestSource;
  readonly output: { readonly dropped: number };
}

interface RequestSource {
  readonly connectionCount: number;
  readonly busyCount: number;
  readonly requests: number;
}

/** What is one for all workers. */
export interface MetricSources extends WorkerSources {
  readonly process: ProcessFigures;
  ready(): boolean;
  controlPlaneConnected(): boolean;
  /** Undefined: unknown, or no number. */
  configurationRevision(): number | undefined;
  /** Resources that the control plane does not know of. */
  configurationKept(): number;
  configurationAgeMs(): number;
  configurationFromDisk(): boolean;
  rejections(type: ResourceKind): number;
  /** Undefined: hosts are not asked for when they are called. */
  readonly onDemand: OnDemand | undefined;
  sessions(): number;
  /** Undefined: there is none. */
  readonly store: SessionStore | undefined;
  readonly sharing: {
    readonly isConnected: boolean;
    readonly disputedEndpoints: number;
    /** How long the oldest change has been on its way. */
    readonly lagMs: number;
    readonly counts: SharingCounts;
  };
}

/** Metrics whose value is the sum of what all workers have. */
export function workerMetrics(sources: WorkerSources) {
  const { clusters, delay, output, inbound, outbound } = sources;
  const worker = labelText({ worker: String(sources.number) });
  const { requests, ownAnswers, tunnels } = sources.recorder;
  const perSeries = (render: (series: RequestSeries, name: string) => string): Collector =>
    function* (name) {
      for (const series of requests.all) yield render(series, name);
    };
  const counter = (key: keyof UpstreamEndpoint['counters']) =>
    perEndpoint(clusters, ({ counters }) => counters[key]);
  return {
    roost_requests_total: perSeries(countsByCode),
    roost_grpc_calls_total: perSeries(callsByStatus),
    roost_request_duration_seconds: perSeries(({ durations, labels }, name) =>
      durations.samples(name, labels),
    ),
    roost_request_retries_total: perSeries(({ retries, labels }, name) => sample(name, labels, retries)),
    roost_own_answers_total: (name) =>
      DIRECTIONS.flatMap((direction) =>
        Object.entries(ownAnswers[direction]).map(([error, count]) =>
          sample(name, labelText({ direction, error }), count),
        ),
      ),
    roost_tcp_connections_total: function* (name) {
      for (const { labels, results } of tunnels.all)
        for (const [result, count] of results) yield sample(name, labelText({ ...labels, result }), count);
    },
    roost_tcp_bytes_total: function* (name) {
      for (const { labels, sentBytes, receivedBytes } of tunnels.all) {
        yield sample(name, labelText({ ...labels, flow: 'sent' }), sentBytes);
        yield sample(name, labelText({ ...labels, flow: 'received' }), receivedBytes);
      }
    },
    roost_route_actions_total: function* (name) {
      for (const { labels, count } of sources.actionCounts.all)
        yield sample(name, labelText({ ...labels }), count);
    },
    roost_failovers_total: function* (name) {
      for (const { labels, total } of sources.failovers.all)
        yield sample(name, labelText({ ...labels }), total);
    },
    roost_active_requests: perDirection((direction) => sources[direction].busyCount),
    roost_downstream_connections: perDirection((direction) => sources[direction].connectionCount),
    roost_upstream_requests_total: counter('requests'),
    roost_upstream_connects_total: counter('connects'),
    roost_upstream_connect_failures_total: counter('connectFailures'),
    roost_upstream_resets_total: counter('resets'),
    roost_upstream_errors_total: counter('failures'),
    roost_upstream_idle_connections: perEndpoint(clusters, ({ idleCount }) => idleCount),
    roost_cluster_shed_total: perCluster(clusters, ({ load }, name, labels) =>
      Object.entries(load.shed)
        .map(([limit, count]) => sample(name, `${labels},limit="${limit}"`, count))
        .join(''),
    ),
    roost_cluster_retries_refused_total: perCluster(
      clusters,
      oneValue(({ load }) => load.retriesRefused),
    ),
    roost_event_loop_delay_seconds: (name) => [delay.histogram.samples(name, '')],
    roost_log_lines_dropped_total: single(() => output.dropped),
    roost_worker_requests_total: (name) => [sample(name, worker, inbound.requests + outbound.requests)],
    roost_worker_connections: (name) => [
      sample(name, worker, inbound.connectionCount + outbound.connectionCount),
    ],
  } as const satisfies Readonly<Record<string, Collector>>;
}

/** The sidecar's metrics. */
export function sidecarMetrics(sources: MetricSources): BoundMetric[] {
  const { clusters } = sources;
  const endpoints = (read: (endpoint: UpstreamEndpoint) => number) => perEndpoint(clusters, read);
  return bindMetrics(SIDECAR_METRICS, {
    ...sources.process.collectors,
    ...workerMetrics(sources),
    roost_upstream_ejections_total: endpoints(({ outlier }) => outlier.ejections),
    roost_upstream_check_failures_total: endpoints(({ health }) => health.failures),
    roost_upstream_connections: endpoints(({ connectionCount }) => connectionCount),
    roost_upstream_active_requests: endpoints(({ activeRequests }) => activeRequests),
    roost_upstream_ejected: endpoints(({ isEjected }) => Number(isEjected)),
    roost_upstream_usable: endpoints(({ usability }) => Number(usability === USABLE)),
    roost_cluster_endpoints: perCluster(
      clusters,
      oneValue((c) => c.endpoints.endpoints.length),
    ),
    roost_cluster_usable_endpoints: perCluster(
      clusters,
      oneValue((c) => c.endpoints.usableCount),
    ),
    roost_cluster_panicking: perCluster(
      clusters,
      oneValue(({ panicking }) => Number(panicking)),
    ),
    roost_cluster_pending_requests: perCluster(
      clusters,
      oneValue(({ load }) => load.pending),
    ),
    roost_configured_clusters: single(() => clusters.size),
    roost_configured_endpoints: single(() => clusters.endpointCount),
    roost_ready: single(() => Number(sources.ready())),
    roost_control_plane_connected: single(() => Number(sources.controlPlaneConnected())),
    roost_configuration_revision: (name) => {
      const revision = sources.configurationRevision();
      return revision === undefined ? [] : [sample(name, '', revision)];
    },
    roost_configuration_age_seconds: single(() => sources.configurationAgeMs() / 1000),
    roost_configuration_kept_resources: single(() => sources.configurationKept()),
    roost_configuration_from_disk: single(() => Number(sources.configurationFromDisk())),
    roost_configuration_rejections_total: (name) =>
      PUSH_ORDER.map((type) => sample(name, labelText({ type }), sources.rejections(type))),
    roost_on_demand_hosts: (name) =>
      Object.entries(sources.onDemand?.counts ?? {}).map(([state, count]) =>
        sample(name, labelText({ state }), count),
      ),
    roost_on_demand_waiting_requests: ifThere(sources.onDemand, ({ waitingCount }) => waitingCount),
    roost_on_demand_asked_total: ifThere(sources.onDemand, ({ asked }) => asked),
    roost_on_demand_refused_total: ifThere(sources.onDemand, ({ refused }) => refused),
    roost_sessions: single(() => sources.sessions()),
    ...storeCollectors(sources.store),
    roost_session_sharing_connected: single(() => Number(sources.sharing.isConnected)),
    roost_session_sharing_lag_seconds: single(() => sources.sharing.lagMs / 1000),
    roost_session_sharing_sent_total: single(() => sources.sharing.counts.sent),
    roost_session_sharing_received_total: single(() => sources.sharing.counts.received),
    roost_session_sharing_conflicts_total: single(() => sources.sharing.counts.conflicts),
    roost_session_sharing_damaged_total: single(() => sources.sharing.counts.damaged),
    roost_session_sharing_waits_total: single(() => sources.sharing.counts.waits),
    roost_session_sharing_disputed_endpoints: single(() => sources.sharing.disputedEndpoints),
  });
}

function callsByStatus({ grpcCalls, labels }: RequestSeries, name: string): string {
  let text = '';
  grpcCalls.forEach((count, status) => {
    text += sample(name, `${labels},grpc_status="${status}"`, count);
  });
  return text;
}

function countsByCode({ codes, labels }: RequestSeries, name: string): string {
  let text = '';
  for (const { code, count } of codes) text += sample(name, `${labels},code="${code}"`, count);
  return text;
}

/** No series where there is nothing to count. */
function ifThere<Source>(source: Source | undefined, read: (source: Source) => number): Collector {
  return (name) => (source === undefined ? [] : [sample(name, '', read(source))]);
}

function perDirection(read: (direction: Direction) => number): Collector {
  return (name) => DIRECTIONS.map((direction) => sample(name, labelText({ direction }), read(direction)));
}

/**
 * Endpoints that have been sent a request. A sidecar may know ten thousand endpoints and call five: series of the
 * others would cost every scrape, and Prometheus, more than they tell.
 */
function perEndpoint(clusters: ClusterRegistry, read: (endpoint: UpstreamEndpoint) => number): Collector {
  return function* (name) {
    for (const { name: cluster, upstreams } of clusters.clusters) {
      for (const endpoint of upstreams) {
        if (!endpoint.isUsed) continue;
        yield sample(name, labelText({ cluster, endpoint: endpoint.address }), read(endpoint));
      }
    }
  };
}

type RenderCluster = (cluster: LiveCluster, name: string, labels: string) => string;

/** Clusters that have been sent a request. */
function perCluster(clusters: ClusterRegistry, render: RenderCluster): Collector {
  return function* (name) {
    for (const cluster of clusters.clusters) {
      if (cluster.isUsed) yield render(cluster, name, labelText({ cluster: cluster.name }));
    }
  };
}

function oneValue(read: (cluster: LiveCluster) => number): RenderCluster {
  return (cluster, name, labels) => sample(name, labels, read(cluster));
}

function storeCollectors(store: SessionStore | undefined) {
  const ofStore =
    (read: (store: SessionStore) => number): Collector =>
    (name) =>
      store === undefined ? [] : [sample(name, '', read(store))];
  return {
    roost_session_store_lookups_total: (name: string) => (store === undefined ? [] : lookups(name, store)),
    roost_session_store_lookup_duration_seconds: (name: string) =>
      store === undefined ? [] : [store.lookupTimes.samples(name, '')],
    roost_session_store_written_total: ofStore(({ counts }) => counts.written),
    roost_session_store_dropped_total: ofStore(({ counts }) => counts.dropped),
    roost_session_store_conflicts_total: ofStore(({ counts }) => counts.conflicts),
    roost_session_store_errors_total: ofStore(({ counts }) => counts.errors),
    roost_session_store_pending: ofStore(({ pending }) => pending),
    roost_session_store_available: ofStore(({ brokenSinceMs }) => (brokenSinceMs === undefined ? 1 : 0)),
  };
}

function lookups(name: string, { counts }: SessionStore): string[] {
  const { hits, misses, timeouts, skipped } = counts;
  const outcomes = { hit: hits, miss: misses, timeout: timeouts, skipped };
  return Object.entries(outcomes).map(([outcome, count]) => sample(name, labelText({ outcome }), count));
}
