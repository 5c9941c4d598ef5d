import { parameterName } from '../http/query.js';
import { type Message, unpackAny } from './descriptors.js';
import { message, messages, type Problems, text } from './fields.js';
import { type CookieConfig, checkCookie, type KeySourceConfig } from './hash-policy.js';
import type { PairConditionConfig, TextMatch } from './route-match.js';

/**
 * Roost's own payload: what the standard resources cannot say. See `proto/roost/v1/affinity.proto` for the
 * meaning of each field.
 */
export const SERVICE_POLICY_KEY = 'roost.service';
export const ROUTE_POLICY_KEY = 'roost.route';
export const SERVICE_POLICY_TYPE = 'roost.v1.ServicePolicy';
export const ROUTE_POLICY_TYPE = 'roost.v1.RoutePolicy';
export const FILTER_CONFIG_TYPE = 'envoy.config.route.v3.FilterConfig';

export type AffinityMode = 'none' | 'balanced' | 'persistent';

export interface ReleaseConfig {
  readonly name: string;
  readonly cluster: string;
  readonly incarnation: string;
  /** Empty: none. */
  readonly lane: string;
}

export interface AffinityConfig {
  readonly key: readonly KeySourceConfig[];
  readonly version: AffinityMode;
  readonly endpoint: AffinityMode;
  readonly sessionFirst: boolean;
  readonly scope: 'service' | 'route';
  /** Empty: none. */
  readonly salt: string;
  /** Endpoints are picked by the hash without the salt. */
  readonly saltReleaseOnly: boolean;
  readonly ttlMs: number;
  readonly failoverAny: boolean;
  readonly failoverRepinMs: number;
  readonly ignoreLanes: boolean;
}

export interface ServicePolicyConfig {
  readonly name: string;
  readonly namespace: string;
  readonly stable: string;
  readonly releases: readonly ReleaseConfig[];
  readonly affinity: AffinityConfig | undefined;
  readonly pinSecret: Buffer;
  readonly isOpaque: boolean;
}

export interface RoutePolicyConfig {
  readonly noPin: boolean;
  readonly pairs: readonly PairConditionConfig[];
}

/** The payload under a key of `typed_per_filter_config`, directly or inside an optional FilterConfig. */
function findPayload(perFilterConfig: unknown, key: string, typeName: string): Message | undefined {
  const any = message(perFilterConfig)?.[key];
  if (any === undefined) return undefined;
  const filterConfig = unpackAny(any, FILTER_CONFIG_TYPE);
  const payload = filterConfig === undefined ? any : filterConfig.config;
  return payload === undefined ? undefined : unpackAny(payload, typeName);
}

/** @param problems gets what of the payload cannot be used */
export function readServicePolicy(
  perFilterConfig: unknown,
  path: string,
  problems: Problems,
): ServicePolicyConfig | undefined {
  const raw = findPayload(perFilterConfig, SERVICE_POLICY_KEY, SERVICE_POLICY_TYPE);
  if (raw === undefined) return undefined;
  const affinity = message(raw.affinity);
  return {
    name: text(raw.name),
    namespace: text(raw.namespace),
    stable: text(raw.stable),
    releases: messages(raw.releases).map((release) => ({
      name: text(release.name),
      cluster: text(release.cluster),
      incarnation: text(release.incarnation),
      lane: text(release.lane),
    })),
    affinity: affinity && readAffinity(affinity, `${path}.${SERVICE_POLICY_KEY}.affinity`, problems),
    pinSecret: Buffer.from((raw.pinSecret as Uint8Array | undefined) ?? []),
    isOpaque: raw.opaque === true,
  };
}

export function readRoutePolicy(
  perFilterConfig: unknown,
  path: string,
  problems: Problems,
): RoutePolicyConfig | undefined {
  const raw = findPayload(perFilterConfig, ROUTE_POLICY_KEY, ROUTE_POLICY_TYPE);
  if (raw === undefined) return undefined;
  const pairs = messages(raw.pairs).map((pair, i) =>
    readPair(pair, `${path}.${ROUTE_POLICY_KEY}.pairs[${i}]`, problems),
  );
  return { noPin: raw.noPin === true, pairs };
}

