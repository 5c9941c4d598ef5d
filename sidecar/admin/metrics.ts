import { Counter, Gauge, Registry } from 'prom-client';
import type { ClusterRegistry } from '../upstream/cluster-registry.js';
import type { ActionCounts } from './action-counts.js';
import type { RequestStatistics } from './request-statistics.js';

export interface MetricSources {
  readonly statistics: RequestStatistics;
  readonly actionCounts: ActionCounts;
  readonly clusters: ClusterRegistry;
  ready(): boolean;
  controlPlaneConnected(): boolean;
  configurationAgeMs(): number;
  sessions(): number;
  connections(direction: 'inbound' | 'outbound'): number;
}

/** The sidecar's metrics. Everything is counted in plain numbers and put into metrics when somebody scrapes. */
export function sidecarMetrics(sources: MetricSources): Registry {
  const registry = new Registry();
  addRequestMetrics(registry, sources.statistics);
  addActionMetrics(registry, sources.actionCounts);
  addUpstreamMetrics(registry, sources.clusters);
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('roost_ready', '1 once a configuration is in force.', () => Number(sources.ready()));
  gauge('roost_control_plane_connected', '1 while the control plane answers.', () =>
    Number(sources.controlPlaneConnected()),
  );
  gauge(
    'roost_configuration_age_seconds',
    'Time since the routing table last changed.',
    () => sources.configurationAgeMs() / 1000,
  );
  gauge('roost_sessions', 'Sessions in the session table.', () => sources.sessions());
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  new Gauge({
    name: 'roost_downstream_connections',
    help: 'Client connections open.',
    labelNames: ['direction'],
    registers: [registry],
    collect() {
      for (const direction of ['inbound', 'outbound'] as const)
        this.set({ direction }, sources.connections(direction));
    },
  });
  return registry;
}

function addRequestMetrics(registry: Registry, statistics: RequestStatistics): void {
  const labelNames = ['direction', 'service', 'release', 'route'] as const;
  new Counter({
    name: 'roost_requests_total',
    help: 'Requests answered, by the status sent to the client (0: the client left).',
    labelNames: [...labelNames, 'code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, statuses } of statistics.all) {
        for (const [code, count] of statuses) this.inc({ ...labels, code: String(code) }, count);
      }
    },
  });
  registry.registerMetric(durationHistogram(statistics));
}

/** A histogram whose buckets are counted elsewhere. */
function durationHistogram(statistics: RequestStatistics) {
  const name = 'roost_request_duration_seconds';
  const help = 'Time from the request head to the end of the response.';
  return {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    reset() {},
    async get() {
      const values = statistics.all.flatMap(({ labels, buckets, count, sumMs }) => {
        let below = 0;
        const cumulative = statistics.bounds.map((bound, i) => {
          below += buckets[i] as number;
          return { metricName: `${name}_bucket`, labels: { ...labels, le: bound / 1000 }, value: below };
        });
        return [
          ...cumulative,
          { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
          { metricName: `${name}_sum`, labels, value: sumMs / 1000 },
          { metricName: `${name}_count`, labels, value: count },
        ];
      });
      return { name, help, type: 'histogram', aggregator: 'sum', values };
    },
  } as unknown as Parameters<Registry['registerMetric']>[0];
}

function addActionMetrics(registry: Registry, counts: ActionCounts): void {
  new Counter({
    name: 'roost_route_actions_total',
    help: 'What routes did to requests: redirected, delayed, aborted, mirrored, mirror-failed, mirror-skipped.',
    labelNames: ['service', 'route', 'action'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, count } of counts.all) this.inc({ ...labels }, count);
    },
  });
}

function addUpstreamMetrics(registry: Registry, clusters: ClusterRegistry): void {
  type Upstream = ReturnType<ClusterRegistry['list']>[number];
  const perEndpoint = (
    Type: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    read: (u: Upstream) => number,
  ) =>
    new Type({
      name,
      help,
      labelNames: ['cluster', 'endpoint'],
      registers: [registry],
      collect() {
        this.reset();
        for (const upstream of clusters.list()) {
          this.inc({ cluster: upstream.cluster, endpoint: upstream.endpoint.address }, read(upstream));
        }
      },
    });
  perEndpoint(
    Counter,
    'roost_upstream_requests_total',
    'Attempts sent to an endpoint.',
    ({ endpoint }) => endpoint.counters.requests,
  );
  perEndpoint(
    Counter,
    'roost_upstream_connects_total',
    'Connections opened.',
    ({ endpoint }) => endpoint.counters.connects,
  );
  perEndpoint(
    Counter,
    'roost_upstream_connect_failures_total',
    'Connections that failed.',
    ({ endpoint }) => endpoint.counters.connectFailures,
  );
  perEndpoint(
    Gauge,
    'roost_upstream_connections',
    'Connections open.',
    ({ endpoint }) => endpoint.connectionCount,
  );
  perEndpoint(
    Gauge,
    'roost_upstream_active_requests',
    'Requests in flight.',
    ({ endpoint }) => endpoint.activeRequests,
  );
  perEndpoint(Gauge, 'roost_upstream_usable', '1 while the endpoint takes requests.', ({ endpoint }) =>
    Number(endpoint.usability === 2),
  );
}
