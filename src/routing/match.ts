import { RE2JS } from 're2js';
import { headerName } from '../http/header-name.js';
import { readParameter } from '../http/query.js';
import type {
  HeaderMatchConfig,
  PathMatchConfig,
  QueryMatchConfig,
  RouteMatchConfig,
  TextMatch,
} from '../xds/route-match.js';
import type { RequestView } from './request-view.js';

/**
 * A condition compiled when configuration arrives.
 *
 * @param random a number in [0, 1) of this request, for conditions that hold for a share of requests.
 */
export type Condition = (request: RequestView, random: () => number) => boolean;

/** Compiles a route's match. Undefined: it holds for every request. */
export function compileMatch(config: RouteMatchConfig): Condition | undefined {
  const conditions: Condition[] = [];
  if (!matchesEveryPath(config.path)) conditions.push(compilePath(config.path));
  for (const header of config.headers) conditions.push(compileHeader(header));
  for (const query of config.query) conditions.push(compileQuery(query));
  if (config.fraction < 1) conditions.push((_, random) => random() < config.fraction);
  return conditions.length === 0 ? undefined : conditions.reduce(both);
}

/** The plain forms below are what most routes have: each closure less is one less to fetch from memory. */
function both(first: Condition, second: Condition): Condition {
  return (request, random) => first(request, random) && second(request, random);
}

export function matchesEveryPath(path: PathMatchConfig): boolean {
  return path.kind === 'prefix' && (path.value === '/' || path.value === '');
}

function compilePath(config: PathMatchConfig): Condition {
  if (config.kind === 'regex') {
    const regex = RE2JS.compile(config.pattern);
    return ({ path }) => regex.testExact(path);
  }
  const value = config.ignoreCase ? config.value.toLowerCase() : config.value;
  const compare = PATH_COMPARISONS[config.kind];
  if (config.ignoreCase) return ({ path }) => compare(path.toLowerCase(), value);
  return ({ path }) => compare(path, value);
}

const PATH_COMPARISONS = {
  exact: (path: string, wanted: string) => path === wanted,
  prefix: (path: string, wanted: string) => path.startsWith(wanted),
  'segment-prefix': (path: string, wanted: string) =>
    path.startsWith(wanted) && (path.length === wanted.length || path.charCodeAt(wanted.length) === SLASH),
};
export const SLASH = 0x2f;

/** Pseudo-headers that header conditions may name. */
const METHOD = ':method';
const AUTHORITY = ':authority';
const PATH = ':path';

function compileHeader(config: HeaderMatchConfig): Condition {
  const { invert, missingAsEmpty, match } = config;
  if (match.kind === 'exact' && !match.ignoreCase && !invert && !missingAsEmpty && !isPseudo(config.name)) {
    const [name, wanted] = [headerName(config.name), match.value];
    return (request) => request.header(name) === wanted;
  }
  const read = headerReader(config.name);
  if (match.kind === 'present') {
    const wanted = match.present !== invert;
    return (request) => (read(request) !== undefined) === wanted;
  }
  const matches = compileText(match);
  return (request) => {
    const value = read(request) ?? (missingAsEmpty ? '' : undefined);
    // Envoy: a condition on the value of a header that is not there does not hold, inverted or not.
    return value !== undefined && matches(value) !== invert;
  };
}

const HOST = headerName('host');
const isPseudo = (name: string) => name.startsWith(':');

function headerReader(name: string): (request: RequestView) => string | undefined {
  if (name === METHOD) return (request) => request.method;
  if (name === PATH) return ({ path, query }) => (query === '' ? path : `${path}?${query}`);
  const prepared = name === AUTHORITY ? HOST : headerName(name);
  return (request) => request.header(prepared);
}

function compileQuery(config: QueryMatchConfig): Condition {
  const { name } = config;
  if (config.match.kind === 'present') {
    const wanted = config.match.present;
    return ({ query }) => (readParameter(query, name) !== undefined) === wanted;
  }
  const matches = compileText(config.match);
  return ({ query }) => {
    const value = readParameter(query, name);
    return value !== undefined && matches(value);
  };
}

/** Compiles a comparison of one text. */
export function compileText(config: Exclude<TextMatch, { kind: 'present' }>): (value: string) => boolean {
  if (config.kind === 'regex') {
    const regex = RE2JS.compile(config.pattern);
    return (value) => regex.testExact(value);
  }
  if (config.kind === 'range') {
    return (value) => /^[+-]?\d+$/.test(value) && Number(value) >= config.start && Number(value) < config.end;
  }
  const wanted = config.ignoreCase ? config.value.toLowerCase() : config.value;
  const compare = COMPARISONS[config.kind];
  return config.ignoreCase
    ? (value) => compare(value.toLowerCase(), wanted)
    : (value) => compare(value, wanted);
}

const COMPARISONS = {
  exact: (value: string, wanted: string) => value === wanted,
  prefix: (value: string, wanted: string) => value.startsWith(wanted),
  suffix: (value: string, wanted: string) => value.endsWith(wanted),
  contains: (value: string, wanted: string) => value.includes(wanted),
};
