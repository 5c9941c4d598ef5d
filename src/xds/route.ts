import { IDEMPOTENT_METHODS } from '../http/methods.js';
import { decodeMessage, type Message } from './descriptors.js';
import { durationMs, message, messages, Problems, text, wrapped, wrappedBool } from './fields.js';
import { type HashPolicyConfig, readHashPolicy } from './hash-policy.js';
import {
  type RoutePolicyConfig,
  readRoutePolicy,
  readServicePolicy,
  type ServicePolicyConfig,
} from './policy.js';
import { messageNameOf } from './resource-types.js';
import {
  type FaultConfig,
  type HeaderChanges,
  type MirrorConfig,
  type RedirectConfig,
  type RewriteConfig,
  readFault,
  readHeaderChanges,
  readMirrors,
  readRedirect,
  readRewrite,
} from './route-changes.js';
import { type RouteMatchConfig, readHeader, readRouteMatch } from './route-match.js';
import { readStatefulSessionOverride, type StatefulSessionConfig } from './stateful-session.js';

export interface WeightedClusterConfig {
  readonly cluster: string;
  readonly weight: number;
}

export interface RetryConfig {
  /** Retries, not counting the first try. */
  readonly retries: number;
  readonly on: ReadonlySet<RetryCondition>;
  readonly statuses: ReadonlySet<number>;
  /** Methods of requests that may be sent again once an upstream may have seen them. */
  readonly methods: ReadonlySet<string>;
  readonly perTryTimeoutMs: number;
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
}

export type RetryCondition = 'connect-failure' | 'reset' | 'gateway-error' | '5xx';

export interface RouteConfig {
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly split: readonly WeightedClusterConfig[];
  /** The weighted pick follows the session's hash rather than chance. */
  readonly useHashPolicy: boolean;
  readonly hashPolicy: readonly HashPolicyConfig[];
  /** For the whole request, retries included; 0: none. */
  readonly timeoutMs: number;
  /** Without a byte in either direction; 0: none. */
  readonly idleTimeoutMs: number;
  readonly retry: RetryConfig | undefined;
  readonly policy: RoutePolicyConfig | undefined;
  /** Undefined: as the virtual host has it. */
  readonly statefulSession: StatefulSessionConfig | 'disabled' | undefined;
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly rewrite: RewriteConfig | undefined;
  /** Set: the request goes nowhere, the caller is sent elsewhere. */
  readonly redirect: RedirectConfig | undefined;
  readonly mirrors: readonly MirrorConfig[];
  readonly fault: FaultConfig | undefined;
}

export interface VirtualHostConfig {
  readonly name: string;
  /** Lower case; `*` at one end is a wildcard. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly policy: ServicePolicyConfig | undefined;
  /** Undefined: as the listener has it. */
  readonly statefulSession: StatefulSessionConfig | 'disabled' | undefined;
}

export interface RouteConfigurationResource {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
}

/** Envoy's default for a whole request. */
const DEFAULT_ROUTE_TIMEOUT_MS = 15_000;
const DEFAULT_BACK_OFF_BASE_MS = 25;

/** @throws InvalidXdsError */
export function decodeRouteConfiguration(bytes: Uint8Array): RouteConfigurationResource {
  return readRouteConfiguration(decodeMessage(messageNameOf('route'), bytes));
}

/** @throws InvalidXdsError */
export function readRouteConfiguration(raw: Message): RouteConfigurationResource {
  const name = text(raw.name);
  const problems = new Problems();
  if (name === '') problems.add('name', 'is empty');
  const virtualHosts = messages(raw.virtualHosts).map((host, i) =>
    readVirtualHost(host, `virtual_hosts[${i}]`, problems),
  );
  const domains = new Set<string>();
  for (const domain of virtualHosts.flatMap((host) => host.domains)) {
    if (domains.has(domain)) problems.add('virtual_hosts', `the domain "${domain}" is listed twice`);
    domains.add(domain);
  }
  problems.throwIfAny(name);
  return Object.freeze({ name, virtualHosts });
}

function readVirtualHost(raw: Message, path: string, problems: Problems): VirtualHostConfig {
  const domains = ((raw.domains as string[] | undefined) ?? []).map((domain) => domain.toLowerCase());
  if (domains.length === 0) problems.add(`${path}.domains`, 'is empty');
  const hostRetry = message(raw.retryPolicy);
  const routes = messages(raw.routes).map((route, i) =>
    readRoute(route, hostRetry, `${path}.routes[${i}]`, problems),
  );
  return Object.freeze({
    name: text(raw.name),
    domains,
    routes,
    policy: readServicePolicy(raw.typedPerFilterConfig),
    statefulSession: readStatefulSessionOverride(raw.typedPerFilterConfig, path, problems),
  });
}

