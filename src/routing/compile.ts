import { xxh64 } from '../hashing/xxh64.js';
import type { HashPolicyConfig, KeySourceConfig } from '../xds/hash-policy.js';
import type { ListenerDefaults } from '../xds/listener.js';
import type { AffinityConfig, ServicePolicyConfig } from '../xds/policy.js';
import type { RouteConfig, VirtualHostConfig } from '../xds/route.js';
import type { WeightedClusterConfig } from '../xds/weighted-clusters.js';
import { compileActions } from './actions.js';
import { compileMatch } from './match.js';
import { PinDigests } from './pins.js';
import type { Cluster, Release } from './release.js';
import { RouteGuards } from './route-guards.js';
import { SessionKeys } from './session-key.js';
import { StatefulSession } from './stateful-cookie.js';
import type { Affinity, Route, Service, Split, Timeouts, VirtualHost } from './table.js';

export interface CompileOptions {
  /** The live cluster of a name; clusters outlive compilations. */
  cluster(name: string): Cluster;
  /** Makes a key for a session cookie that no client can guess, see `newSessionKey`. */
  mintKey(): string;
  /** What the listener says for routes that say nothing else. */
  readonly listener?: ListenerDefaults | undefined;
}

/** Compiles one virtual host, with our payload or without it, into its part of the routing table. */
export function compileVirtualHost(config: VirtualHostConfig, options: CompileOptions): VirtualHost {
  const service = config.policy
    ? compileService(config.policy, options)
    : { label: config.name, releases: [], isOpaque: false, hasLanes: false, stable: undefined };
  const releases = new Map(service.releases.map((release) => [release.cluster.name, release]));
  const releaseOf = (cluster: string): Release => {
    const known = releases.get(cluster);
    if (known) return known;
    const made = { name: cluster, cluster: options.cluster(cluster), lane: '', digest: 0, labelDigest: 0 };
    releases.set(cluster, made);
    return made;
  };
  const affinityOf = affinityOnce((route) => compileAffinity(route, config.policy, service, options));
  const splitOf = splitOnce(releaseOf);
  const routes = config.routes.map((route) => {
    const split = splitOf(route.split);
    // A redirected request goes nowhere that could be remembered.
    const affinity = route.redirect ? undefined : affinityOf(route, config.policy);
    return compileRoute(route, { split, affinity }, config, releaseOf, options);
  });
  return {
    name: config.name,
    service: { ...service, releases: [...releases.values()] },
    routes,
    guards: RouteGuards.of(config.routes.map(({ match }) => match)),
  };
}

function compileService(policy: ServicePolicyConfig, options: CompileOptions): Service {
  const label = `${policy.name}.${policy.namespace}`;
  const digests = new PinDigests(policy.pinSecret, label);
  const releases = policy.releases.map(({ name, cluster, incarnation, lane }) => ({
    name,
    cluster: options.cluster(cluster),
    lane,
    ...(policy.affinity ? digests.ofRelease(name, incarnation) : { digest: 0, labelDigest: 0 }),
  }));
  return {
    label,
    releases,
    isOpaque: policy.isOpaque,
    hasLanes: releases.some(({ lane }) => lane !== ''),
    stable: releases.find(({ name }) => name === policy.stable),
  };
}

/** One literal: properties that are added to an object later lie outside of it, a memory access further away. */
function compileRoute(
  config: RouteConfig,
  { split, affinity }: Pick<Route, 'split' | 'affinity'>,
  host: VirtualHostConfig,
  releaseOf: (cluster: string) => Release,
  options: CompileOptions,
): Route {
  return {
    name: config.name,
    condition: compileMatch(config.match),
    split,
    affinity,
    stateful: compileStatefulSession(config, host, options),
    pins: config.policy?.noPin !== true,
    timeouts: compileTimeouts(config, options),
    retry: config.retry,
    actions: compileActions(config, releaseOf, options.listener?.fault),
  };
}

function compileTimeouts(
  { timeoutMs, maxStreamMs, idleTimeoutMs, retry }: RouteConfig,
  { listener }: CompileOptions,
): Timeouts {
  const streamMs = maxStreamMs ?? listener?.maxStreamMs ?? 0;
  return {
    // 0 bounds nothing.
    requestMs: Math.min(timeoutMs || streamMs, streamMs || timeoutMs),
    perTryMs: retry?.perTryTimeoutMs ?? 0,
    idleMs: idleTimeoutMs ?? listener?.idleTimeoutMs ?? 0,
  };
}

