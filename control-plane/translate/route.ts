import protobuf from 'protobufjs/light.js';
import { urlText } from '../../src/http/byte-text.js';
import { IDEMPOTENT_METHODS } from '../../src/http/methods.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import {
  GRPC_RETRY_CONDITIONS,
  type KeySourceSpec,
  type MatchSpec,
  type RetrySpec,
  type RouteSpec,
  type SplitEntry,
} from '../../src/model/schema.js';
import { toSlots } from '../../src/routing/split.js';
import { codec } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { clusterName } from '../../src/xds/resource-names.js';
import {
  translateFault,
  translateHeaders,
  translateMirror,
  translateRedirect,
  translateRewrite,
} from './changes.js';
import { translateMatch } from './match.js';
import { routePolicy, servicePolicy, type TranslateContext } from './policy.js';
import { translateStatefulSession } from './stateful-session-filter.js';

const VIRTUAL_HOST = codec('envoy.config.route.v3.VirtualHost');
const ROUTE_CONFIGURATION = codec('envoy.config.route.v3.RouteConfiguration');

/** What a service's virtual host has for every caller: all but its domains. Encoded. */
export function translateRoutes(service: MeshService, context: TranslateContext): Buffer {
  return VIRTUAL_HOST.encode({
    routes: service.spec.routes.flatMap((route) => translateRoute(route, service)),
    typedPerFilterConfig: { ...servicePolicy(service, context), ...translateStatefulSession(service) },
  });
}

/**
 * The route configuration of one service, with a single virtual host. Messages written one after the other read as
 * one (protobuf encoding, "Last One Wins"), so that callers who differ by domains cost no second translation.
 *
 * @param routes as {@link translateRoutes} gives them
 */
export function encodeRouteConfiguration(name: string, domains: readonly string[], routes: Buffer): Buffer {
  const host = Buffer.concat([VIRTUAL_HOST.encode({ name, domains }), routes]);
  const virtualHosts = protobuf.Writer.create().uint32(VIRTUAL_HOSTS_TAG).bytes(host).finish();
  return Buffer.concat([ROUTE_CONFIGURATION.encode({ name }), virtualHosts]);
}

/** `RouteConfiguration.virtual_hosts`, field 2, length-delimited. */
const VIRTUAL_HOSTS_TAG = (2 << 3) | 2;

/** Alternatives of a match become routes of their own, one after the other, under the same name. */
function translateRoute(route: RouteSpec, service: MeshService): object[] {
  const alternatives = route.match ?? [undefined];
  return alternatives.map((match) => ({
    name: route.name,
    match: translateMatch(match),
    ...translateHeaders(route),
    ...(route.redirect
      ? { redirect: translateRedirect(route.redirect, match) }
      : { route: translateAction(route, service, match) }),
    typedPerFilterConfig: { ...routePolicy(route, match), ...translateFault(route) },
  }));
}

function translateAction(route: RouteSpec, service: MeshService, match: MatchSpec | undefined): object {
  const { timeouts, affinity } = service.spec;
  const idleMs = route.idleTimeout ?? timeouts?.idle;
  return {
    ...translateSplit(route.split ?? [], service),
    ...translateRewrite(route, match),
    ...translateMirror(route, service),
    hashPolicy: (affinity?.key ?? []).flatMap(translateHashPolicy),
    timeout: toDuration(requestTimeoutMs(route, service)),
    ...(idleMs === undefined ? {} : { idleTimeout: toDuration(idleMs) }),
    ...translateRetries(route.retries),
  };
}

/** 0: none. */
export function requestTimeoutMs({ timeout }: RouteSpec, { spec }: MeshService): number {
  return timeout ?? spec.timeouts?.request ?? 0;
}

/** Weights always sum to the same total, so that clients without our payload hash to the same slots. */
function translateSplit(split: readonly SplitEntry[], service: MeshService): object {
  const [first] = split;
  if (split.length === 1 && first) return { cluster: clusterName(service, first.version) };
  const slots = toSlots(split.map(({ weight }) => weight));
  const sticky = service.spec.affinity !== undefined && service.spec.affinity.version !== 'none';
  return {
    weightedClusters: {
      clusters: split.map(({ version }, i) => ({
        name: clusterName(service, version),
        weight: { value: slots[i] },
      })),
      totalWeight: { value: slots.reduce((sum, n) => sum + n, 0) },
      ...(sticky ? { useHashPolicy: { value: true } } : {}),
    },
  };
}

/** As much of a key source as Envoy's fields hold. Each is terminal: the first that the request has is the key. */
function translateHashPolicy(key: KeySourceSpec): object[] {
  if (key.header !== undefined) return [{ header: { headerName: key.header }, terminal: true }];
  if (key.query !== undefined) return [{ queryParameter: { name: urlText(key.query) }, terminal: true }];
  if (key.source === 'ip') return [{ connectionProperties: { sourceIp: true }, terminal: true }];
  if (key.cookie === undefined) return [];
  const { name, path, ttl, mint } = key.cookie;
  // Envoy makes a cookie where there is a ttl, and only there.
  if (!mint) return [{ cookie: { name }, terminal: true }];
  const attributes = translateCookieAttributes(key.cookie);
  return [{ cookie: { name, path, ttl: toDuration(ttl ?? 0), attributes }, terminal: true }];
}

/** Envoy adds HttpOnly to every cookie that it makes, and cannot tell by itself whether Secure is due. */
function translateCookieAttributes({
  domain,
  sameSite,
  secure,
}: NonNullable<KeySourceSpec['cookie']>): object[] {
  return [
    ...(domain === undefined ? [] : [{ name: 'Domain', value: domain }]),
    { name: 'SameSite', value: sameSite },
    ...(secure === true ? [{ name: 'Secure' }] : []),
  ];
}

/** Every call of gRPC is a POST: a route that retries its statuses means those. */
function defaultMethods(on: RetrySpec['on']): Iterable<string> {
  const grpc: readonly string[] = GRPC_RETRY_CONDITIONS;
  return on.some((condition) => grpc.includes(condition))
    ? [...IDEMPOTENT_METHODS, 'POST']
    : IDEMPOTENT_METHODS;
}

/** What every route retries unless it says otherwise: a connection that was never made carried nothing. */
const DEFAULT_RETRIES: RetrySpec = { attempts: 2, on: ['connect-failure'] };

function translateRetries(spec: RetrySpec = DEFAULT_RETRIES): object {
  // A try may be bounded although there is only one.
  if (spec.attempts === 0 && spec.perTryTimeout === undefined) return {};
  const statuses = spec.on.filter((condition) => /^\d+$/.test(condition)).map(Number);
  const words = spec.on.filter((condition) => !/^\d+$/.test(condition));
  if (statuses.length > 0) words.push('retriable-status-codes');
  return {
    retryPolicy: {
      retryOn: words.join(','),
      retriableStatusCodes: statuses,
      ...retriableMethods(spec),
      numRetries: { value: spec.attempts },
      ...(spec.perTryTimeout === undefined ? {} : { perTryTimeout: toDuration(spec.perTryTimeout) }),
    },
  };
}

/**
 * Said outright, since Envoy repeats any request unless it is told which. Not where only connections that were never
 * made are retried: that is right for every method.
 */
function retriableMethods({ on, methods }: RetrySpec): object {
  if (methods === undefined && on.every((condition) => condition === 'connect-failure')) return {};
  return {
    retriableRequestHeaders: [...(methods ?? defaultMethods(on))].map((exact) => ({
      name: ':method',
      stringMatch: { exact },
    })),
  };
}
