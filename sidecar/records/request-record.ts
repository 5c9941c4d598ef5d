import { utf8Text } from '../../src/http/byte-text.js';
import { headerName } from '../../src/http/header-name.js';
import { traceIdOf } from '../../src/http/trace-context.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { Placement } from '../../src/routing/decide.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import type { Call } from '../exchange/forwarder.js';
import type { InboundTunnel } from '../inbound/app-tunnel.js';
import type { OutboundForwarder } from '../outbound/outbound-forwarder.js';
import type { OutboundTunnel } from '../outbound/tunnel-routes.js';
import type { TunnelOutcome } from '../tcp/tcp-tunnel.js';

/**
 * One request in words: what was asked, what was decided and why, and what came of it. What has nothing to say is
 * undefined. No header value but the request's id and trace, no query, no cookie, no session key: only the key's hash,
 * which is salted by service.
 */
export interface RequestRecord {
  readonly direction: 'inbound' | 'outbound';
  readonly method?: string | undefined;
  readonly host?: string | undefined;
  /** Without the query, which may hold secrets. */
  readonly path?: string | undefined;
  /** 0: the client was sent none. */
  readonly status: number;
  /** Of a gRPC call that had one. */
  readonly grpcStatus?: number | undefined;
  /** Milliseconds, to the microsecond. */
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Address of the caller. */
  readonly client: string;
  readonly service?: string | undefined;
  readonly route?: string | undefined;
  readonly release?: string | undefined;
  /** Why this release: `pin`, `slot`, `lane`, `named`, `random`, `failover`. */
  readonly reason?: string | undefined;
  /** The release that would have been right. */
  readonly failedOverFrom?: string | undefined;
  /** Where the session key came from: `header:x-user-id`. */
  readonly keySource?: string | undefined;
  /** The key's hash, 16 hexadecimal digits. */
  readonly session?: string | undefined;
  /** What became of the session's pin. */
  readonly pin?: 'kept' | 'made' | 'moved' | undefined;
  readonly endpoint?: string | undefined;
  /** Why this endpoint: `pin`, `hash`, `load-balancer`, or another after a first one failed: `retry`. */
  readonly endpointReason?: string | undefined;
  /** Attempts beyond the first. */
  readonly retries?: number | undefined;
  /** `x-roost-error` of an answer of our own, and what it says. */
  readonly error?: string | undefined;
  readonly detail?: string | undefined;
  readonly requestId?: string | undefined;
  readonly traceId?: string | undefined;
  /** See {@link flagsOf}. */
  readonly flags?: string | undefined;
}

/** Longest text taken from a request. */
const MAX_TEXT = 512;
const REQUEST_ID = headerName('x-request-id');
const TRACEPARENT = headerName('traceparent');

/**
 * @param durationMs from the head to the end
 * @param forwarder of an outbound request: what was decided
 */
export function describeRequest(
  direction: 'inbound' | 'outbound',
  exchange: Call,
  durationMs: number,
  forwarder: OutboundForwarder | undefined,
): RequestRecord {
  const { downstream, outcome, attempts } = exchange;
  const { request } = downstream;
  const { error } = outcome;
  const { host, route, placement } = forwarder?.progress ?? {};
  const session = placement?.session;
  return {
    direction,
    method: shortened(request.method),
    host: shortened(request.authority),
    path: shortened(request.path),
    status: outcome.status,
    grpcStatus: outcome.grpcStatus,
    durationMs: Math.round(durationMs * 1000) / 1000,
    requestBytes: outcome.requestBytes,
    responseBytes: outcome.responseBytes,
    client: request.sourceIp,
    service: host?.service.label,
    route: route?.name,
    release: placement?.release.name,
    reason: placement?.releaseReason,
    failedOverFrom: placement?.failedOverFrom?.name,
    keySource: session && nameOf(session.source),
    session: session && hexadecimal(session.hash),
    pin: placement && answeredUpstream(exchange) ? pinOf(placement) : undefined,
    endpoint: forwarder?.attempts.endpoint?.address,
    endpointReason: placement && forwarder ? endpointReason(placement, forwarder) : undefined,
    retries: attempts > 1 ? attempts - 1 : undefined,
    error: error?.code,
    detail: error && error.detail !== '' ? shortened(error.detail) : undefined,
    requestId: requestIdOf(exchange),
    traceId: traceIdOf(request.header(TRACEPARENT)),
    flags: flagsOf(exchange, forwarder),
  };
}

