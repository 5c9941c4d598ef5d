import type { HttpLimits } from '../../../sidecar/http/limits.js';
import { LONGEST_TIMER } from '../../model/formats.js';
import { durationBetween, durationMs, type Flag, wholeNumber } from '../flags.js';

const GIBIBYTE = 2 ** 30;
const MILLION = 1_000_000;

type BoundFlag = Flag<number> & { readonly default: string };

/** A flag for every bound on what a peer may make the sidecar hold or wait for. */
export const BOUND_FLAGS = {
  maxHeadBytes: {
    name: 'max-head-bytes',
    argument: 'N',
    help: 'largest request or response head',
    default: '65536',
    parse: wholeNumber(1024, GIBIBYTE),
  },
  maxFields: {
    name: 'max-headers',
    argument: 'N',
    help: 'most header fields in a head',
    default: '100',
    parse: wholeNumber(10, 10_000),
  },
  maxTrailerBytes: {
    name: 'max-trailer-bytes',
    argument: 'N',
    help: 'largest trailer section of a chunked body',
    default: '8192',
    parse: wholeNumber(64, 65_536),
  },
  headTimeoutMs: {
    name: 'head-timeout',
    argument: 'DURATION',
    help: 'from the first byte of a head to its last',
    default: '10s',
    parse: durationBetween('1ms', LONGEST_TIMER),
  },
  clientIdleTimeoutMs: {
    name: 'idle-timeout',
    argument: 'DURATION',
    help: "between requests on a client's connection",
    default: '5m',
    parse: durationBetween('1ms', LONGEST_TIMER),
  },
  streamIdleTimeoutMs: {
    name: 'stream-idle-timeout',
    argument: 'DURATION',
    help: 'without a byte in either direction during a request; a route may set its own',
    default: '5m',
    parse: durationMs,
  },
  tunnelIdleTimeoutMs: {
    name: 'tunnel-idle-timeout',
    argument: 'DURATION',
    help: 'without a byte in either direction through a tunnel (CONNECT, WebSocket); 0: any',
    default: '1h',
    parse: durationMs,
  },
  clientFinTimeoutMs: {
    name: 'client-fin-timeout',
    argument: 'DURATION',
    help: 'how long a request without an answer goes on whose client has ended its side, where the client cannot be seen to be there still; 0: as long as it takes',
    default: '30s',
    parse: durationMs,
  },
  minBodyRate: {
    name: 'min-body-rate',
    argument: 'N',
    help: 'fewest bytes per second of a request body, over every 10 s before its response begins; 0: any',
    default: '100',
    parse: wholeNumber(0, GIBIBYTE),
  },
  maxConnections: {
    name: 'max-connections',
    argument: 'N',
    help: 'client connections at once, inbound and outbound each; more are answered 503',
    default: '10000',
    parse: wholeNumber(1, MILLION),
  },
  maxRequestsPerConnection: {
    name: 'max-requests-per-connection',
    argument: 'N',
    help: "requests after which a client's connection is closed; 0: never",
    default: '10000',
    parse: wholeNumber(0, MILLION * 1000),
  },
  maxInterimResponses: {
    name: 'max-interim-responses',
    argument: 'N',
    help: 'most 1xx responses to one request',
    default: '16',
    parse: wholeNumber(1, 10_000),
  },
  maxReplayBytes: {
    name: 'max-replay-bytes',
    argument: 'N',
    help: 'request body kept for a retry; a longer one is not retried once part of it is sent',
    default: '65536',
    parse: wholeNumber(0, GIBIBYTE),
  },
  maxDiscardBytes: {
    name: 'max-discard-bytes',
    argument: 'N',
    help: 'read of a request body that was answered early, so that the client gets to read the answer',
    default: '262144',
    parse: wholeNumber(0, GIBIBYTE),
  },
  upstreamIdleTimeoutMs: {
    name: 'upstream-idle-timeout',
    argument: 'DURATION',
    help: 'between requests on a connection to another pod or to the app; keep it below the time after which those close theirs; 0: each request has a connection of its own',
    default: '4s',
    parse: durationMs,
  },
  maxUpstreamAgeMs: {
    name: 'upstream-max-age',
    argument: 'DURATION',
    help: 'a connection to another pod serves no new request once it is this old, less up to a tenth',
    default: '1h',
    parse: durationMs,
  },
} as const satisfies Record<keyof HttpLimits, BoundFlag>;

/** The bounds among a sidecar's flags. */
export function limitsOf(values: HttpLimits): HttpLimits {
  const keys = Object.keys(BOUND_FLAGS) as (keyof HttpLimits)[];
  return Object.fromEntries(keys.map((key) => [key, values[key]])) as unknown as HttpLimits;
}
