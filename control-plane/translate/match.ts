import { RE2JS } from 're2js';
import type { MatchSpec, ValueMatchSpec } from '../../src/model/schema.js';
import { segmentPrefixRegex } from '../../src/xds/route-match.js';

/** One alternative of a route's match. */
export function translateMatch(match: MatchSpec | undefined): object {
  return {
    ...translatePath(match?.path),
    headers: [
      ...(match?.method === undefined ? [] : [{ name: ':method', stringMatch: { exact: match.method } }]),
      ...(match?.headers ?? []).map((header) => headerMatcher(header.name, header)),
      ...(match?.cookies ?? []).map((cookie) => listMatcher('cookie', cookie, COOKIE_LIST)),
      ...(match?.query ?? []).map((query) => listMatcher(':path', query, QUERY_LIST)),
    ],
  };
}

function translatePath(path: MatchSpec['path']): object {
  if (path?.exact !== undefined) return { path: path.exact };
  if (path?.regex !== undefined) return { safeRegex: { regex: path.regex } };
  const prefix = path?.prefix?.replace(/\/+$/, '') ?? '';
  if (prefix === '') return { prefix: '/' };
  return { safeRegex: { regex: segmentPrefixRegex(prefix) } };
}

function headerMatcher(name: string, match: ValueMatchSpec): object {
  // An absent header has no value, so "not this value" holds for it; Envoy needs to be told.
  const invert = match.not ? { invertMatch: true } : {};
  if (match.present) return { name, presentMatch: true, ...invert };
  return {
    name,
    stringMatch: stringMatch(match),
    ...invert,
    ...(match.not ? { treatMissingHeaderAsEmpty: true } : {}),
  };
}

function stringMatch({ exact, prefix, suffix, regex }: ValueMatchSpec): object {
  if (exact !== undefined) return { exact };
  if (prefix !== undefined) return { prefix };
  if (suffix !== undefined) return { suffix };
  return { safeRegex: { regex } };
}

/** How a list of name=value pairs is written in a header: what comes before, between and after a pair. */
interface PairList {
  readonly before: string;
  readonly after: string;
  /** One character of a value. */
  readonly value: string;
}

const COOKIE_LIST: PairList = { before: '(?:.*;[ \\t]*)?', after: '(?:;.*)?', value: '[^;]' };
const QUERY_LIST: PairList = { before: '[^?]*\\?(?:.*&)?', after: '(?:&.*)?', value: '[^&]' };

/**
 * A condition on one cookie or query parameter, as a regular expression over the header that holds them all:
 * the standard has no matcher for cookies, and none for parameters that can be negated.
 */
function listMatcher(header: string, match: ValueMatchSpec, list: PairList): object {
  const regex = `${list.before}${RE2JS.quote(match.name)}${pairValue(match, list)}${list.after}`;
  const invert = match.not ? { invertMatch: true, treatMissingHeaderAsEmpty: true } : {};
  return { name: header, stringMatch: { safeRegex: { regex } }, ...invert };
}

function pairValue({ exact, prefix, suffix, regex }: ValueMatchSpec, { value }: PairList): string {
  if (exact !== undefined) return `=${RE2JS.quote(exact)}`;
  if (prefix !== undefined) return `=${RE2JS.quote(prefix)}${value}*`;
  if (suffix !== undefined) return `=${value}*${RE2JS.quote(suffix)}`;
  if (regex !== undefined) return `=(?:${regex})`;
  return `(?:=${value}*)?`;
}
