import { normalAuthority } from '../http/authority.js';
import { field, list } from './document-fields.js';
import type { Path, Problem } from './problems.js';

/**
 * What one field demands of another. These run on the document as the user wrote it, valid or not, so that
 * a wrong name is reported together with everything that the schema finds, in one go.
 */
export function crossCheck(input: unknown): Problem[] {
  const spec = field(input, 'spec');
  const versions = list(field(spec, 'versions'));
  const routes = list(field(spec, 'routes'));
  const names = namesOf(versions);
  return [
    ...halfCharacters(input, []),
    ...duplicates(versions, ['spec', 'versions'], 'version'),
    ...duplicates(routes, ['spec', 'routes'], 'route'),
    ...duplicateEndpoints(versions),
    ...stableIsKnown(spec, names),
    ...checksByGrpc(spec),
    ...routes.flatMap((route, index) => checkRoute(route, index, names)),
    ...unreachableRoutes(routes),
    ...(field(spec, 'protocol') === 'tcp' ? onlyForHttp(spec, routes) : []),
    ...list(field(field(spec, 'affinity'), 'key')).flatMap(besideForeignCookie),
  ];
}

/** What a route may say of connections that are carried as they are. */
const OF_TCP_ROUTES = new Set(['name', 'split', 'pin', 'idleTimeout']);

/** `protocol: tcp`: nothing looks into the bytes, so that whatever speaks of requests would do nothing. */
function onlyForHttp(spec: unknown, routes: readonly unknown[]): Problem[] {
  const message = 'needs HTTP, and protocol is tcp; remove it, or change protocol';
  const ofRoutes = routes.flatMap((route, i) =>
    keysOf(route)
      .filter((key) => !OF_TCP_ROUTES.has(key))
      .map((key) => ({ path: ['spec', 'routes', i, key], message })),
  );
  const ofKeys = list(field(field(spec, 'affinity'), 'key')).flatMap((source, i) =>
    field(source, 'source') === 'ip'
      ? []
      : [
          {
            path: ['spec', 'affinity', 'key', i],
            message: 'needs HTTP, and protocol is tcp; use source: ip',
          },
        ],
  );
  const ofHealth =
    field(field(spec, 'health'), 'path') === undefined ? [] : [{ path: ['spec', 'health', 'path'], message }];
  return [...ofRoutes, ...ofKeys, ...ofHealth];
}

function keysOf(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}

const OVER_HTTP2: readonly unknown[] = ['grpc', 'http2'];

