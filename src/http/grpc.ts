/**
 * What the sidecar understands of gRPC over HTTP/2 (https://github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md): its
 * deadline and its status. Messages go through unread.
 */

/** gRPC proper, with or without the name of a coding. In gRPC-Web and Connect the client reads its status elsewhere. */
const CONTENT_TYPE = /^application\/grpc(?:$|[+;])/i;

export function isGrpcContentType(contentType: string | undefined): boolean {
  return contentType !== undefined && CONTENT_TYPE.test(contentType);
}

const MAX_TIMEOUT_DIGITS = 8;
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * The value of `grpc-timeout`, in milliseconds. A time of zero is over at once, so that it is not "no deadline" to the
 * rest of the sidecar, it is a millisecond.
 *
 * @returns undefined where it is not a timeout
 */
export function parseGrpcTimeout(value: string): number | undefined {
  const parts = TIMEOUT.exec(value);
  if (parts === null) return undefined;
  return Math.max(1, Number(parts[1]) * (MS_PER_UNIT[parts[2] as string] as number));
}

/** In the smallest unit, from milliseconds on, whose number has at most the eight digits that the protocol allows. */
export function formatGrpcTimeout(ms: number): string {
  const whole = Math.max(1, Math.floor(ms));
  for (const unit of ['m', 'S', 'M'] as const) {
    const text = String(Math.floor(whole / (MS_PER_UNIT[unit] as number)));
    if (text.length <= MAX_TIMEOUT_DIGITS) return text + unit;
  }
  return '99999999H';
}

/** The status codes of gRPC, by number. */
export const GRPC_STATUS_NAMES = [
  'ok',
  'cancelled',
  'unknown',
  'invalid-argument',
  'deadline-exceeded',
  'not-found',
  'already-exists',
  'permission-denied',
  'resource-exhausted',
  'failed-precondition',
  'aborted',
  'out-of-range',
  'unimplemented',
  'internal',
  'unavailable',
  'data-loss',
  'unauthenticated',
] as const;

export const GRPC_UNKNOWN = 2;

/** The value of `grpc-status`. One that is not a number of the list is `unknown`, as it is to clients. */
export function parseGrpcStatus(value: string): number {
  const status = /^\d{1,2}$/.test(value) ? Number(value) : GRPC_UNKNOWN;
  return status < GRPC_STATUS_NAMES.length ? status : GRPC_UNKNOWN;
}

/** Statuses whose counterpart in HTTP is 5xx, by Envoy's table: unknown, deadline, unimplemented, internal, and so on. */
const ERRORS: ReadonlySet<number> = new Set([GRPC_UNKNOWN, 4, 12, 13, 14, 15]);

/** The server's error, and not the caller's: it counts as a 5xx does. */
export function isGrpcError(status: number): boolean {
  return ERRORS.has(status);
}
