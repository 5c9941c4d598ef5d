import { RE2JS } from 're2js';
import { parameterName } from '../http/query.js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, text, wrappedBool } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** How one text is compared. A regular expression matches the whole text. */
export type TextMatch =
  | {
      readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains';
      readonly value: string;
      readonly ignoreCase: boolean;
    }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'range'; readonly start: number; readonly end: number }
  | { readonly kind: 'present'; readonly present: boolean };

export interface HeaderMatchConfig {
  /** Lower case. */
  readonly name: string;
  readonly match: TextMatch;
  readonly invert: boolean;
  /** Compare an absent header as if it were empty; otherwise an absent header never matches. */
  readonly missingAsEmpty: boolean;
}

/** A condition on the first cookie or query parameter of a name. */
export interface PairMatchConfig {
  /** Of a parameter: see `parameterName`. */
  readonly name: string;
  readonly match: TextMatch;
  /** It has to be otherwise; an absent one is. */
  readonly invert: boolean;
}

/** A condition on the first cookie or query parameter of a name. */
export interface PairConditionConfig extends PairMatchConfig {
  readonly kind: 'cookie' | 'query';
}

export type PathMatchConfig =
  | {
      readonly kind: 'exact' | 'prefix' | 'segment-prefix';
      readonly value: string;
      readonly ignoreCase: boolean;
    }
  | { readonly kind: 'regex'; readonly pattern: string };

/** The conditions of one route; all of them must hold. */
export interface RouteMatchConfig {
  readonly path: PathMatchConfig;
  readonly headers: readonly HeaderMatchConfig[];
  readonly query: readonly PairMatchConfig[];
  readonly cookies: readonly PairMatchConfig[];
  /** Share of requests that match, 0 to 1. */
  readonly fraction: number;
}

/** One for all routes without any: there are many. */
const NO_PAIRS: readonly PairMatchConfig[] = [];

/** @param pairs of our payload, which take the place of what says them in standard fields; empty: nothing does */
export function readRouteMatch(
  raw: Message,
  pairs: readonly PairConditionConfig[],
  path: string,
  problems: Problems,
): RouteMatchConfig {
  refuseUnsupported('envoy.config.route.v3.RouteMatch', raw, path, problems);
  const headers = messages(raw.headers);
  if (pairs.length > headers.length)
    problems.add(
      path,
      `has ${headers.length} header matchers, and our payload takes the place of ${pairs.length}`,
    );
  return Object.freeze({
    path: readPath(raw, path, problems),
    headers: headers
      .slice(0, headers.length - pairs.length)
      .map((header, i) => readHeader(header, `${path}.headers[${i}]`, problems)),
    query:
      pairs.length > 0
        ? pairs.filter(({ kind }) => kind === 'query')
        : messages(raw.queryParameters).map((query, i) =>
            readQuery(query, `${path}.query_parameters[${i}]`, problems),
          ),
    cookies: pairs.length > 0 ? pairs.filter(({ kind }) => kind === 'cookie') : NO_PAIRS,
    fraction: readRuntimeFraction(raw.runtimeFraction, `${path}.runtime_fraction`, problems),
  });
}

function readPath(raw: Message, path: string, problems: Problems): PathMatchConfig {
  const ignoreCase = wrappedBool(raw.caseSensitive) === false;
  if (typeof raw.path === 'string') return { kind: 'exact', value: raw.path, ignoreCase };
  if (typeof raw.pathSeparatedPrefix === 'string')
    return { kind: 'segment-prefix', value: raw.pathSeparatedPrefix, ignoreCase };
  if (message(raw.safeRegex)) return readPathRegex(raw.safeRegex, `${path}.safe_regex`, problems);
  if (typeof raw.prefix === 'string') return { kind: 'prefix', value: raw.prefix, ignoreCase };
  problems.add(path, 'needs one of prefix, path, safe_regex and path_separated_prefix');
  return { kind: 'prefix', value: '/', ignoreCase };
}

/** Behind a quoted prefix: the rest of the path, if any, starts a new segment. */
const OTHER_SEGMENTS = '(?:/.*)?';

/**
 * `path_separated_prefix` as a regular expression, for clients that do not know it: gRPC's refuse a whole route
 * table over it.
 *
 * @param prefix without a slash at its end
 */
export function segmentPrefixRegex(prefix: string): string {
  return `${RE2JS.quote(prefix)}${OTHER_SEGMENTS}`;
}

