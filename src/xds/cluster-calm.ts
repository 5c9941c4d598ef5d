import type { Message } from './descriptors.js';
import { durationMs, message, messages, type Problems, text, wrapped } from './fields.js';

/** What keeps a cluster calm: who is taken out of the pick, and how much it may be asked. */

/** Taking endpoints out of the pick for how they answer (Envoy's outlier detection). */
export interface OutlierConfig {
  /** Errors in a row; 0: not looked at. */
  readonly consecutiveErrors: number;
  readonly intervalMs: number;
  /** Times the number of times that the endpoint has been ejected. */
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** Of the cluster's endpoints, 0 to 100; one may always be ejected. */
  readonly maxEjectionPercent: number;
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
  /** Undefined: a connection is enough. */
  readonly path: string | undefined;
  readonly intervalMs: number;
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
  /** The same bounds for each endpoint on its own. */
  readonly perEndpointConnections: number;
  readonly perEndpointRequests: number;
}

const DEFAULT_RETRY_BUDGET = { percent: 20, minimum: 3 };

export function readOutlier(raw: Message): OutlierConfig | undefined {
  const outlier = message(raw.outlierDetection);
  if (outlier === undefined) return undefined;
  const enforced = (field: string, byDefault: number) => (wrapped(outlier[field]) ?? byDefault) > 0;
  const baseEjectionMs = durationMs(outlier.baseEjectionTime) ?? 30_000;
  return {
    consecutiveErrors: enforced('enforcingConsecutive_5xx', 100)
      ? (wrapped(outlier.consecutive_5xx) ?? 5)
      : 0,
    intervalMs: durationMs(outlier.interval) ?? 10_000,
    baseEjectionMs,
    maxEjectionMs: durationMs(outlier.maxEjectionTime) ?? Math.max(300_000, baseEjectionMs),
    maxEjectionPercent: wrapped(outlier.maxEjectionPercent) ?? 10,
    successRate: enforced('enforcingSuccessRate', 100)
      ? {
          minimumHosts: wrapped(outlier.successRateMinimumHosts) ?? 5,
          requestVolume: wrapped(outlier.successRateRequestVolume) ?? 100,
          stdevFactor: (wrapped(outlier.successRateStdevFactor) ?? 1900) / 1000,
        }
      : undefined,
  };
}

export function readHealthCheck(raw: Message, problems: Problems): HealthCheckConfig | undefined {
  const checks = messages(raw.healthChecks);
  const [check] = checks;
  if (check === undefined) return undefined;
  if (checks.length > 1) problems.add('health_checks', 'more than one is not supported');
  const http = message(check.httpHealthCheck);
  if (http === undefined && message(check.tcpHealthCheck) === undefined) {
    problems.add('health_checks[0]', 'must be an http_health_check or a tcp_health_check');
  }
  return {
    path: http === undefined ? undefined : text(http.path) || '/',
    intervalMs: durationMs(check.interval) ?? 5000,
    timeoutMs: durationMs(check.timeout) ?? 1000,
    healthyThreshold: wrapped(check.healthyThreshold) ?? 2,
    unhealthyThreshold: wrapped(check.unhealthyThreshold) ?? 3,
  };
}

export function readLimits(raw: Message): LimitsConfig {
  const breakers = message(raw.circuitBreakers);
  const isDefault = (threshold: Message) => (threshold.priority ?? 'DEFAULT') === 'DEFAULT';
  const all = messages(breakers?.thresholds).find(isDefault);
  const each = messages(breakers?.perHostThresholds).find(isDefault);
  const bound = (thresholds: Message | undefined, field: string) =>
    wrapped(thresholds?.[field]) ?? Number.POSITIVE_INFINITY;
  const budget = message(all?.retryBudget);
  const retries = bound(all, 'maxRetries');
  // As with Envoy: whoever bounds retries by a number and says nothing of a budget means the number.
  const minimum =
    budget === undefined && retries < Number.POSITIVE_INFINITY ? retries : DEFAULT_RETRY_BUDGET.minimum;
  return {
    connections: bound(all, 'maxConnections'),
    pending: bound(all, 'maxPendingRequests'),
    requests: bound(all, 'maxRequests'),
    retries,
    retryBudgetPercent: Number(message(budget?.budgetPercent)?.value ?? DEFAULT_RETRY_BUDGET.percent),
    retryBudgetMinimum: wrapped(budget?.minRetryConcurrency) ?? minimum,
    perEndpointConnections: bound(each, 'maxConnections'),
    perEndpointRequests: bound(each, 'maxRequests'),
  };
}

/** Share of usable endpoints, 0 to 100, below which health is ignored. Envoy's default is 50. */
export function readPanicThreshold(raw: Message): number {
  const threshold = message(message(raw.commonLbConfig)?.healthyPanicThreshold);
  return threshold === undefined ? 50 : Number(threshold.value ?? 0);
}

/** Time over which a new endpoint's share of requests grows to its weight; 0: it has it at once. */
export function readSlowStart(raw: Message): number {
  return durationMs(message(raw.slowStartConfig)?.slowStartWindow) ?? 0;
}
