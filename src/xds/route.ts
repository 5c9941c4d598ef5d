import { normalAuthority } from '../http/authority.js';
import { decodeResource } from './decode-resource.js';
import type { Message } from './descriptors.js';
import { type FaultConfig, readFaultOverride } from './fault.js';
import { message, messages, type Problems, readDuration, text, wrappedBool } from './fields.js';
import { type HashPolicyConfig, readHashPolicy } from './hash-policy.js';
import { type LevelledChanges, NO_CHANGES, nested, readHeaderChanges } from './header-changes.js';
import { filterEntries } from './per-filter-config.js';
import {
  type RoutePolicyConfig,
  readRoutePolicy,
  readServicePolicy,
  type ServicePolicyConfig,
} from './policy.js';
import { type RetryConfig, readRetry } from './retry.js';
import {
  type MirrorConfig,
  type RedirectConfig,
  type RewriteConfig,
  readMirrors,
  readRedirect,
  readRewrite,
} from './route-changes.js';
import { refuseOtherRouteFilters } from './route-filters.js';
import { type RouteMatchConfig, readRouteMatch } from './route-match.js';
import { readStatefulSessionOverride, type StatefulSessionConfig } from './stateful-session-config.js';
import { refuseUnsupported } from './unsupported.js';
import { readUpgrades } from './upgrades.js';
import { readSplit, type WeightedClusterConfig } from './weighted-clusters.js';

export interface RouteConfig {
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly split: readonly WeightedClusterConfig[];
  /** The weighted pick follows the session's hash rather than chance. */
  readonly useHashPolicy: boolean;
  readonly hashPolicy: readonly HashPolicyConfig[];
  /** For the whole request, retries included; 0: none. */
  readonly timeoutMs: number;
  /** For the whole stream, as gRPC says it; undefined: as the listener has it. */
  readonly maxStreamMs: number | undefined;
  /** Without a byte in either direction; 0: none; undefined: as the listener has it. */
  readonly idleTimeoutMs: number | undefined;
  readonly retry: RetryConfig | undefined;
  readonly policy: RoutePolicyConfig | undefined;
  /** Undefined: as the virtual host has it. */
  readonly statefulSession: StatefulSessionConfig | 'disabled' | undefined;
  /** Of the route and of what is around it. */
  readonly headers: LevelledChanges;
  readonly rewrite: RewriteConfig | undefined;
  /** Set: the request goes nowhere, the caller is sent elsewhere. */
  readonly redirect: RedirectConfig | undefined;
  readonly mirrors: readonly MirrorConfig[];
  /** Undefined: as the listener has it. */
  readonly fault: FaultConfig | 'disabled' | undefined;
}

export interface VirtualHostConfig {
  readonly name: string;
  /** In the one spelling of authorities; `*` at one end is a wildcard. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly policy: ServicePolicyConfig | undefined;
  /** Undefined: as the listener has it. */
  readonly statefulSession: StatefulSessionConfig | 'disabled' | undefined;
}

export interface RouteConfigurationResource {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  /** The port of a request's authority does not count when its virtual host is looked for. */
  readonly ignoresPort: boolean;
}

/** What a level says for those inside it. */
interface Level {
  readonly headers: LevelledChanges;
  readonly mirrors: readonly MirrorConfig[];
  readonly fault: FaultConfig | 'disabled' | undefined;
  readonly retry: Message | undefined;
  readonly mostSpecificWins: boolean;
}

/** Envoy's default for a whole request. */
const DEFAULT_ROUTE_TIMEOUT_MS = 15_000;

/** @throws InvalidXdsError */
export function decodeRouteConfiguration(bytes: Uint8Array): RouteConfigurationResource {
  return decodeResource('route', bytes, (raw, problems) => readRouteConfiguration(raw, '', problems));
}

export function readRouteConfiguration(
  raw: Message,
  path: string,
  problems: Problems,
): RouteConfigurationResource {
  const at = path === '' ? '' : `${path}.`;
  refuseUnsupported('envoy.config.route.v3.RouteConfiguration', raw, path, problems);
  const name = text(raw.name);
  if (name === '') problems.add(`${at}name`, 'is empty');
  const outermost: Level = {
    headers: NO_CHANGES,
    mirrors: [],
    fault: undefined,
    retry: undefined,
    mostSpecificWins: raw.mostSpecificHeaderMutationsWins === true,
  };
  const level = readLevel(raw, outermost, path, problems);
  const virtualHosts = messages(raw.virtualHosts).map((host, i) =>
    readVirtualHost(host, level, `${at}virtual_hosts[${i}]`, problems),
  );
  checkDomains(messages(raw.virtualHosts), `${at}virtual_hosts`, problems);
  return Object.freeze({ name, virtualHosts, ignoresPort: raw.ignorePortInHostMatching === true });
}

/** As they are written: two spellings of one domain are no mistake, the first virtual host has it. */
function checkDomains(hosts: readonly Message[], path: string, problems: Problems): void {
  const seen = new Set<string>();
  for (const domain of hosts.flatMap(({ domains }) => (domains as string[] | undefined) ?? [])) {
    const lower = domain.toLowerCase();
    if (seen.has(lower)) problems.add(path, `the domain "${lower}" is listed twice`);
    seen.add(lower);
  }
}

/** A domain in the one spelling that authorities are looked up by. */
function normalDomain(domain: string): string {
  const lower = domain.toLowerCase();
  if (!lower.includes('*')) return normalAuthority(lower) ?? lower;
  return lower.startsWith('*') ? lower.replace(/\.(?=(?::\d+)?$)/, '') : lower;
}

