import { urlText } from '../../src/http/byte-text.js';
import type { MatchSpec, ValueMatchSpec } from '../../src/model/schema.js';
import { segmentPrefixRegex } from '../../src/xds/route-match.js';
import { COOKIE_LIST, pairRegex, QUERY_LIST } from './pair-regex.js';

/** One alternative of a route's match. */
export function translateMatch(match: MatchSpec | undefined): object {
  return {
    ...translatePath(match?.path),
    headers: [
      ...(match?.method === undefined ? [] : [{ name: ':method', stringMatch: { exact: match.method } }]),
      ...(match?.headers ?? []).map((header) => headerMatcher(header.name, header)),
      // The last ones: our payload says them exactly, see `translatePairs`.
      ...(match?.cookies ?? []).map((cookie) =>
        regexMatcher('cookie', cookie, pairRegex(cookie.name, cookie, COOKIE_LIST)),
      ),
      ...(match?.query ?? [])
        .map(asInUrl)
        .map((query) => regexMatcher(':path', query, pairRegex(query.name, query, QUERY_LIST))),
    ],
    queryParameters: (match?.query ?? [])
      .filter(({ not }) => !not)
      .map(asInUrl)
      .map(queryMatcher),
  };
}

/** The conditions on cookies and query parameters, as our payload has them. */
export function translatePairs(match: MatchSpec | undefined): object[] {
  const pair = (
    kind: 'cookie' | 'query',
    { name, not, present, exact, prefix, suffix, regex }: NamedMatch,
  ) => ({
    [kind]: name,
    ...(present ? { present } : { exact, prefix, suffix, regex }),
    ...(not ? { invert: true } : {}),
  });
  return [
    ...(match?.cookies ?? []).map((cookie) => pair('cookie', cookie)),
    ...(match?.query ?? []).map((query) => pair('query', asInUrl(query))),
  ];
}

type NamedMatch = ValueMatchSpec & { readonly name: string };

function translatePath(path: MatchSpec['path']): object {
  if (path?.exact !== undefined) return { path: urlText(path.exact) };
  if (path?.regex !== undefined) return { safeRegex: { regex: path.regex } };
  const prefix = path?.prefix?.replace(/\/+$/, '') ?? '';
  if (prefix === '') return { prefix: '/' };
  return { safeRegex: { regex: segmentPrefixRegex(urlText(prefix)) } };
}

/** A name and a value as they stand in a URL. A regular expression is the operator's own affair. */
function asInUrl(match: NamedMatch): NamedMatch {
  const { exact, prefix, suffix } = match;
  return {
    ...match,
    name: urlText(match.name),
    ...(exact === undefined ? {} : { exact: urlText(exact) }),
    ...(prefix === undefined ? {} : { prefix: urlText(prefix) }),
    ...(suffix === undefined ? {} : { suffix: urlText(suffix) }),
  };
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

/** For clients without our payload; Envoy has the parameters that are not negated exactly. */
function regexMatcher(header: string, { not }: ValueMatchSpec, regex: string): object {
  const invert = not ? { invertMatch: true, treatMissingHeaderAsEmpty: true } : {};
  return { name: header, stringMatch: { safeRegex: { regex } }, ...invert };
}

function queryMatcher(match: NamedMatch): object {
  const { name, present } = match;
  return present ? { name, presentMatch: true } : { name, stringMatch: stringMatch(match) };
}

function stringMatch({ exact, prefix, suffix, regex }: ValueMatchSpec): object {
  if (exact !== undefined) return { exact };
  if (prefix !== undefined) return { prefix };
  if (suffix !== undefined) return { suffix };
  return { safeRegex: { regex } };
}
