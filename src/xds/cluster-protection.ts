import { normalAuthority } from '../http/authority.js';
import { isTargetPath } from '../http/guarded-headers.js';
import { hasPromise, readPerEndpointRequests } from './cluster-metadata.js';
import type { Message } from './descriptors.js';
import {
  message,
  messages,
  type Problems,
  percentage,
  readDuration,
  text,
  wrapped,
  wrappedBool,
} from './fields.js';
import { type HeaderChanges, readHeaderChanges } from './header-changes.js';
import { readHost } from './route-changes.js';
import { refuseUnsupported } from './unsupported.js';

/** What keeps a cluster calm: who is taken out of the pick, and how much it may be asked. */

/** Taking endpoints out of the pick for how they answer (Envoy's outlier detection). */
export interface OutlierConfig {
  /** Errors in a row; 0: not looked at. */
  readonly consecutiveErrors: number;
  readonly intervalMs: number;
  /** Times the number of times that the endpoint has been ejected. */
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** Of the cluster's endpoints, 0 to 100. */
  readonly maxEjectionPercent: number;
  /** One may be ejected, however few percent of the cluster that would be. */
  readonly alwaysEjectsOne: boolean;
  /** Passing an active check ends an ejection. */
  readonly checksReadmit: boolean;
  readonly successRate: SuccessRateConfig | undefined;
}

/** Ejects what succeeds much less often than the others do. */
export interface SuccessRateConfig {
  readonly minimumHosts: number;
  readonly requestVolume: number;
  readonly stdevFactor: number;
}

