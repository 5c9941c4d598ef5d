import type { MetricTable } from '../../src/telemetry/metrics.js';
import { PROCESS_METRICS } from '../../src/telemetry/process-metrics.js';

const REQUEST = ['direction', 'service', 'release', 'route'] as const;
const ENDPOINT = ['cluster', 'endpoint'] as const;

/** Every metric of a sidecar. `docs/metrics.md` has the same, with what bounds each label; a test compares them. */
export const SIDECAR_METRICS = {
  roost_requests_total: {
    type: 'counter',
    labels: [...REQUEST, 'code'],
    help: 'Requests that have ended, by the status sent to the client; 0: none was.',
  },
  roost_grpc_calls_total: {
    type: 'counter',
    labels: [...REQUEST, 'grpc_status'],
    help: 'Calls of gRPC that have ended, by their status.',
  },
  roost_request_duration_seconds: {
    type: 'histogram',
    labels: REQUEST,
    help: 'From the end of the request head to the end of the response.',
  },
  roost_request_retries_total: {
    type: 'counter',
    labels: REQUEST,
    help: "Attempts beyond a request's first, for whatever reason.",
  },
  roost_own_answers_total: {
    type: 'counter',
    labels: ['direction', 'error'],
    help: 'Answers that the sidecar itself made, by x-roost-error.',
  },
  roost_tcp_connections_total: {
    type: 'counter',
    labels: ['direction', 'service', 'release', 'result'],
    help: 'Connections whose bytes were carried as they are, and how they ended.',
  },
  roost_tcp_bytes_total: {
    type: 'counter',
    labels: ['direction', 'service', 'release', 'flow'],
    help: 'Bytes of such connections, sent to and received from the endpoint.',
  },
  roost_route_actions_total: {
    type: 'counter',
    labels: ['service', 'route', 'action'],
    help: 'What routes did to requests besides sending them somewhere.',
  },
  roost_failovers_total: {
    type: 'counter',
    labels: ['service', 'release', 'to'],
    help: 'Requests that another release took, since theirs had no usable endpoint.',
  },
  roost_active_requests: { type: 'gauge', labels: ['direction'], help: 'Requests under way.' },
  roost_downstream_connections: { type: 'gauge', labels: ['direction'], help: 'Client connections open.' },
  roost_upstream_requests_total: { type: 'counter', labels: ENDPOINT, help: 'Attempts sent to an endpoint.' },
  roost_upstream_connects_total: { type: 'counter', labels: ENDPOINT, help: 'Connections begun.' },
  roost_upstream_connect_failures_total: {
    type: 'counter',
    labels: ENDPOINT,
    help: 'Connections that were not made.',
  },
  roost_upstream_resets_total: {
    type: 'counter',
    labels: ENDPOINT,
    help: 'Connections that broke with a request on them.',
  },
  roost_upstream_errors_total: {
    type: 'counter',
    labels: ENDPOINT,
    help: 'Attempts whose outcome speaks against the endpoint: a 5xx, a reset, no answer in time.',
  },
  roost_upstream_ejections_total: { type: 'counter', labels: ENDPOINT, help: 'Ejections as an outlier.' },
  roost_upstream_check_failures_total: {
    type: 'counter',
    labels: ENDPOINT,
    help: 'Active checks that failed.',
  },
  roost_upstream_connections: { type: 'gauge', labels: ENDPOINT, help: 'Connections open, in use or idle.' },
  roost_upstream_idle_connections: {
    type: 'gauge',
    labels: ENDPOINT,
    help: 'Connections that wait for a request.',
  },
  roost_upstream_active_requests: { type: 'gauge', labels: ENDPOINT, help: 'Requests in flight.' },
  roost_upstream_ejected: { type: 'gauge', labels: ENDPOINT, help: '1 while it is ejected.' },
  roost_upstream_usable: {
    type: 'gauge',
    labels: ENDPOINT,
    help: '1 while the endpoint takes new sessions.',
  },
  roost_cluster_endpoints: {
    type: 'gauge',
    labels: ['cluster'],
    help: 'Endpoints configured.',
  },
  roost_cluster_usable_endpoints: {
    type: 'gauge',
    labels: ['cluster'],
    help: 'Endpoints that are usable.',
  },
  roost_cluster_panicking: {
    type: 'gauge',
    labels: ['cluster'],
    help: '1 while checks and ejections do not count.',
  },
  roost_cluster_pending_requests: {
    type: 'gauge',
    labels: ['cluster'],
    help: 'Attempts whose connection is being made.',
  },
  roost_cluster_shed_total: {
    type: 'counter',
    labels: ['cluster', 'limit'],
    help: 'Attempts refused, by the limit that they met.',
  },
  roost_cluster_retries_refused_total: {
    type: 'counter',
    labels: ['cluster'],
    help: 'Retries that the budget did not allow.',
  },
  roost_configured_clusters: { type: 'gauge', labels: [], help: 'Clusters that the configuration names.' },
  roost_configured_endpoints: { type: 'gauge', labels: [], help: 'Endpoints of all clusters.' },
  roost_worker_requests_total: {
    type: 'counter',
    labels: ['worker'],
    help: 'Requests begun, by the thread that carries them; 1 is the main thread.',
  },
  roost_worker_connections: {
    type: 'gauge',
    labels: ['worker'],
    help: 'Client connections open, by the thread that has them.',
  },
  roost_ready: { type: 'gauge', labels: [], help: '1 once a configuration is in force.' },
  roost_control_plane_connected: { type: 'gauge', labels: [], help: '1 while the control plane answers.' },
  roost_configuration_revision: {
    type: 'gauge',
    labels: [],
    help: "The control plane's revision in the newest response; absent where it has no number.",
  },
  roost_configuration_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Time since the routing table last changed.',
  },
  roost_configuration_kept_resources: {
    type: 'gauge',
    labels: [],
    help: 'Resources that the control plane, which has another store, does not know of and that are kept.',
  },
  roost_configuration_from_disk: {
    type: 'gauge',
    labels: [],
    help: '1 while what is in force was read from disk and no control plane has answered.',
  },
  roost_configuration_rejections_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Responses of the control plane that were refused (NACK).',
  },
  roost_on_demand_hosts: {
    type: 'gauge',
    labels: ['state'],
    help: 'Hosts held because they were called (--on-demand), by what the control plane has said of them.',
  },
  roost_on_demand_waiting_requests: {
    type: 'gauge',
    labels: [],
    help: 'Calls that wait until their host is known.',
  },
  roost_on_demand_asked_total: {
    type: 'counter',
    labels: [],
    help: 'Hosts asked for because they were called.',
  },
  roost_on_demand_refused_total: {
    type: 'counter',
    labels: [],
    help: 'Calls refused because too many hosts were being asked for.',
  },
  roost_sessions: { type: 'gauge', labels: [], help: 'Sessions in the session table.' },
  roost_session_store_lookups_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Sessions looked up in the session store, by what came of it; absent without one, like the others of its kind.',
  },
  roost_session_store_lookup_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'How long lookups took that were answered within the deadline.',
  },
  roost_session_store_written_total: {
    type: 'counter',
    labels: [],
    help: 'Sessions written to the session store.',
  },
  roost_session_store_dropped_total: {
    type: 'counter',
    labels: [],
    help: 'Sessions that were not written: too many waited, or their time was over before the store took them.',
  },
  roost_session_store_conflicts_total: {
    type: 'counter',
    labels: [],
    help: 'Writes for which the session store had a pin that wins.',
  },
  roost_session_store_errors_total: {
    type: 'counter',
    labels: [],
    help: 'Lookups and writes that failed.',
  },
  roost_session_store_pending: {
    type: 'gauge',
    labels: [],
    help: 'Sessions that wait to be written.',
  },
  roost_session_store_available: {
    type: 'gauge',
    labels: [],
    help: '0 while the session store does not work, else 1.',
  },
  roost_session_sharing_connected: {
    type: 'gauge',
    labels: [],
    help: '1 while pins are shared with other sidecars through the control plane.',
  },
  roost_session_sharing_lag_seconds: {
    type: 'gauge',
    labels: [],
    help: 'How long the oldest pin that the control plane has not acknowledged has been on its way.',
  },
  roost_session_sharing_sent_total: {
    type: 'counter',
    labels: [],
    help: 'Pins sent to the control plane.',
  },
  roost_session_sharing_received_total: {
    type: 'counter',
    labels: [],
    help: 'Pins received from other sidecars.',
  },
  roost_session_sharing_conflicts_total: {
    type: 'counter',
    labels: [],
    help: 'Pins received that lost to the pin that was here.',
  },
  roost_session_sharing_damaged_total: {
    type: 'counter',
    labels: [],
    help: 'Records received that could not be read.',
  },
  roost_session_sharing_waits_total: {
    type: 'counter',
    labels: [],
    help: 'Calls that waited for the pins of a service that this sidecar had not called before.',
  },
  roost_session_sharing_disputed_endpoints: {
    type: 'gauge',
    labels: [],
    help: 'Endpoints that this sidecar cannot use and other sidecars can, or have not said.',
  },
  roost_log_lines_dropped_total: {
    type: 'counter',
    labels: [],
    help: 'Log lines dropped because their reader did not read them in time.',
  },
  ...PROCESS_METRICS,
} as const satisfies MetricTable;
