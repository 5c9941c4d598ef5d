import { urlText } from '../http/byte-text.js';
import { isCookiePath } from '../http/field-line.js';
import type { Outcome } from './annotation-row.js';
import type { PathInput } from './document.js';
import type { PathType } from './manifests.js';
import { asInUrl, escapeRegex, whyRefused } from './regex.js';

/** A rule's path as a condition of a route. */
export interface PathCondition {
  /** As the rule has it. */
  readonly text: string;
  /** Undefined: every path. */
  readonly match: PathInput | undefined;
  readonly outcome: Outcome;
  readonly note: string;
}

/**
 * @param asRegex the host is one of those whose paths ingress-nginx takes for regular expressions, whatever their
 *   pathType
 * @returns a text: why there is no such condition
 */
export function translatePath(path: string, pathType: PathType, asRegex: boolean): PathCondition | string {
  if (!path.startsWith('/')) return `the path "${path}" does not start with "/"`;
  if (asRegex) return translateRegex(path);
  const condition = (match: PathInput | undefined, outcome: Outcome, note: string) => ({
    text: path,
    match,
    outcome,
    note,
  });
  if (pathType === 'Exact') return condition({ exact: path }, 'exact', 'this path and no other');
  if (path === '/') return condition(undefined, 'exact', 'every path');
  if (pathType === 'ImplementationSpecific')
    return condition(
      { regex: `${escapeRegex(urlText(path))}.*` },
      'exact',
      'a prefix by characters, as nginx takes it',
    );
  if (path.endsWith('/'))
    return condition({ prefix: path }, 'changes', `a prefix by segments; "${path.slice(0, -1)}" matches too`);
  return condition({ prefix: path }, 'exact', 'a prefix by segments');
}

/** A path whose rest is kept by `rewrite-target`. */
export function prefixCondition(text: string, match: PathInput | undefined): PathCondition {
  if (match === undefined) return { text, match, outcome: 'exact', note: 'every path' };
  const note = `a prefix by segments, with regard to case, so that its rest can be put after another one${differenceOf(text, match)}`;
  return { text, match, outcome: 'changes', note };
}

/** What an expression takes that its prefix does not, or the other way round. */
function differenceOf(text: string, { prefix = '' }: PathInput): string {
  if (text.endsWith('/?(.*)')) return `; ${prefix}x, which it matches there, gets 404 here`;
  return text.endsWith('/(.*)') ? `; ${prefix} itself, which it does not match there, is matched here` : '';
}

const EVERY_PATH = new Set(['/', '/.*', '/(.*)', '/?(.*)', '/()(.*)']);

/** nginx looks for it at the start of the path, without regard to case. */
function translateRegex(path: string): PathCondition | string {
  if (EVERY_PATH.has(path)) return { text: path, match: undefined, outcome: 'exact', note: 'every path' };
  const broken = whyRefused(path);
  if (broken !== undefined)
    return `the path "${path}" is not an RE2 regular expression (${broken}), which PCRE may have taken`;
  const pattern = asInUrl(path);
  const start = pattern.includes('|') ? `(?:${pattern})` : pattern;
  return {
    text: path,
    match: { regex: `(?i)${start}.*` },
    outcome: 'exact',
    note: 'a regular expression for the start of the path, in any case, as all paths of this host',
  };
}

/** Which of two rules comes first where routes are tried in order: nginx asks exact paths first, then the longest. */
export function bySpecificity(a: PathCondition, b: PathCondition): number {
  const rank = ({ match }: PathCondition) => (match === undefined ? 2 : match.exact === undefined ? 1 : 0);
  return rank(a) - rank(b) || b.text.length - a.text.length;
}

/**
 * The longest path, by segments, that all of these lie under. What a cookie's path may be: clients compare it character
 * by character, and know no expressions.
 */
export function commonPath(conditions: readonly PathCondition[]): string {
  const [first = [], ...others] = conditions.map((condition) =>
    literalPath(condition)
      .split('/')
      .filter((segment) => segment !== ''),
  );
  const differs = first.findIndex((segment, i) => others.some((other) => other[i] !== segment));
  const path = urlText(`/${first.slice(0, differs === -1 ? undefined : differs).join('/')}`);
  return isCookiePath(path) ? path : '/';
}

/** Whether a path is written as an expression. */
export function isExpression(text: string): boolean {
  return /[\\^$*+?()[\]{}|]/.test(text);
}

/** An expression takes paths in any case, which a cookie for the beginning of one would not be sent to. */
function literalPath({ text, match }: PathCondition): string {
  if (match === undefined) return '/';
  return match.prefix ?? match.exact ?? (isExpression(text) ? '/' : text);
}
