import type { MeshService } from '../../src/model/mesh-service.js';
import { DEFAULT_RETRY_BUDGET } from '../../src/xds/cluster-protection.js';
import { toDuration } from '../../src/xds/fields.js';
import { headerChanges } from './changes.js';

/**
 * What keeps a cluster calm, in Envoy's fields: health checks, outlier detection, circuit breakers.
 *
 * @param mark below 2^24: of the release, for clients that have to see that it is not the one before
 */
export function translateProtection(service: MeshService, mark: number): object {
  const { spec } = service;
  return {
    ...(spec.outlier ? { outlierDetection: translateOutlier(spec.outlier) } : {}),
    ...(spec.health ? { healthChecks: [translateHealth(spec.health, service)] } : {}),
    circuitBreakers: translateLimits(spec.limits ?? {}, mark),
    // Envoy would send requests to endpoints that it knows to be unhealthy once half of them are.
    commonLbConfig: { healthyPanicThreshold: value(panicThreshold(spec)) },
  };
}

function panicThreshold({ health, outlier }: MeshService['spec']): number {
  return Math.max(health?.panicThreshold ?? 0, outlier?.panicThreshold ?? 0);
}

function translateOutlier(outlier: NonNullable<MeshService['spec']['outlier']>): object {
  const { successRate } = outlier;
  return {
    consecutive_5xx: value(outlier.consecutiveErrors),
    interval: toDuration(outlier.interval),
    baseEjectionTime: toDuration(outlier.baseEjectionTime),
    // Envoy refuses a cluster whose longest ejection is shorter than its first.
    maxEjectionTime: toDuration(Math.max(outlier.maxEjectionTime, outlier.baseEjectionTime)),
    maxEjectionPercent: value(outlier.maxEjectionPercent),
    // What a sidecar does; Envoy's defaults are the opposite.
    alwaysEjectOneHost: { value: true },
    successfulActiveHealthCheckUnejectHost: { value: false },
    enforcingSuccessRate: value(successRate ? 100 : 0),
    ...(successRate
      ? {
          successRateMinimumHosts: value(successRate.minimumHosts),
          successRateRequestVolume: value(successRate.requestVolume),
          successRateStdevFactor: value(Math.round(successRate.stdevFactor * 1000)),
        }
      : {}),
  };
}

type Health = NonNullable<MeshService['spec']['health']>;

function translateHealth(health: Health, service: MeshService): object {
  return {
    interval: toDuration(health.interval),
    timeout: toDuration(health.timeout),
    healthyThreshold: value(health.healthyThreshold),
    unhealthyThreshold: value(health.unhealthyThreshold),
    ...translateProbe(health, service),
  };
}

function translateProbe(health: Health, service: MeshService): object {
  const { name, namespace } = service;
  if (health.grpc !== undefined) {
    const { service: serviceName } = health.grpc;
    return { grpcHealthCheck: { serviceName, authority: `${name}.${namespace}` } };
  }
  return health.path === undefined
    ? { tcpHealthCheck: {} }
    : { httpHealthCheck: translateHttpCheck(health, service) };
}

/** Apps that answer to some hosts only know the service's name, and not the address that a pod has today. */
function translateHttpCheck({ path, host, headers }: Health, { name, namespace, spec }: MeshService): object {
  return {
    path,
    host: host ?? `${name}.${namespace}`,
    ...(spec.protocol === 'http' ? {} : { codecClientType: 'HTTP2' }),
    ...(headers && headerChanges('request', { set: headers })),
  };
}

/** What is not bounded is written out, with every cluster: Envoy's defaults are bounds. */
const UNBOUNDED = 0xffffffff;

type Limits = NonNullable<MeshService['spec']['limits']>;

function translateLimits(limits: Limits, mark: number): object {
  const { retryBudget, perEndpoint } = limits;
  return {
    thresholds: [
      {
        maxConnections: value(limits.connections ?? UNBOUNDED),
        maxPendingRequests: value(limits.pending ?? UNBOUNDED),
        // A little less than no bound is none, and of all fields that make no difference the one that grpc-js reads.
        maxRequests: value(limits.requests ?? UNBOUNDED - mark),
        ...(limits.retries === undefined ? {} : { maxRetries: value(limits.retries) }),
        ...(limits.retries === undefined || retryBudget ? translateBudget(retryBudget) : {}),
      },
    ],
    // The other bound of an endpoint is in our metadata: Envoy refuses a cluster that has it here.
    ...(perEndpoint?.connections === undefined
      ? {}
      : { perHostThresholds: [{ maxConnections: value(perEndpoint.connections) }] }),
  };
}

/** Envoy has a budget only where it is told one; in numbers of retries, its default is 3. */
function translateBudget({ percent, minimum } = DEFAULT_RETRY_BUDGET): object {
  return { retryBudget: { budgetPercent: { value: percent }, minRetryConcurrency: value(minimum) } };
}

function value(number: number): object {
  return { value: number };
}