/** What a route configuration, a virtual host or a route says that holds for what is inside it, if that says nothing. */
function readLevel(raw: Message, outer: Level, path: string, problems: Problems): Level {
  const entries = filterEntries(raw.typedPerFilterConfig, path, problems);
  refuseOtherRouteFilters(entries, path, problems);
  const own = readMirrors(raw, path, problems);
  const headers = readHeaderChanges(raw, path, problems);
  return {
    headers: nested(headers, outer.headers, outer.mostSpecificWins),
    mirrors: own.length > 0 ? own : outer.mirrors,
    fault: readFaultOverride(entries, path, problems) ?? outer.fault,
    retry: message(raw.retryPolicy) ?? outer.retry,
    mostSpecificWins: outer.mostSpecificWins,
  };
}

function readVirtualHost(raw: Message, outer: Level, path: string, problems: Problems): VirtualHostConfig {
  refuseUnsupported('envoy.config.route.v3.VirtualHost', raw, path, problems);
  const domains = [...new Set(((raw.domains as string[] | undefined) ?? []).map(normalDomain))];
  if (domains.length === 0) problems.add(`${path}.domains`, 'is empty');
  const level = readLevel(raw, outer, path, problems);
  const routes = messages(raw.routes).map((route, i) =>
    readRoute(route, level, `${path}.routes[${i}]`, problems),
  );
  return Object.freeze({
    name: text(raw.name),
    domains,
    routes,
    policy: readServicePolicy(raw.typedPerFilterConfig, `${path}.typed_per_filter_config`, problems),
    statefulSession: readStatefulSessionOverride(raw.typedPerFilterConfig, path, problems),
  });
}

function readRoute(raw: Message, outer: Level, path: string, problems: Problems): RouteConfig {
  refuseUnsupported('envoy.config.route.v3.Route', raw, path, problems);
  const [action, redirect] = [message(raw.route), message(raw.redirect)];
  if (action === undefined && redirect === undefined) problems.add(path, 'has neither route nor redirect');
  const { headers, fault } = readLevel(raw, outer, path, problems);
  const policy = readRoutePolicy(raw.typedPerFilterConfig, `${path}.typed_per_filter_config`, problems);
  const match = readRouteMatch(message(raw.match) ?? {}, policy?.pairs ?? [], `${path}.match`, problems);
  return Object.freeze({
    name: text(raw.name),
    match,
    ...readAction(action, match, { ...outer, headers, fault }, `${path}.route`, problems),
    policy,
    statefulSession: readStatefulSessionOverride(raw.typedPerFilterConfig, path, problems),
    headers,
    redirect: redirect && readRedirect(redirect, match.path, `${path}.redirect`, problems),
    fault,
  });
}

type ActionConfig = Omit<
  RouteConfig,
  'name' | 'match' | 'policy' | 'statefulSession' | 'headers' | 'redirect' | 'fault'
>;

/** @param action undefined: the request goes nowhere */
function readAction(
  action: Message | undefined,
  match: RouteMatchConfig,
  level: Level,
  path: string,
  problems: Problems,
): ActionConfig {
  const raw = action ?? {};
  refuseUnsupported('envoy.config.route.v3.RouteAction', raw, path, problems);
  readUpgrades(raw.upgradeConfigs, UPGRADE_TYPE, path, problems);
  const retry = message(raw.retryPolicy) ?? level.retry;
  const ownMirrors = readMirrors(raw, path, problems);
  const around = { headers: level.headers, mostSpecificWins: level.mostSpecificWins };
  return {
    split: action ? readSplit(action, around, path, problems) : [],
    useHashPolicy: wrappedBool(message(raw.weightedClusters)?.useHashPolicy) === true,
    hashPolicy: messages(raw.hashPolicy).flatMap(
      (policy, i) => readHashPolicy(policy, `${path}.hash_policy[${i}]`, problems) ?? [],
    ),
    ...readTimeouts(raw, path, problems),
    idleTimeoutMs: readDuration(raw.idleTimeout, `${path}.idle_timeout`, problems),
    retry: action && retry && readRetry(retry, `${path}.retry_policy`, problems),
    rewrite: readRewrite(raw, match.path, path, problems),
    mirrors: action === undefined || ownMirrors.length > 0 ? ownMirrors : level.mirrors,
  };
}

const UPGRADE_TYPE = 'envoy.config.route.v3.RouteAction.UpgradeConfig';

const MAX_STREAM_TYPE = 'envoy.config.route.v3.RouteAction.MaxStreamDuration';

/** With Envoy, `max_stream_duration` takes the place of `timeout`, whatever either says. */
function readTimeouts(
  raw: Message,
  path: string,
  problems: Problems,
): Pick<RouteConfig, 'timeoutMs' | 'maxStreamMs'> {
  const timeoutMs = readDuration(raw.timeout, `${path}.timeout`, problems) ?? DEFAULT_ROUTE_TIMEOUT_MS;
  const newer = message(raw.maxStreamDuration);
  if (newer === undefined) return { timeoutMs, maxStreamMs: undefined };
  const at = `${path}.max_stream_duration`;
  refuseUnsupported(MAX_STREAM_TYPE, newer, at, problems);
  const maxStreamMs = readDuration(newer.maxStreamDuration, `${at}.max_stream_duration`, problems);
  return { timeoutMs: 0, maxStreamMs };
}
