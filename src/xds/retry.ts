import type { GRPC_STATUS_NAMES } from '../http/grpc.js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, readDuration, text, wrapped } from './fields.js';
import { readHeader } from './route-match.js';
import { refuseUnsupported } from './unsupported.js';

export interface RetryConfig {
  /** Retries, not counting the first try. */
  readonly retries: number;
  readonly on: ReadonlySet<RetryCondition>;
  readonly statuses: ReadonlySet<number>;
  /** Methods of requests that may be sent again once an upstream may have seen them; undefined: every one. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly perTryTimeoutMs: number;
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
}

/** Statuses of gRPC that Envoy can retry, by their names in {@link GRPC_STATUS_NAMES}. */
const GRPC_CONDITIONS = [
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const satisfies readonly (typeof GRPC_STATUS_NAMES)[number][];

export type RetryCondition =
  | 'connect-failure'
  | 'reset'
  | 'gateway-error'
  | '5xx'
  | (typeof GRPC_CONDITIONS)[number];

const DEFAULT_BACK_OFF_BASE_MS = 25;
const LEAST_BACK_OFF_MS = 1;

const CONDITIONS: ReadonlySet<string> = new Set<RetryCondition>([
  'connect-failure',
  'reset',
  'gateway-error',
  '5xx',
  ...GRPC_CONDITIONS,
]);
/** Words for what lists of statuses are for. */
const STATUSES = 'retriable-status-codes';
const RETRIABLE_4XX = 'retriable-4xx';
const CONFLICT = 409;

/**
 * Words that change nothing here: a stream that an upstream refuses is retried as a connection that was never made is;
 * HTTP/3 and rate limiters there are none; `retriable-headers` means nothing without a list, and lists are refused.
 */
const CHANGE_NOTHING: ReadonlySet<string> = new Set([
  'refused-stream',
  'http3-post-connect-failure',
  'envoy-ratelimited',
  'retriable-headers',
]);

/** Reads a `RetryPolicy`. */
export function readRetry(raw: Message, path: string, problems: Problems): RetryConfig {
  refuseUnsupported('envoy.config.route.v3.RetryPolicy', raw, path, problems);
  const words = readWords(raw, path, problems);
  checkHostPredicates(raw, path, problems);
  const listed = (raw.retriableStatusCodes as number[] | undefined) ?? [];
  return {
    retries: wrapped(raw.numRetries) ?? 1,
    on: new Set(words.filter((word): word is RetryCondition => CONDITIONS.has(word))),
    statuses: new Set([
      ...(words.includes(STATUSES) ? listed : []),
      ...(words.includes(RETRIABLE_4XX) ? [CONFLICT] : []),
    ]),
    methods: readMethods(raw, path, problems),
    perTryTimeoutMs: readDuration(raw.perTryTimeout, `${path}.per_try_timeout`, problems) ?? 0,
    ...readBackOff(message(raw.retryBackOff), `${path}.retry_back_off`, problems),
  };
}

function readWords(raw: Message, path: string, problems: Problems): string[] {
  const words = text(raw.retryOn)
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  for (const word of words) {
    if (CONDITIONS.has(word) || CHANGE_NOTHING.has(word) || word === STATUSES || word === RETRIABLE_4XX)
      continue;
    problems.add(`${path}.retry_on`, `"${word}" is not supported`);
  }
  return words;
}

/** What a sidecar does in any case: a retry goes to an endpoint that has not been tried. */
const PREVIOUS_HOSTS = 'envoy.retry_host_predicates.previous_hosts';

function checkHostPredicates(raw: Message, path: string, problems: Problems): void {
  messages(raw.retryHostPredicate).forEach(({ name }, i) => {
    if (name !== PREVIOUS_HOSTS)
      problems.add(`${path}.retry_host_predicate[${i}]`, `${text(name)} is not supported`);
  });
}

function readBackOff(
  raw: Message | undefined,
  path: string,
  problems: Problems,
): Pick<RetryConfig, 'backOffBaseMs' | 'backOffMaxMs'> {
  const of = raw ?? {};
  refuseUnsupported('envoy.config.route.v3.RetryPolicy.RetryBackOff', of, path, problems);
  const base =
    readDuration(of.baseInterval, `${path}.base_interval`, problems, LEAST_BACK_OFF_MS) ??
    DEFAULT_BACK_OFF_BASE_MS;
  const max = readDuration(of.maxInterval, `${path}.max_interval`, problems, LEAST_BACK_OFF_MS);
  return { backOffBaseMs: base, backOffMaxMs: max ?? base * 10 };
}

/**
 * Envoy retries a request only if one of `retriable_request_headers` matches it, where there are any. Of these, exact
 * methods are what is understood here.
 */
function readMethods(raw: Message, path: string, problems: Problems): ReadonlySet<string> | undefined {
  const matchers = messages(raw.retriableRequestHeaders);
  if (matchers.length === 0) return undefined;
  return new Set(
    matchers.flatMap((matcher, i) => {
      const at = `${path}.retriable_request_headers[${i}]`;
      const { name, match, invert } = readHeader(matcher, at, problems);
      if (name === ':method' && match.kind === 'exact' && !match.ignoreCase && !invert) return [match.value];
      problems.add(at, 'is not supported but for exact methods');
      return [];
    }),
  );
}