/** A connection whose bytes were carried as they are. The status is 0: nothing of it is known. */
export function describeTunnel(
  tunnel: OutboundTunnel,
  outcome: TunnelOutcome,
  durationMs: number,
): RequestRecord {
  const { destination, host, placement, endpoint, caller } = tunnel;
  const { error, cutOff } = outcome;
  return {
    direction: 'outbound',
    host: destination && formatAddress(destination.host, destination.port),
    status: 0,
    durationMs: Math.round(durationMs * 1000) / 1000,
    requestBytes: outcome.sentBytes,
    responseBytes: outcome.receivedBytes,
    client: caller,
    service: host?.service.label,
    release: placement?.release.name,
    reason: placement?.releaseReason,
    endpoint: endpoint?.address,
    error: error?.code,
    detail: error && error.detail !== '' ? shortened(error.detail) : undefined,
    flags: `${host === undefined && endpoint !== undefined ? 'passthrough,' : ''}tcp${cutOff === '' ? '' : CUT_OFF_FLAGS[cutOff]}`,
  };
}

export function describeInboundTunnel(
  { caller, endpoint }: InboundTunnel,
  outcome: TunnelOutcome,
  durationMs: number,
): RequestRecord {
  const { error, cutOff } = outcome;
  return {
    direction: 'inbound',
    host: endpoint?.address,
    status: 0,
    durationMs: Math.round(durationMs * 1000) / 1000,
    requestBytes: outcome.sentBytes,
    responseBytes: outcome.receivedBytes,
    client: caller,
    endpoint: endpoint?.address,
    error: error?.code,
    detail: error && error.detail !== '' ? shortened(error.detail) : undefined,
    flags: `tcp${cutOff === '' ? '' : CUT_OFF_FLAGS[cutOff]}`,
  };
}

/** The placement's own endpoint may have given way to another of its release. */
function endpointReason(placement: Placement, { attempts: { endpoint } }: OutboundForwarder): string {
  return placement.endpoint === endpoint ? placement.endpointReason : 'retry';
}

/** A pin is kept, made or moved once an endpoint has answered. */
function answeredUpstream({ outcome }: Call): boolean {
  return outcome.status !== 0 && outcome.error === undefined;
}

function pinOf({ pin, pinTo }: Placement): RequestRecord['pin'] {
  if (pinTo === undefined || pinTo.onceLost !== undefined) return pin && 'kept';
  return pin === undefined ? 'made' : 'moved';
}

function nameOf(source: KeySourceConfig): string {
  switch (source.kind) {
    case 'cookie':
      return `cookie:${source.cookie.name}`;
    case 'header':
    case 'query':
    case 'baggage':
      return `${source.kind}:${utf8Text(source.name)}`;
    default:
      return source.kind;
  }
}

function hexadecimal(hash: bigint): string {
  return hash.toString(16).padStart(16, '0');
}

/** As it went upstream: the client's own, or the one made for it. */
function requestIdOf({ downstream }: Call): string | undefined {
  const { request } = downstream;
  const id = request.header(REQUEST_ID) ?? request.givenId;
  return id === '' ? undefined : shortened(utf8Text(id));
}

/**
 * What else there is to know, separated by commas: `passthrough` (no service has the host, it went where it was
 * going), `new-session` (a key was made), `failover`, `tunnel`, `tcp` (bytes carried as they are), `client-left`, `upstream-broke` and `timed-out`
 * (the response ended half way), `sidecar-stopped`.
 */
function flagsOf({ outcome }: Call, forwarder: OutboundForwarder | undefined): string | undefined {
  let flags = '';
  if (forwarder !== undefined) {
    const { progress, attempts } = forwarder;
    const { host, placement } = progress;
    if (host === undefined && attempts.endpoint !== undefined) flags += ',passthrough';
    if (placement?.session?.cookie?.minted) flags += ',new-session';
    if (placement?.failedOverFrom !== undefined) flags += ',failover';
  }
  if (outcome.status === 101) flags += ',tunnel';
  if (outcome.cutOff !== '') flags += CUT_OFF_FLAGS[outcome.cutOff];
  return flags === '' ? undefined : flags.slice(1);
}

const CUT_OFF_FLAGS = {
  client: ',client-left',
  upstream: ',upstream-broke',
  timeout: ',timed-out',
  sidecar: ',sidecar-stopped',
} as const;

function shortened(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}
