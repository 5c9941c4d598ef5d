import { RE2JS } from 're2js';
import { urlText } from '../../src/http/byte-text.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import type { MatchSpec, RouteSpec } from '../../src/model/schema.js';
import { packAny } from '../../src/xds/descriptors.js';
import { FAULT_FILTER, FAULT_TYPE } from '../../src/xds/fault.js';
import { toDuration } from '../../src/xds/fields.js';
import { clusterName } from '../../src/xds/resource-names.js';

/** What a route does to requests and responses, in Envoy's fields. */

type Headers = NonNullable<RouteSpec['headers']>['request'];

export function translateHeaders({ headers }: RouteSpec): object {
  return { ...headerChanges('request', headers?.request), ...headerChanges('response', headers?.response) };
}

/** `request_headers_to_add` and its kin, of a route or a health check. */
export function headerChanges(which: 'request' | 'response', changes: Headers): object {
  if (changes === undefined) return {};
  const option =
    (appendAction: string) =>
    ([key, value]: [string, string]) => ({
      // Envoy's values are format strings.
      header: { key, value: value.replaceAll('%', '%%') },
      appendAction,
      keepEmptyValue: value === '',
    });
  return {
    [`${which}HeadersToAdd`]: [
      ...Object.entries(changes.set ?? {}).map(option('OVERWRITE_IF_EXISTS_OR_ADD')),
      ...Object.entries(changes.add ?? {}).map(option('APPEND_IF_EXISTS_OR_ADD')),
    ],
    [`${which}HeadersToRemove`]: changes.remove ?? [],
  };
}

/** Of one alternative of the route's match: a prefix is replaced by what that alternative matches. */
export function translateRewrite({ rewrite }: RouteSpec, match: MatchSpec | undefined): object {
  if (rewrite === undefined) return {};
  const regexRewrite = pathRewrite(rewrite.path, rewrite.prefix, match);
  return {
    ...(rewrite.host === undefined ? {} : { hostRewriteLiteral: rewrite.host }),
    ...(regexRewrite ? { regexRewrite } : {}),
  };
}

function pathRewrite(
  path: string | undefined,
  prefix: string | undefined,
  match: MatchSpec | undefined,
): object | undefined {
  // Anchored: ".*" alone matches once more, at the end.
  if (path !== undefined) return { pattern: { regex: '^.*$' }, substitution: literal(path) };
  if (prefix === undefined) return undefined;
  const matched = RE2JS.quote(urlText(match?.path?.prefix ?? match?.path?.exact ?? '/').replace(/\/+$/, ''));
  const replaced = prefix.replace(/\/+$/, '');
  // What follows the prefix keeps its slash, if there is one; "/" as the new prefix must neither double nor lose it.
  return replaced === ''
    ? { pattern: { regex: `^${matched}(?:/|$)` }, substitution: '/' }
    : { pattern: { regex: `^${matched}(/|$)` }, substitution: `${literal(replaced)}\\1` };
}

/** Backslashes are the substitution's own. */
function literal(text: string): string {
  return text.replaceAll('\\', '\\\\');
}

const REDIRECT_CODES = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
} as const;

export function translateRedirect(
  redirect: NonNullable<RouteSpec['redirect']>,
  match: MatchSpec | undefined,
): object {
  const regexRewrite = pathRewrite(undefined, redirect.prefix, match);
  return {
    ...(redirect.scheme === undefined ? {} : { schemeRedirect: redirect.scheme }),
    ...(redirect.host === undefined ? {} : { hostRedirect: redirect.host }),
    ...(redirect.port === undefined ? {} : { portRedirect: redirect.port }),
    ...(redirect.path === undefined ? {} : { pathRedirect: redirect.path }),
    ...(regexRewrite === undefined ? {} : { regexRewrite }),
    responseCode: REDIRECT_CODES[redirect.status],
  };
}

export function translateMirror({ mirror }: RouteSpec, service: MeshService): object {
  if (mirror === undefined) return {};
  const runtimeFraction = { defaultValue: fraction(mirror.percent) };
  const cluster = clusterName(service, mirror.version);
  // Envoy would ask the copy's receiver for another host than it has: HOST-shadow.
  const policy = { cluster, runtimeFraction, disableShadowHostSuffixAppend: true };
  return { requestMirrorPolicies: [policy] };
}

/** Rides in the route's `typed_per_filter_config`, for the fault filter that listeners carry. */
export function translateFault({ fault }: RouteSpec): object {
  if (fault === undefined) return {};
  const { delay, abort } = fault;
  const message = {
    ...(delay
      ? { delay: { fixedDelay: toDuration(delay.duration), percentage: fraction(delay.percent) } }
      : {}),
    ...(abort ? { abort: { httpStatus: abort.status, percentage: fraction(abort.percent) } } : {}),
  };
  return { [FAULT_FILTER]: packAny(FAULT_TYPE, message) };
}

function fraction(percent: number): object {
  return { numerator: Math.round(percent * 10_000), denominator: 'MILLION' };
}
