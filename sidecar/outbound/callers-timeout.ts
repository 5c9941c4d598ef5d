import { formatGrpcTimeout, parseGrpcTimeout } from '../../src/http/grpc.js';
import { type HeaderName, headerName } from '../../src/http/header-name.js';
import type { Timeouts } from '../../src/routing/table.js';
import type { RequestMessage } from '../http/message.js';

const REQUEST_TIMEOUT = headerName('x-request-timeout');
const GRPC_TIMEOUT = headerName('grpc-timeout');

/** Whole milliseconds. */
const MILLISECONDS = /^\d{1,10}$/;
/** As Go and Envoy write a duration: `250ms`, `1.5s`, `1m30s`. */
const DURATION = /^(?:\d{1,10}(?:\.\d{1,9})?(?:h|ms|m|us|ns|s)){1,6}$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(h|ms|m|us|ns|s)/g;
const MS_PER_UNIT: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  ns: 1e-6,
};

/**
 * The value of `x-request-timeout`, in milliseconds; undefined where it is none: neither milliseconds nor a duration,
 * or zero, which would mean "no answer, please" to one reader and "for ever" to another.
 */
export function parseRequestTimeout(value: string): number | undefined {
  if (MILLISECONDS.test(value)) return Number(value) || undefined;
  if (!DURATION.test(value)) return undefined;
  let ms = 0;
  for (const [, number, unit] of value.matchAll(DURATION_PART))
    ms += Number(number) * (MS_PER_UNIT[unit as string] as number);
  return ms || undefined;
}

type TimedRequest = Pick<RequestMessage, 'header' | 'headerValues' | 'isGrpc'>;

/** The route's limits, or the caller's for the request where that is lower. */
export function withCallersTimeout(timeouts: Timeouts, request: TimedRequest): Timeouts {
  const named = lowered(timeouts, timeoutIn(request, REQUEST_TIMEOUT, parseRequestTimeout));
  return request.isGrpc ? lowered(named, timeoutIn(request, GRPC_TIMEOUT, parseGrpcTimeout)) : named;
}

function timeoutIn(
  request: TimedRequest,
  name: HeaderName,
  parse: (value: string) => number | undefined,
): number | undefined {
  const value = request.header(name);
  // Given twice, it says two things: as good as nothing.
  if (value === undefined || request.headerValues(name).length !== 1) return undefined;
  return parse(value);
}

function lowered(timeouts: Timeouts, callersMs: number | undefined): Timeouts {
  if (callersMs === undefined) return timeouts;
  if (timeouts.requestMs !== 0 && timeouts.requestMs <= callersMs) return timeouts;
  return { ...timeouts, requestMs: callersMs };
}

/**
 * The `grpc-timeout` with which an attempt at a call of gRPC goes on: what is left of the request's time, and no more
 * than one try has. The server then stops working when the sidecar stops waiting.
 *
 * @param spentMs since the call began
 * @returns undefined: there is no limit
 */
export function grpcTimeoutLeft({ requestMs, perTryMs }: Timeouts, spentMs: number): string | undefined {
  if (requestMs === 0) return perTryMs === 0 ? undefined : formatGrpcTimeout(perTryMs);
  const leftMs = requestMs - spentMs;
  return formatGrpcTimeout(perTryMs === 0 ? leftMs : Math.min(leftMs, perTryMs));
}