/** One for all routes that split in the same way, for the same reason as {@link affinityOnce}. */
function splitOnce(releaseOf: (cluster: string) => Release) {
  const known = new Map<string, Split>();
  return (entries: readonly WeightedClusterConfig[]): Split => {
    const text = JSON.stringify(entries.map(({ cluster, weight }) => [cluster, weight]));
    const split = known.get(text) ?? compileSplit(entries, releaseOf);
    known.set(text, split);
    return split;
  };
}

function compileSplit(
  entries: readonly WeightedClusterConfig[],
  releaseOf: (cluster: string) => Release,
): Split {
  let total = 0;
  const ends = entries.map(({ weight }) => {
    total += weight;
    return total;
  });
  return { releases: entries.map(({ cluster }) => releaseOf(cluster)), ends, total };
}

/**
 * One for all routes of a service that keep sessions in the same way: a decision in a large mesh costs what it has
 * to fetch from memory.
 */
function affinityOnce(compile: (route: RouteConfig) => Affinity | undefined) {
  let shared: { readonly affinity: Affinity | undefined } | undefined;
  return (route: RouteConfig, policy: ServicePolicyConfig | undefined): Affinity | undefined => {
    if (policy === undefined || policy.affinity?.scope === 'route') return compile(route);
    shared ??= { affinity: compile(route) };
    return shared.affinity;
  };
}

function compileAffinity(
  route: RouteConfig,
  policy: ServicePolicyConfig | undefined,
  service: Service,
  options: CompileOptions,
): Affinity | undefined {
  if (policy === undefined) return standardAffinity(route, service, options);
  const { affinity } = policy;
  if (affinity === undefined) return undefined;
  const perRoute = affinity.scope === 'route';
  const policies = affinity.key.map((source) => ({
    source: perRoute ? renameCookie(source, route.name) : source,
    terminal: true,
  }));
  return {
    service: service.label,
    keys: new SessionKeys(policies, affinity.salt === '' ? 0n : xxh64(affinity.salt), options.mintKey),
    ...pick(affinity),
    followLanes: !affinity.ignoreLanes,
    digests: new PinDigests(policy.pinSecret, service.label),
    pinSecret: policy.pinSecret,
    sharesPins: sharesPins(affinity),
    scope: xxh64(perRoute ? `${service.label}/${route.name}` : service.label),
  };
}

/** Under `balanced`, labels make pins. */
function sharesPins({ key, version, endpoint }: AffinityConfig): boolean {
  const hasPins = version !== 'none' || endpoint === 'persistent';
  return hasPins && key.some((source) => source.kind !== 'cookie' || !source.cookie.mint);
}

function pick(affinity: AffinityConfig) {
  const { salt, saltReleaseOnly, version, endpoint, sessionFirst, failoverAny, failoverRepinMs, ttlMs } =
    affinity;
  return { salt, saltReleaseOnly, version, endpoint, sessionFirst, failoverAny, failoverRepinMs, ttlMs };
}

/**
 * `scope: route`: each route keeps sessions of its own, so each needs a cookie of its own. The app's own keeps its name;
 * its pins are in the table, which tells routes apart.
 */
function renameCookie(source: KeySourceConfig, route: string): KeySourceConfig {
  if (source.kind !== 'cookie' || !source.cookie.mint) return source;
  return { ...source, cookie: { ...source.cookie, name: `${source.cookie.name}.${route}` } };
}

/** As much stickiness as Envoy's own fields ask for: hashed picks, no pins. */
function standardAffinity(
  route: RouteConfig,
  service: Service,
  options: CompileOptions,
): Affinity | undefined {
  const policies: readonly HashPolicyConfig[] = route.hashPolicy;
  if (policies.length === 0) return undefined;
  return {
    service: service.label,
    keys: new SessionKeys(policies, 0n, options.mintKey),
    salt: '',
    saltReleaseOnly: false,
    version: route.useHashPolicy ? 'balanced' : 'none',
    endpoint: 'none',
    sessionFirst: false,
    followLanes: false,
    failoverAny: false,
    failoverRepinMs: 0,
    ttlMs: 0,
    digests: new PinDigests(Buffer.alloc(0), service.label),
    pinSecret: Buffer.alloc(0),
    sharesPins: false,
    scope: xxh64(service.label),
  };
}

/** The most specific word on it counts. Where our payload is, the standard fields are for other clients. */
function compileStatefulSession(
  route: RouteConfig,
  host: VirtualHostConfig,
  options: CompileOptions,
): StatefulSession | undefined {
  if (host.policy !== undefined) return undefined;
  const config = route.statefulSession ?? host.statefulSession ?? options.listener?.statefulSession;
  return config === undefined || config === 'disabled' ? undefined : new StatefulSession(config);
}