/** Asking endpoints how they are. */
export interface HealthCheckConfig {
  /** Undefined: a connection is enough. Of a check by gRPC, that of the method. */
  readonly path: string | undefined;
  /** With a path: over HTTP/2, which the endpoint has to be known to speak. */
  readonly overHttp2: boolean;
  /** The service that a check by gRPC asks for; empty: the server as a whole. Undefined: GET, answered by 200 to 299. */
  readonly grpcService: string | undefined;
  /** What `Host` says; empty: the endpoint's address. */
  readonly host: string;
  /** What a check with a path sends besides. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly intervalMs: number;
  /** While the cluster has no requests. */
  readonly unusedIntervalMs: number;
  readonly timeoutMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** Bounds; Infinity: none. */
export interface LimitsConfig {
  readonly connections: number;
  readonly pending: number;
  readonly requests: number;
  readonly retries: number;
  /** Share of requests in flight that may be retries, 0 to 100. */
  readonly retryBudgetPercent: number;
  /** Retries always allowed at once. */
  readonly retryBudgetMinimum: number;
  /** Retries a second that are allowed beyond these (`RetryReserve`); 0 from other control planes. */
  readonly retryReservePerSecond: number;
  /** The same bounds for each endpoint on its own. */
  readonly perEndpointConnections: number;
  readonly perEndpointRequests: number;
}

/** A sidecar's, where nothing else is said; Envoy's percentage, too. */
export const DEFAULT_RETRY_BUDGET = { percent: 20, minimum: 3 };

const OUTLIER_TYPE = 'envoy.config.cluster.v3.OutlierDetection';

export function readOutlier(raw: Message, problems: Problems): OutlierConfig | undefined {
  const outlier = message(raw.outlierDetection);
  if (outlier === undefined) return undefined;
  refuseUnsupported(OUTLIER_TYPE, outlier, OUTLIER, problems);
  const enforced = (field: string, wire: string) => isEnforced(wrapped(outlier[field]), wire, problems);
  const time = (field: string, wire: string) =>
    readDuration(outlier[field], `${OUTLIER}.${wire}`, problems, 1);
  const baseEjectionMs = time('baseEjectionTime', 'base_ejection_time') ?? 30_000;
  const consecutive = enforced('enforcingConsecutive_5xx', 'enforcing_consecutive_5xx');
  const bySuccessRate = enforced('enforcingSuccessRate', 'enforcing_success_rate');
  return {
    consecutiveErrors: consecutive ? (wrapped(outlier.consecutive_5xx) ?? 5) : 0,
    intervalMs: time('interval', 'interval') ?? 10_000,
    baseEjectionMs,
    maxEjectionMs: time('maxEjectionTime', 'max_ejection_time') ?? Math.max(300_000, baseEjectionMs),
    maxEjectionPercent: wrapped(outlier.maxEjectionPercent) ?? 10,
    alwaysEjectsOne: wrappedBool(outlier.alwaysEjectOneHost) === true,
    checksReadmit: wrappedBool(outlier.successfulActiveHealthCheckUnejectHost) !== false,
    successRate: bySuccessRate ? readSuccessRate(outlier) : undefined,
  };
}

const OUTLIER = 'outlier_detection';

/** Envoy ejects by such a chance; here it is all or nothing. */
function isEnforced(percent = 100, field: string, problems: Problems): boolean {
  if (percent !== 0 && percent !== 100)
    problems.add(`${OUTLIER}.${field}`, `${percent} is not supported; it must be 0 or 100`);
  return percent > 0;
}

function readSuccessRate(outlier: Message): SuccessRateConfig {
  return {
    minimumHosts: wrapped(outlier.successRateMinimumHosts) ?? 5,
    requestVolume: wrapped(outlier.successRateRequestVolume) ?? 100,
    stdevFactor: (wrapped(outlier.successRateStdevFactor) ?? 1900) / 1000,
  };
}

const CHECK_TYPE = 'envoy.config.core.v3.HealthCheck';
/** As Envoy has it: who is never called is looked at now and then. */
const UNUSED_INTERVAL_MS = 60_000;

export function readHealthCheck(raw: Message, problems: Problems): HealthCheckConfig | undefined {
  const checks = messages(raw.healthChecks);
  const [check] = checks;
  if (check === undefined) return undefined;
  if (checks.length > 1) problems.add('health_checks', 'more than one is not supported');
  const path = 'health_checks[0]';
  refuseUnsupported(CHECK_TYPE, check, path, problems);
  const time = (field: string, wire: string) => readDuration(check[field], `${path}.${wire}`, problems, 1);
  const intervalMs = time('interval', 'interval') ?? 5000;
  return {
    ...readProbe(check, text(raw.name), path, problems),
    intervalMs,
    unusedIntervalMs: Math.max(
      intervalMs,
      time('noTrafficInterval', 'no_traffic_interval') ?? UNUSED_INTERVAL_MS,
    ),
    timeoutMs: time('timeout', 'timeout') ?? 1000,
    healthyThreshold: wrapped(check.healthyThreshold) ?? 2,
    unhealthyThreshold: wrapped(check.unhealthyThreshold) ?? 3,
  };
}

/** @param cluster its name, which stands in `Host` where nothing else is said, as with Envoy */
function readProbe(check: Message, cluster: string, path: string, problems: Problems): Probe {
  const [http, tcp, grpc] = [
    message(check.httpHealthCheck),
    message(check.tcpHealthCheck),
    message(check.grpcHealthCheck),
  ];
  if (http === undefined) {
    if (grpc !== undefined) return readGrpcProbe(grpc, cluster, `${path}.grpc_health_check`, problems);
    if (tcp === undefined)
      problems.add(path, 'must be an http_health_check, a grpc_health_check or a tcp_health_check');
    refuseUnsupported(`${CHECK_TYPE}.TcpHealthCheck`, tcp ?? {}, `${path}.tcp_health_check`, problems);
    return { path: undefined, overHttp2: false, grpcService: undefined, host: '', headers: [] };
  }
  const at = `${path}.http_health_check`;
  refuseUnsupported(`${CHECK_TYPE}.HttpHealthCheck`, http, at, problems);
  const method = text(http.method) || 'METHOD_UNSPECIFIED';
  if (method !== 'GET' && method !== 'METHOD_UNSPECIFIED')
    problems.add(`${at}.method`, `${method} is not supported; it must be GET`);
  const checked = text(http.path) || '/';
  if (!isTargetPath(checked.replace('?', ''))) problems.add(`${at}.path`, `"${checked}" is not a path`);
  const host = readHost(http.host, `${at}.host`, problems);
  const codec = text(http.codecClientType) || 'HTTP1';
  if (codec !== 'HTTP1' && codec !== 'HTTP2')
    problems.add(`${at}.codec_client_type`, `${codec} is not supported; it must be HTTP1 or HTTP2`);
  const { request } = readHeaderChanges(http, at, problems);
  return {
    path: checked,
    overHttp2: codec === 'HTTP2',
    grpcService: undefined,
    host: host || hostOfCluster(cluster),
    headers: checkHeaders(request),
  };
}

type Probe = Pick<HealthCheckConfig, 'path' | 'overHttp2' | 'grpcService' | 'host' | 'headers'>;

/** A cluster can have a name that no `Host` may have, such as Istio's "outbound|80||reviews". */
function hostOfCluster(cluster: string): string {
  return normalAuthority(cluster) === undefined ? '' : cluster;
}

/** What gRPC's own name for a service may be long, in bytes: one length byte of protobuf. */
const MAX_GRPC_SERVICE_BYTES = 127;
const GRPC_CHECK_PATH = '/grpc.health.v1.Health/Check';

function readGrpcProbe(grpc: Message, cluster: string, path: string, problems: Problems): Probe {
  refuseUnsupported(`${CHECK_TYPE}.GrpcHealthCheck`, grpc, path, problems);
  const grpcService = text(grpc.serviceName);
  if (Buffer.byteLength(grpcService) > MAX_GRPC_SERVICE_BYTES)
    problems.add(`${path}.service_name`, `is longer than ${MAX_GRPC_SERVICE_BYTES} bytes`);
  const host = readHost(grpc.authority, `${path}.authority`, problems) || hostOfCluster(cluster);
  return { path: GRPC_CHECK_PATH, overHttp2: true, grpcService, host, headers: checkHeaders([]) };
}

const OWN_HEADERS = [['user-agent', 'roost-health-check']] as const;

function checkHeaders(changes: readonly HeaderChanges[]): HealthCheckConfig['headers'] {
  const dropped = new Set(
    changes.flatMap(({ removed, changes }) => [
      ...removed,
      ...changes.filter(({ kind }) => kind === 'set').map(({ name }) => name.toLowerCase()),
    ]),
  );
  const added = changes.flatMap((level) => level.changes.map(({ name, value }) => [name, value] as const));
  return [...OWN_HEADERS.filter(([name]) => !dropped.has(name)), ...added];
}

/** Envoy's, where a cluster says nothing. */
const DEFAULT_LIMIT = 1024;
const DEFAULT_RETRIES = 3;
/** Who writes this, or hardly less, means "no bound". */
const UNBOUNDED_FROM = 4_000_000_000;
const THRESHOLDS_TYPE = 'envoy.config.cluster.v3.CircuitBreakers.Thresholds';

export function readLimits(raw: Message, problems: Problems): LimitsConfig {
  const breakers = message(raw.circuitBreakers) ?? {};
  refuseUnsupported('envoy.config.cluster.v3.CircuitBreakers', breakers, BREAKERS, problems);
  const all = thresholdsOf(breakers.thresholds, `${BREAKERS}.thresholds`, problems);
  const each = thresholdsOf(breakers.perHostThresholds, `${BREAKERS}.per_host_thresholds`, problems);
  const bound = (thresholds: Message, field: string, byDefault: number) => {
    const value = wrapped(thresholds[field]) ?? byDefault;
    return value >= UNBOUNDED_FROM ? Number.POSITIVE_INFINITY : value;
  };
  return {
    connections: bound(all, 'maxConnections', DEFAULT_LIMIT),
    pending: bound(all, 'maxPendingRequests', DEFAULT_LIMIT),
    requests: bound(all, 'maxRequests', DEFAULT_LIMIT),
    ...readRetryLimits(all, hasPromise(raw, 'retryReserve'), problems),
    perEndpointConnections: bound(each, 'maxConnections', UNBOUNDED_FROM),
    perEndpointRequests: readPerEndpointRequests(raw) ?? bound(each, 'maxRequests', UNBOUNDED_FROM),
  };
}

const BREAKERS = 'circuit_breakers';

/** Of requests of the default priority; there are no others. */
function thresholdsOf(raw: unknown, path: string, problems: Problems): Message {
  const found = messages(raw).find(({ priority }) => (priority ?? 'DEFAULT') === 'DEFAULT') ?? {};
  refuseUnsupported(THRESHOLDS_TYPE, found, path, problems);
  return found;
}

/** As with Envoy: a budget takes the place of the number. */
function readRetryLimits(
  thresholds: Message,
  hasReserve: boolean,
  problems: Problems,
): Pick<LimitsConfig, 'retries' | 'retryBudgetPercent' | 'retryBudgetMinimum' | 'retryReservePerSecond'> {
  const told = wrapped(thresholds.maxRetries);
  const budget = message(thresholds.retryBudget);
  if (budget === undefined) {
    const retries = told ?? DEFAULT_RETRIES;
    return {
      retries,
      retryBudgetPercent: DEFAULT_RETRY_BUDGET.percent,
      retryBudgetMinimum: retries,
      retryReservePerSecond: 0,
    };
  }
  const path = `${BREAKERS}.thresholds.retry_budget`;
  refuseUnsupported(`${THRESHOLDS_TYPE}.RetryBudget`, budget, path, problems);
  const minimum = wrapped(budget.minRetryConcurrency) ?? DEFAULT_RETRY_BUDGET.minimum;
  return {
    retries: told ?? Number.POSITIVE_INFINITY,
    retryBudgetPercent: percentage(budget.budgetPercent) ?? DEFAULT_RETRY_BUDGET.percent,
    retryBudgetMinimum: minimum,
    retryReservePerSecond: hasReserve ? minimum : 0,
  };
}

/** Share of usable endpoints, 0 to 100, below which health is ignored. Envoy's default is 50. */
export function readPanicThreshold(raw: Message): number {
  return percentage(message(raw.commonLbConfig)?.healthyPanicThreshold) ?? 50;
}

/** Time over which a new endpoint's share of requests grows to its weight; 0: it has it at once. */
export function readSlowStart(policy: Message, path: string, problems: Problems): number {
  const config = message(policy.slowStartConfig) ?? {};
  const at = `${path}.slow_start_config`;
  refuseUnsupported('envoy.config.cluster.v3.Cluster.SlowStartConfig', config, at, problems);
  return readDuration(config.slowStartWindow, `${at}.slow_start_window`, problems) ?? 0;
}