function readPair(raw: Message, path: string, problems: Problems): PairConditionConfig {
  const [kind, name] = typeof raw.query === 'string' ? ['query', raw.query] : ['cookie', text(raw.cookie)];
  if (name === '') problems.add(path, 'needs the name of a cookie or of a query parameter');
  return {
    kind: kind as PairConditionConfig['kind'],
    name: kind === 'query' ? parameterName(name) : name,
    match: readPairValue(raw, path, problems),
    invert: raw.invert === true,
  };
}

function readPairValue(raw: Message, path: string, problems: Problems): TextMatch {
  for (const kind of ['exact', 'prefix', 'suffix'] as const) {
    const value = raw[kind];
    if (typeof value === 'string') return { kind, value, ignoreCase: false };
  }
  if (typeof raw.regex !== 'string') return { kind: 'present', present: raw.present !== false };
  problems.checkRegex(raw.regex, `${path}.regex`);
  return { kind: 'regex', pattern: raw.regex };
}

function readAffinity(raw: Message, path: string, problems: Problems): AffinityConfig {
  return {
    key: messages(raw.key).flatMap((source, i) => readKeySource(source, `${path}.key[${i}]`, problems)),
    version: readMode(raw.version),
    endpoint: readMode(raw.endpoint),
    sessionFirst: raw.sessionFirst === true,
    scope: raw.scope === 'ROUTE' ? 'route' : 'service',
    salt: text(raw.salt),
    saltReleaseOnly: raw.saltReleaseOnly === true,
    ttlMs: Number(raw.ttlMs ?? 0),
    failoverAny: raw.failoverAny === true,
    failoverRepinMs: Number(raw.failoverRepinMs ?? 0),
    ignoreLanes: raw.ignoreLanes === true,
  };
}

function readMode(raw: unknown): AffinityMode {
  if (raw === 'BALANCED') return 'balanced';
  return raw === 'PERSISTENT' ? 'persistent' : 'none';
}

function readKeySource(raw: Message, path: string, problems: Problems): KeySourceConfig[] {
  if (typeof raw.header === 'string') return [{ kind: 'header', name: raw.header.toLowerCase() }];
  if (typeof raw.query === 'string') return [{ kind: 'query', name: parameterName(raw.query) }];
  if (typeof raw.baggage === 'string') return [{ kind: 'baggage', name: raw.baggage }];
  if (raw.sourceIp === true) return [{ kind: 'source-ip' }];
  if (raw.sourceIdentity === true) return [{ kind: 'source-identity' }];
  const cookie = message(raw.cookie);
  return cookie ? [{ kind: 'cookie', cookie: readCookie(cookie, `${path}.cookie`, problems) }] : [];
}

const SAME_SITE: Record<string, CookieConfig['sameSite']> = {
  LAX: 'Lax',
  STRICT: 'Strict',
  UNRESTRICTED: 'None',
};
const SECURE: Record<string, CookieConfig['secure']> = { AUTO: 'auto', ALWAYS: 'always', NEVER: 'never' };

function readCookie(raw: Message, at: string, problems: Problems): CookieConfig {
  const isForeign = raw.foreign === true;
  const written = { name: text(raw.name), path: text(raw.path) || '/', domain: text(raw.domain) };
  checkCookie(written, at, problems);
  return {
    ...written,
    ttlMs: Number(raw.ttlMs ?? 0),
    sameSite: SAME_SITE[text(raw.sameSite)] ?? 'Lax',
    secure: SECURE[text(raw.secure)] ?? 'auto',
    httpOnly: raw.httpOnly === true,
    mint: !isForeign,
    opaque: isForeign,
  };
}
