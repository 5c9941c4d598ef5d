import { RE2JS } from 're2js';
import { lowerAscii, upperEscapes, utf8Bytes, utf8Text } from '../http/byte-text.js';
import { readCookie } from '../http/cookies.js';
import { headerName } from '../http/header-name.js';
import { readParameter } from '../http/query.js';
import type {
  HeaderMatchConfig,
  PairMatchConfig,
  PathMatchConfig,
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
  for (const query of config.query) conditions.push(compileParameter(query));
  for (const cookie of config.cookies) conditions.push(compilePair(cookie, cookieReader(cookie)));
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
  const written = utf8Bytes(config.value);
  const compare = PATH_COMPARISONS[config.kind];
  if (config.ignoreCase) {
    const lower = lowerAscii(written);
    return ({ path }) => compare(lowerAscii(path), lower);
  }
  if (!written.includes('%')) return ({ path }) => compare(path, written);
  const value = upperEscapes(written);
  return ({ path }) => compare(upperEscapes(path), value);
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
    const [name, wanted] = [headerName(config.name), utf8Bytes(match.value)];
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
const COOKIE = headerName('cookie');
const isPseudo = (name: string) => name.startsWith(':');

function headerReader(name: string): (request: RequestView) => string | undefined {
  if (name === METHOD) return (request) => request.method;
  if (name === PATH) return ({ path, query }) => (query === '' ? path : `${path}?${query}`);
  const prepared = name === AUTHORITY ? HOST : headerName(name);
  return (request) => request.header(prepared);
}

type ValueReader = (request: RequestView) => string | undefined;

function cookieReader({ name }: PairMatchConfig): ValueReader {
  return (request) => {
    const header = request.header(COOKIE);
    return header === undefined ? undefined : readCookie(header, name);
  };
}

/** A value with percent-encoding has several spellings; where it is asked for, both are taken in one of them. */
function compileParameter({ name, match, invert }: PairMatchConfig): Condition {
  const plain: ValueReader = ({ query }) => readParameter(query, name);
  if (!('value' in match) || !match.value.includes('%')) return compilePair({ match, invert }, plain);
  const wanted = upperEscapes(match.value);
  const spelt = (value: string) =>
    upperEscapes(wanted.includes('%20') ? value.replaceAll('+', '%20') : value);
  return compilePair({ match: { ...match, value: wanted }, invert }, (request) => {
    const value = plain(request);
    return value === undefined ? undefined : spelt(value);
  });
}

function compilePair({ match, invert }: Omit<PairMatchConfig, 'name'>, read: ValueReader): Condition {
  if (match.kind === 'present') {
    const wanted = match.present !== invert;
    return (request) => (read(request) !== undefined) === wanted;
  }
  const matches = compileText(match);
  return (request) => {
    const value = read(request);
    return (value !== undefined && matches(value)) !== invert;
  };
}

/** Compiles a comparison of a byte string with a text: by its bytes, and by a regular expression as text. */
export function compileText(config: Exclude<TextMatch, { kind: 'present' }>): (value: string) => boolean {
  if (config.kind === 'regex') {
    const regex = RE2JS.compile(config.pattern);
    return (value) => regex.testExact(utf8Text(value));
  }
  if (config.kind === 'range') {
    return (value) => /^[+-]?\d+$/.test(value) && Number(value) >= config.start && Number(value) < config.end;
  }
  const written = utf8Bytes(config.value);
  const compare = COMPARISONS[config.kind];
  if (!config.ignoreCase) return (value) => compare(value, written);
  const lower = lowerAscii(written);
  return (value) => compare(lowerAscii(value), lower);
}

const COMPARISONS = {
  exact: (value: string, wanted: string) => value === wanted,
  prefix: (value: string, wanted: string) => value.startsWith(wanted),
  suffix: (value: string, wanted: string) => value.endsWith(wanted),
  contains: (value: string, wanted: string) => value.includes(wanted),
};
