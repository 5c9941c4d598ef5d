import type { ErrorCode } from '../../src/http/error-catalogue.js';
import type { LimitName } from './limits.js';

/** How an attempt at an upstream failed. */
export type FailureKind =
  /** No connection was made: the upstream has seen nothing of the request. */
  | 'connect'
  /** A connection that had served before was gone when it was used again, before a byte of the response. */
  | 'stale'
  /** The connection broke before a byte of the response. */
  | 'reset'
  /** The connection broke, or the stream was malformed, in the middle of the response. */
  | 'broken-response'
  /** No response in the time that one attempt has. */
  | 'timeout'
  /** What came back is not an HTTP response. */
  | 'bad-response'
  /** A limit was met: nothing was sent, and nothing is wrong with the endpoint. */
  | 'overloaded';

export interface UpstreamFailure {
  readonly kind: FailureKind;
  /** For logs: `ECONNREFUSED`, or what was wrong with the response. */
  readonly reason: string;
  /** The limit that was met, where the kind is `overloaded`. */
  readonly limit?: LimitName;
}

/** The one mapping from a failure to the code of the sidecar's answer, for inbound and outbound calls. */
export const ERROR_OF_FAILURE = {
  connect: 'connect-failure',
  stale: 'upstream-reset',
  reset: 'upstream-reset',
  timeout: 'request-timeout',
  'broken-response': 'upstream-reset',
  'bad-response': 'bad-response',
  overloaded: 'overloaded',
} as const satisfies Record<FailureKind, ErrorCode>;

/** A connection broke with a request on it. */
export function isReset({ kind }: UpstreamFailure): boolean {
  return kind === 'stale' || kind === 'reset' || kind === 'broken-response';
}