/** Envoy refuses a cluster of HTTP/1.1 that is to be checked by gRPC. */
function checksByGrpc(spec: unknown): Problem[] {
  const isChecked = field(field(spec, 'health'), 'grpc') !== undefined;
  if (!isChecked || OVER_HTTP2.includes(field(spec, 'protocol'))) return [];
  return [{ path: ['spec', 'health', 'grpc'], message: 'needs "protocol: grpc" or "protocol: http2"' }];
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Half of a character, such as "\ud83d", which UTF-8 has no bytes for: clients would refuse the whole message. */
function halfCharacters(value: unknown, path: Path): Problem[] {
  if (typeof value === 'string')
    return LONE_SURROGATE.test(value)
      ? [{ path, message: 'has half of a character (a lone surrogate)' }]
      : [];
  if (Array.isArray(value)) return value.flatMap((item, i) => halfCharacters(item, [...path, i]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...halfCharacters(key, path),
    ...halfCharacters(inner, [...path, key]),
  ]);
}

/** The names of a service's versions, for looking up and for telling. */
interface VersionNames {
  readonly known: ReadonlySet<string>;
  readonly first: string;
  readonly list: string;
}

/** A message names so many. */
const MAX_NAMED = 20;

function namesOf(versions: readonly unknown[]): VersionNames {
  const names = versions.map((version) => field(version, 'name')).filter((name) => typeof name === 'string');
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  const list = `${names.slice(0, MAX_NAMED).join(', ')}${more}` || 'none';
  return { known: new Set(names), first: names[0] ?? 'v1', list };
}

function checkRoute(route: unknown, index: number, versions: VersionNames): Problem[] {
  const path = ['spec', 'routes', index];
  const split = field(route, 'split');
  const answersItself = field(route, 'redirect') !== undefined;
  if (split === undefined && !answersItself && route !== undefined) {
    return [
      {
        path: [...path, 'split'],
        message: `is required: a list such as - { version: ${versions.first}, weight: 1 }`,
      },
    ];
  }
  const entries = list(split);
  const problems: Problem[] = entries.flatMap((entry, at) =>
    unknownVersion(field(entry, 'version'), [...path, 'split', at, 'version'], versions),
  );
  const seen = new Set<unknown>();
  entries.forEach((entry, at) => {
    const name = field(entry, 'version');
    if (typeof name === 'string' && seen.has(name)) {
      problems.push({
        path: [...path, 'split', at, 'version'],
        message: `lists ${JSON.stringify(name)} again; give each version one weight`,
      });
    }
    seen.add(name);
  });
  const weights = entries.map((entry) => field(entry, 'weight'));
  if (weights.length > 0 && weights.every((weight) => weight === 0)) {
    problems.push({
      path: [...path, 'split'],
      message: 'has only weights of 0; at least one version needs a weight above 0',
    });
  }
  const mirror = field(field(route, 'mirror'), 'version');
  problems.push(...unknownVersion(mirror, [...path, 'mirror', 'version'], versions));
  return [...problems, ...besideRedirect(route, path), ...prefixWithoutOne(route, path)];
}

/** A redirected request goes nowhere: what says where, or how, would be ignored. */
function besideRedirect(route: unknown, path: (string | number)[]): Problem[] {
  if (field(route, 'redirect') === undefined) return [];
  const idle = ['split', 'pin', 'timeout', 'idleTimeout', 'retries', 'rewrite', 'mirror'].map((name) => [
    name,
  ]);
  return [...idle, ['headers', 'request']]
    .filter((steps) => steps.reduce(field, route) !== undefined)
    .map((steps) => ({
      path: [...path, ...steps],
      message: 'means nothing beside "redirect": the request goes nowhere',
    }));
}

/** A new prefix stands in the place of the one that matched. */
function prefixWithoutOne(route: unknown, path: (string | number)[]): Problem[] {
  const byRegex = list(field(route, 'match')).some(
    (match) => field(field(match, 'path'), 'regex') !== undefined,
  );
  if (!byRegex) return [];
  return ['rewrite', 'redirect']
    .filter((action) => field(field(route, action), 'prefix') !== undefined)
    .map((action) => ({
      path: [...path, action, 'prefix'],
      message: 'replaces what "path.prefix" or "path.exact" matched; this route matches a path by regex',
    }));
}

const COOKIE_ATTRIBUTES = ['path', 'domain', 'ttl', 'sameSite', 'secure', 'httpOnly'];

/** A cookie that only its app sets has the attributes that the app gives it. */
function besideForeignCookie(source: unknown, index: number): Problem[] {
  const cookie = field(source, 'cookie');
  if (field(cookie, 'mint') !== false) return [];
  return COOKIE_ATTRIBUTES.filter((name) => field(cookie, name) !== undefined).map((name) => ({
    path: ['spec', 'affinity', 'key', index, 'cookie', name],
    message: 'means nothing beside "mint: false": the app sets the cookie, and its attributes',
  }));
}

function unknownVersion(name: unknown, path: (string | number)[], versions: VersionNames): Problem[] {
  if (typeof name !== 'string' || versions.known.has(name)) return [];
  return [
    {
      path,
      message: `${JSON.stringify(name)} is not a version of this service; it has ${versions.list}`,
    },
  ];
}

function stableIsKnown(spec: unknown, versions: VersionNames): Problem[] {
  return unknownVersion(field(spec, 'stable'), ['spec', 'stable'], versions);
}

function duplicates(items: readonly unknown[], path: (string | number)[], what: string): Problem[] {
  const seen = new Map<string, number>();
  return items.flatMap((item, index) => {
    const name = field(item, 'name');
    if (typeof name !== 'string') return [];
    const first = seen.get(name);
    seen.set(name, first ?? index);
    if (first === undefined) return [];
    return [
      {
        path: [...path, index, 'name'],
        message: `${JSON.stringify(name)} names a ${what} already (${path.at(-1)}[${first}]); names are unique`,
      },
    ];
  });
}

/** One address in two releases would make "the release that an endpoint belongs to" ambiguous. */
function duplicateEndpoints(versions: readonly unknown[]): Problem[] {
  const seen = new Map<string, string>();
  return versions.flatMap((version, v) =>
    list(field(version, 'endpoints')).flatMap((endpoint, e) => {
      const address = field(endpoint, 'address');
      if (typeof address !== 'string') return [];
      const canonical = normalAuthority(address) ?? address;
      const first = seen.get(canonical);
      seen.set(canonical, first ?? `versions[${v}].endpoints[${e}]`);
      if (first === undefined) return [];
      return [
        {
          path: ['spec', 'versions', v, 'endpoints', e, 'address'],
          message: `${JSON.stringify(address)} is listed already (${first}); an endpoint belongs to one version`,
        },
      ];
    }),
  );
}

function unreachableRoutes(routes: readonly unknown[]): Problem[] {
  const catchAll = routes.findIndex(
    (route) => field(route, 'match') === undefined && field(route, 'name') !== undefined,
  );
  if (catchAll === -1) return [];
  return routes.slice(catchAll + 1).map((_, offset) => ({
    path: ['spec', 'routes', catchAll + 1 + offset],
    message: `is never reached: routes[${catchAll}] has no "match", so it takes every request; put it last`,
  }));
}
