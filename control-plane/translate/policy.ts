import { createHmac } from 'node:crypto';
import type { Grant } from '../../src/model/grant.js';
import { type MeshService, serviceKey } from '../../src/model/mesh-service.js';
import { AUTO_SALT, saltOf } from '../../src/model/rollout.js';
import type { AffinitySpec, KeySourceSpec, MatchSpec, RouteSpec } from '../../src/model/schema.js';
import { packAny } from '../../src/xds/descriptors.js';
import {
  FILTER_CONFIG_TYPE,
  ROUTE_POLICY_KEY,
  ROUTE_POLICY_TYPE,
  SERVICE_POLICY_KEY,
  SERVICE_POLICY_TYPE,
} from '../../src/xds/policy.js';
import { clusterName } from '../../src/xds/resource-names.js';
import type { AssignedEndpoint } from '../endpoints/live-endpoint.js';
import { translatePairs } from './match.js';

/** What translation needs beyond the resource itself. */
export interface TranslateContext {
  /** The mesh's secret; never leaves the control plane as it is. */
  readonly pinSecret: Buffer;
  /** Tells a release from a later one of the same name. */
  incarnation(service: MeshService, release: string): string;
  /** The revision at which the rollout that is under way began, see `rolloutAfter`. Absent: none is known. */
  rollout?(service: MeshService): number | undefined;
  /** What is approved of what a service claims; undefined: everything. */
  grantOf?(service: MeshService): Grant | undefined;
  /** The live endpoints of a release that lists none; absent: no source follows any. */
  endpointsOf?(service: MeshService, release: string): readonly AssignedEndpoint[];
}

/** `typed_per_filter_config` of a service's virtual host. */
export function servicePolicy(service: MeshService, context: TranslateContext): object {
  const { name, namespace, spec } = service;
  return optional(SERVICE_POLICY_KEY, SERVICE_POLICY_TYPE, {
    name,
    namespace,
    stable: spec.stable,
    ...(spec.protocol === 'tcp' ? { opaque: true } : {}),
    releases: spec.versions.map((version) => ({
      name: version.name,
      cluster: clusterName(service, version.name),
      incarnation: context.incarnation(service, version.name),
      lane: version.lane ?? '',
    })),
    ...(spec.affinity
      ? {
          affinity: translateAffinity(spec.affinity, saltOf(service, context.rollout?.(service))),
          pinSecret: serviceSecret(service, context.pinSecret),
        }
      : {}),
  });
}

/** A secret of the service's own: who is sent this service's configuration can make no pins of another's. */
export function serviceSecret(service: MeshService, pinSecret: Buffer): Buffer {
  return createHmac('sha256', pinSecret)
    .update(`pins\0${serviceKey(service)}`)
    .digest();
}

/**
 * `typed_per_filter_config` of one alternative of a route's match; empty where the standard fields say everything.
 */
export function routePolicy(route: RouteSpec, match: MatchSpec | undefined): object {
  const pairs = translatePairs(match);
  if (route.pin && pairs.length === 0) return {};
  return optional(ROUTE_POLICY_KEY, ROUTE_POLICY_TYPE, {
    ...(route.pin ? {} : { noPin: true }),
    pairs,
  });
}

/** Marked optional, so that clients without our extension skip it instead of refusing the resource. */
function optional(key: string, typeName: string, message: object): object {
  return { [key]: packAny(FILTER_CONFIG_TYPE, { isOptional: true, config: packAny(typeName, message) }) };
}

function translateAffinity(affinity: AffinitySpec, salt: string): object {
  return {
    key: affinity.key.map(translateKeySource),
    version: affinity.version.toUpperCase(),
    endpoint: affinity.endpoint.toUpperCase(),
    sessionFirst: affinity.precedence === 'session',
    scope: affinity.scope.toUpperCase(),
    salt,
    saltReleaseOnly: affinity.salt === AUTO_SALT,
    ttlMs: affinity.ttl,
    failoverAny: affinity.failover === 'any',
    failoverRepinMs: affinity.failoverRepin,
    ignoreLanes: affinity.lanes === 'ignore',
  };
}

const SAME_SITE = { Lax: 'LAX', Strict: 'STRICT', None: 'UNRESTRICTED' } as const;

function translateKeySource(key: KeySourceSpec): object {
  if (key.cookie === undefined) {
    if (key.source !== undefined) return key.source === 'ip' ? { sourceIp: true } : { sourceIdentity: true };
    return key;
  }
  const { name, path, domain, ttl, sameSite, secure, httpOnly, mint } = key.cookie;
  if (!mint) return { cookie: { name, foreign: true } };
  return {
    cookie: {
      name,
      path,
      domain: domain ?? '',
      ttlMs: ttl ?? 0,
      sameSite: SAME_SITE[sameSite],
      secure: secure === 'auto' ? 'AUTO' : secure ? 'ALWAYS' : 'NEVER',
      httpOnly,
    },
  };
}
