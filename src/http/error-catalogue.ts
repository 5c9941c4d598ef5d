import { printable } from '../telemetry/printable.js';
import type { Field } from './field-line.js';

/**
 * Every answer that the sidecar itself makes. The code travels in `x-roost-error`; `docs/errors.md` explains each
 * to users, and a test keeps the two equal.
 */
export interface ErrorEntry {
  /** HTTP status. */
  readonly status: number;
  /** gRPC status code, for gRPC callers. */
  readonly grpcStatus: number;
  /** First words of the one-line body. */
  readonly message: string;
}

export const ERROR_CATALOGUE = {
  'unknown-host': { status: 404, grpcStatus: 12, message: 'no service has this host' },
  'no-route': { status: 404, grpcStatus: 12, message: 'no route matches' },
  'not-ready': { status: 503, grpcStatus: 14, message: 'no configuration yet' },
  'no-endpoint': { status: 503, grpcStatus: 14, message: 'no usable endpoint' },
  overloaded: { status: 503, grpcStatus: 14, message: 'too much to do' },
  'connect-failure': { status: 502, grpcStatus: 14, message: 'no connection to the upstream' },
  'upstream-reset': { status: 502, grpcStatus: 14, message: 'the upstream broke the connection' },
  'bad-response': {
    status: 502,
    grpcStatus: 13,
    message: 'the upstream answered with something that is not HTTP',
  },
  'request-timeout': { status: 504, grpcStatus: 4, message: 'the upstream took too long' },
  'fault-injected': { status: 503, grpcStatus: 14, message: 'a fault that the route asks for' },
  'forbidden-destination': {
    status: 403,
    grpcStatus: 7,
    message: 'the sidecar does not connect there for its clients',
  },
  'loop-detected': {
    status: 508,
    grpcStatus: 9,
    message: 'the request has come back to the sidecar that sent it',
  },
  'malformed-request': { status: 400, grpcStatus: 13, message: 'malformed request' },
  'unsupported-coding': { status: 501, grpcStatus: 12, message: 'unsupported transfer coding' },
  'unsupported-version': { status: 505, grpcStatus: 12, message: 'unsupported HTTP version' },
  'head-too-large': { status: 431, grpcStatus: 8, message: 'request head too large' },
  'slow-request': { status: 408, grpcStatus: 4, message: 'the request did not arrive in time' },
} as const satisfies Readonly<Record<string, ErrorEntry>>;

/** Value of `retry-after`, in seconds, of answers that carry one (RFC 9110 section 10.2.3). */
export const RETRY_AFTER_SECONDS: Readonly<Partial<Record<ErrorCode, number>>> = { overloaded: 1 };

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** An answer of the sidecar's own. */
export interface LocalReply {
  readonly code: ErrorCode;
  /** What exactly, for the person who reads the body. Never anything that a client must not know. */
  readonly detail: string;
  /** A header field more. */
  readonly field?: Field | undefined;
  /** Where it is not the catalogue's. */
  readonly status?: number;
}

export function replyStatus({ code, status }: LocalReply): number {
  return status ?? ERROR_CATALOGUE[code].status;
}

/** The one-line body: `no usable endpoint: v1 of checkout.shop`. Names come from whatever control plane there is. */
export function replyBody({ code, detail }: LocalReply): string {
  const { message } = ERROR_CATALOGUE[code];
  return `${detail === '' ? message : `${message}: ${printable(detail)}`}\n`;
}