function readRoute(
  raw: Message,
  hostRetry: Message | undefined,
  path: string,
  problems: Problems,
): RouteConfig {
  const action = message(raw.route);
  const redirect = message(raw.redirect);
  if (action === undefined && redirect === undefined) {
    problems.add(path, 'has neither route nor redirect; direct_response is not supported');
  }
  const forward = action ?? {};
  const retry = message(forward.retryPolicy) ?? hostRetry;
  return Object.freeze({
    name: text(raw.name),
    match: readRouteMatch(message(raw.match) ?? {}, `${path}.match`, problems),
    split: action ? readSplit(action, `${path}.route`, problems) : [],
    useHashPolicy: wrappedBool(message(forward.weightedClusters)?.useHashPolicy) === true,
    hashPolicy: messages(forward.hashPolicy).flatMap(
      (p, i) => readHashPolicy(p, `${path}.route.hash_policy[${i}]`, problems) ?? [],
    ),
    timeoutMs: durationMs(forward.timeout) ?? DEFAULT_ROUTE_TIMEOUT_MS,
    idleTimeoutMs: durationMs(forward.idleTimeout) ?? 0,
    retry: retry && readRetry(retry, `${path}.route.retry_policy`, problems),
    policy: readRoutePolicy(raw.typedPerFilterConfig),
    statefulSession: readStatefulSessionOverride(raw.typedPerFilterConfig, path, problems),
    requestHeaders: readHeaderChanges(raw, 'request', path, problems),
    responseHeaders: readHeaderChanges(raw, 'response', path, problems),
    rewrite: readRewrite(forward, `${path}.route`, problems),
    redirect: redirect && readRedirect(redirect, `${path}.redirect`, problems),
    mirrors: readMirrors(forward),
    fault: readFault(raw.typedPerFilterConfig),
  });
}

function readSplit(action: Message, path: string, problems: Problems): readonly WeightedClusterConfig[] {
  if (typeof action.cluster === 'string' && action.cluster !== '')
    return [{ cluster: action.cluster, weight: 1 }];
  const weighted = message(action.weightedClusters);
  if (weighted === undefined) {
    problems.add(path, 'needs cluster or weighted_clusters');
    return [];
  }
  if (text(weighted.headerName) !== '')
    problems.add(`${path}.weighted_clusters.header_name`, 'is not supported; use use_hash_policy');
  const split = messages(weighted.clusters).map((entry) => ({
    cluster: text(entry.name),
    weight: wrapped(entry.weight) ?? 0,
  }));
  if (split.some((entry) => entry.cluster === ''))
    problems.add(`${path}.weighted_clusters`, 'names no cluster; cluster_header is not supported');
  const total = split.reduce((sum, entry) => sum + entry.weight, 0);
  if (total < 1 || total > 0xffffffff)
    problems.add(`${path}.weighted_clusters`, 'needs weights with a sum from 1 to 4294967295');
  return split;
}

const CONDITIONS: ReadonlySet<string> = new Set<RetryCondition>([
  'connect-failure',
  'reset',
  'gateway-error',
  '5xx',
]);

function readRetry(raw: Message, path: string, problems: Problems): RetryConfig {
  const words = text(raw.retryOn)
    .split(',')
    .map((word) => word.trim());
  const backOff = message(raw.retryBackOff);
  const base = durationMs(backOff?.baseInterval) ?? DEFAULT_BACK_OFF_BASE_MS;
  const statuses = (raw.retriableStatusCodes as number[] | undefined) ?? [];
  return {
    retries: wrapped(raw.numRetries) ?? 1,
    on: new Set(words.filter((word): word is RetryCondition => CONDITIONS.has(word))),
    statuses: new Set(words.includes('retriable-status-codes') ? statuses : []),
    methods: readRetriableMethods(raw, path, problems),
    perTryTimeoutMs: durationMs(raw.perTryTimeout) ?? 0,
    backOffBaseMs: base,
    backOffMaxMs: durationMs(backOff?.maxInterval) ?? base * 10,
  };
}

/**
 * Envoy retries a request only if one of `retriable_request_headers` matches it, where there are any. Of these, exact
 * methods are what is understood here; without any, the methods that are safe to repeat.
 */
function readRetriableMethods(raw: Message, path: string, problems: Problems): ReadonlySet<string> {
  const matchers = messages(raw.retriableRequestHeaders);
  if (matchers.length === 0) return IDEMPOTENT_METHODS;
  return new Set(
    matchers.flatMap((matcher, i) => {
      const { name, match, invert } = readHeader(
        matcher,
        `${path}.retriable_request_headers[${i}]`,
        problems,
      );
      if (name === ':method' && match.kind === 'exact' && !invert) return [match.value];
      problems.add(`${path}.retriable_request_headers[${i}]`, 'is not supported but for exact methods');
      return [];
    }),
  );
}
