import { RE2JS } from 're2js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, text, wrappedBool } from './fields.js';

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

export interface QueryMatchConfig {
  readonly name: string;
  readonly match: TextMatch;
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
  readonly query: readonly QueryMatchConfig[];
  /** Share of requests that match, 0 to 1. */
  readonly fraction: number;
}

const KNOWN_MATCH_FIELDS = new Set([
  'prefix',
  'path',
  'safeRegex',
  'pathSeparatedPrefix',
  'caseSensitive',
  'runtimeFraction',
  'headers',
  'queryParameters',
]);

export function readRouteMatch(raw: Message, path: string, problems: Problems): RouteMatchConfig {
  problems.refuseOthers(raw, path, KNOWN_MATCH_FIELDS);
  return Object.freeze({
    path: readPath(raw, path, problems),
    headers: messages(raw.headers).map((header, i) => readHeader(header, `${path}.headers[${i}]`, problems)),
    query: messages(raw.queryParameters).map((query, i) =>
      readQuery(query, `${path}.query_parameters[${i}]`, problems),
    ),
    fraction: readFraction(message(raw.runtimeFraction)?.defaultValue),
  });
}

function readPath(raw: Message, path: string, problems: Problems): PathMatchConfig {
  const ignoreCase = wrappedBool(raw.caseSensitive) === false;
  if (typeof raw.path === 'string') return { kind: 'exact', value: raw.path, ignoreCase };
  if (typeof raw.pathSeparatedPrefix === 'string')
    return { kind: 'segment-prefix', value: raw.pathSeparatedPrefix, ignoreCase };
  if (message(raw.safeRegex)) return readPathRegex(readRegex(raw.safeRegex, `${path}.safe_regex`, problems));
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
function readPathRegex(pattern: string): PathMatchConfig {
  if (pattern.endsWith(OTHER_SEGMENTS)) {
    const value = pattern.slice(0, -OTHER_SEGMENTS.length).replace(/\\(.)/gs, '$1');
    if (segmentPrefixRegex(value) === pattern) return { kind: 'segment-prefix', value, ignoreCase: false };
  }
  return { kind: 'regex', pattern };
}

function readRegex(raw: unknown, path: string, problems: Problems): string {
  const pattern = text(message(raw)?.regex);
  try {
    RE2JS.compile(pattern);
  } catch (cause) {
    problems.add(
      path,
      `is no RE2 regular expression: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
  return pattern;
}

export function readHeader(raw: Message, path: string, problems: Problems): HeaderMatchConfig {
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

function readQuery(raw: Message, path: string, problems: Problems): QueryMatchConfig {
  const stringMatch = message(raw.stringMatch);
  const match: TextMatch = stringMatch
    ? readString(stringMatch, `${path}.string_match`, problems)
    : { kind: 'present', present: raw.presentMatch !== false };
  return { name: text(raw.name), match };
}

function readString(raw: Message, path: string, problems: Problems): TextMatch {
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

export function readFraction(raw: unknown): number {
  const fraction = message(raw);
  if (fraction === undefined) return 1;
  const denominator = FRACTION_DENOMINATOR[text(fraction.denominator) || 'HUNDRED'] ?? 100;
  return Math.min(1, Number(fraction.numerator ?? 0) / denominator);
}
