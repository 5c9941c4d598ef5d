import { RE2JS } from 're2js';
import { MAX_PATTERN_LENGTH, regexProblem } from '../../src/model/regular-expression.js';
import type { ValueMatchSpec } from '../../src/model/schema.js';

/**
 * A condition on one cookie or query parameter, as a regular expression over the header that holds them all: the
 * nearest that clients get which do not know our payload. What it cannot say is that of several with the name the
 * first counts.
 */

/** How a list of name=value pairs is written in a header. */
interface PairList {
  /** What may come before a pair, after a name, between "=" and the value, after the value, and after the pair. */
  readonly before: string;
  readonly blanks: string;
  readonly quote: string;
  readonly after: string;
  /** Ends a pair. */
  readonly separator: string;
  /** A name alone is a pair with an empty value. */
  readonly mayLackEquals: boolean;
}

export const COOKIE_LIST: PairList = {
  before: '(?:.*;)?[ \\t]*',
  blanks: '[ \\t]*',
  quote: '"?',
  after: '(?:;.*)?',
  separator: ';',
  mayLackEquals: false,
};
export const QUERY_LIST: PairList = {
  before: '[^?]*\\?(?:.*&)?',
  blanks: '',
  quote: '',
  after: '(?:&.*)?',
  separator: '&',
  mayLackEquals: true,
};

/** @param name and the texts of the match: as they stand in the header */
export function pairRegex(name: string, match: ValueMatchSpec, list: PairList): string {
  const { before, blanks, quote, after } = list;
  const any = `[^${list.separator}]*`;
  const value = valueRegex(match, any, list.separator);
  const written = value === undefined ? `=${any}` : `=${blanks}${quote}${value}${quote}${blanks}`;
  const mayBeEmpty = value === undefined || match.exact === '' || takesNothing(match);
  const pair = list.mayLackEquals && mayBeEmpty ? `(?:${written})?` : written;
  return `${before}${RE2JS.quote(name)}${blanks}${pair}${after}`;
}

/** @returns undefined: any value will do */
function valueRegex(match: ValueMatchSpec, any: string, separator: string): string | undefined {
  const { exact, prefix, suffix, regex } = match;
  if (exact !== undefined) return RE2JS.quote(exact);
  if (prefix !== undefined) return `${RE2JS.quote(prefix)}${any}`;
  if (suffix !== undefined) return `${any}${RE2JS.quote(suffix)}`;
  return regex === undefined ? undefined : `(?:${withinPair(regex, separator)})`;
}

function takesNothing({ regex }: ValueMatchSpec): boolean {
  return regex !== undefined && RE2JS.compile(regex).testExact('');
}

/** Literal text in quotes, an escape, a class, or one character. */
const PIECE = /\\Q.*?(?:\\E|$)|\\[pP](?:\{[^}]*\}|.)|\\.|\[(\^?)(\]?(?:\[:\^?\w+:\]|\\.|[^\]])*)\]|./gs;
const ANCHORS: ReadonlySet<string> = new Set(['^', '$', '\\A', '\\z']);

/** An expression over a whole value as one that does not reach into the next pair. */
function withinPair(regex: string, separator: string): string {
  const narrowed = regex.replace(PIECE, (piece: string, negated?: string, members?: string) => {
    if (ANCHORS.has(piece)) return '';
    if (piece === '.') return `[^${separator}]`;
    if (negated === '^') return `[^${separator}${(members ?? '').replace(/^\]/, '\\]')}]`;
    if (/^\\[DSWP]/.test(piece)) return `[^${piece.slice(0, 2).toLowerCase()}${piece.slice(2)}${separator}]`;
    return piece;
  });
  const isUsable = narrowed.length < MAX_PATTERN_LENGTH / 2 && regexProblem(`(?:${narrowed})`) === undefined;
  return isUsable ? narrowed : regex;
}
