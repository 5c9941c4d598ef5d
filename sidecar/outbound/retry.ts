import { GRPC_STATUS_NAMES } from '../../src/http/grpc.js';
import { IDEMPOTENT_METHODS } from '../../src/http/methods.js';
import type { RetryCondition, RetryConfig } from '../../src/xds/retry.js';
import type { FailureKind } from '../http/upstream-failure.js';

/** Whether the route's policy asks for another try after a failure. That the request can be sent again is the caller's to know. */
export function retriesFailure(retry: RetryConfig | undefined, kind: FailureKind, method: string): boolean {
  if (kind === 'overloaded') return false;
  // The upstream has seen nothing of the request: trying elsewhere is as good as trying first.
  if (kind === 'connect')
    return (
      retry?.on.has('connect-failure') === true ||
      retry?.on.has('gateway-error') === true ||
      retry?.on.has('5xx') === true
    );
  // A connection that died between two requests says nothing about the endpoint; but the request may have got there.
  if (kind === 'stale') return (retry?.methods ?? IDEMPOTENT_METHODS).has(method);
  if (retry === undefined || !repeats(retry, method)) return false;
  if (kind === 'reset' && retry.on.has('reset')) return true;
  // Envoy's "reset" is every upstream that does not respond at all, and the answer without a retry would be a 504.
  if (kind === 'timeout' && (retry.on.has('reset') || retry.statuses.has(504))) return true;
  return retry.on.has('5xx') || retry.on.has('gateway-error');
}

/** Whether a request of this method may reach an upstream twice. */
function repeats({ methods }: RetryConfig, method: string): boolean {
  return methods === undefined || methods.has(method);
}

const GATEWAY_ERRORS = new Set([502, 503, 504]);

/** Whether the route's policy asks for another try after a response with this status. */
export function retriesStatus(retry: RetryConfig | undefined, status: number, method: string): boolean {
  if (retry === undefined || !repeats(retry, method)) return false;
  if (retry.statuses.has(status)) return true;
  if (status >= 500 && retry.on.has('5xx')) return true;
  return GATEWAY_ERRORS.has(status) && retry.on.has('gateway-error');
}

/**
 * Whether the route's policy asks for another try after a gRPC call that ended with this status before a message of its
 * response.
 */
export function retriesGrpcStatus(retry: RetryConfig | undefined, status: number, method: string): boolean {
  if (retry === undefined || !repeats(retry, method)) return false;
  const names: ReadonlySet<string | undefined> = retry.on satisfies ReadonlySet<RetryCondition>;
  return names.has(GRPC_STATUS_NAMES[status]);
}

/**
 * Envoy's jittered back-off: before retry n (from 1), a random time below (2^n − 1) × base, at most the maximum.
 */
export function backOffMs(retry: RetryConfig, n: number, random: () => number): number {
  return Math.floor(random() * Math.min((2 ** n - 1) * retry.backOffBaseMs, retry.backOffMaxMs));
}