/** A regular expression costs microseconds, a prefix nanoseconds: what {@link segmentPrefixRegex} wrote is read back. */
function readPathRegex(raw: unknown, path: string, problems: Problems): PathMatchConfig {
  const pattern = text(message(raw)?.regex);
  if (pattern.endsWith(OTHER_SEGMENTS)) {
    const value = pattern.slice(0, -OTHER_SEGMENTS.length).replace(/\\(.)/gs, '$1');
    if (segmentPrefixRegex(value) === pattern) return { kind: 'segment-prefix', value, ignoreCase: false };
  }
  return { kind: 'regex', pattern: readRegex(raw, path, problems) };
}

function readRegex(raw: unknown, path: string, problems: Problems): string {
  const matcher = message(raw) ?? {};
  refuseUnsupported('envoy.type.matcher.v3.RegexMatcher', matcher, path, problems);
  const pattern = text(matcher.regex);
  problems.checkRegex(pattern, path);
  return pattern;
}

export function readHeader(raw: Message, path: string, problems: Problems): HeaderMatchConfig {
  refuseUnsupported('envoy.config.route.v3.HeaderMatcher', raw, path, problems);
  const name = text(raw.name).toLowerCase();
  if (name === '') problems.add(`${path}.name`, 'is empty');
  return {
    name,
    match: readHeaderValue(raw, path, problems),
    invert: raw.invertMatch === true,
    missingAsEmpty: raw.treatMissingHeaderAsEmpty === true,
  };
}

/** Envoy's current `string_match` and the older fields that gRPC control planes still send. */
function readHeaderValue(raw: Message, path: string, problems: Problems): TextMatch {
  const stringMatch = message(raw.stringMatch);
  if (stringMatch) return readString(stringMatch, `${path}.string_match`, problems);
  const older = {
    exactMatch: 'exact',
    prefixMatch: 'prefix',
    suffixMatch: 'suffix',
    containsMatch: 'contains',
  } as const;
  for (const [field, kind] of Object.entries(older)) {
    if (typeof raw[field] === 'string') return { kind, value: raw[field], ignoreCase: false };
  }
  if (message(raw.safeRegexMatch))
    return { kind: 'regex', pattern: readRegex(raw.safeRegexMatch, `${path}.safe_regex_match`, problems) };
  const range = message(raw.rangeMatch);
  if (range) return { kind: 'range', start: Number(range.start ?? 0), end: Number(range.end ?? 0) };
  return { kind: 'present', present: raw.presentMatch !== false };
}

function readQuery(raw: Message, path: string, problems: Problems): PairMatchConfig {
  refuseUnsupported('envoy.config.route.v3.QueryParameterMatcher', raw, path, problems);
  const stringMatch = message(raw.stringMatch);
  const match: TextMatch = stringMatch
    ? readString(stringMatch, `${path}.string_match`, problems)
    : { kind: 'present', present: raw.presentMatch !== false };
  return { name: parameterName(text(raw.name)), match, invert: false };
}

function readString(raw: Message, path: string, problems: Problems): TextMatch {
  refuseUnsupported('envoy.type.matcher.v3.StringMatcher', raw, path, problems);
  const ignoreCase = raw.ignoreCase === true;
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    if (typeof raw[kind] === 'string') return { kind, value: raw[kind], ignoreCase };
  }
  if (message(raw.safeRegex))
    return { kind: 'regex', pattern: readRegex(raw.safeRegex, `${path}.safe_regex`, problems) };
  problems.add(path, 'needs one of exact, prefix, suffix, contains and safe_regex');
  return { kind: 'exact', value: '', ignoreCase };
}

const FRACTION_DENOMINATOR: Record<string, number> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** A `RuntimeFractionalPercent`; absent, it is everything. */
export function readRuntimeFraction(raw: unknown, path: string, problems: Problems): number {
  const runtime = message(raw);
  if (runtime === undefined) return 1;
  refuseUnsupported('envoy.config.core.v3.RuntimeFractionalPercent', runtime, path, problems);
  return readFraction(runtime.defaultValue);
}

/** A `FractionalPercent`, as 0 to 1; absent, it is 0, as with Envoy. */
export function readFraction(raw: unknown): number {
  const fraction = message(raw) ?? {};
  const denominator = FRACTION_DENOMINATOR[text(fraction.denominator) || 'HUNDRED'] ?? 100;
  return Math.min(1, Number(fraction.numerator ?? 0) / denominator);
}
