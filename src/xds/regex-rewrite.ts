import { RE2JS } from 're2js';
import { message, type Problems, text } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** Envoy's `RegexMatchAndSubstitute`: every match of the pattern gives way to the substitution. */
export interface RegexRewrite {
  /** RE2 syntax. */
  readonly pattern: string;
  /** Text as it is, and numbers of the groups of the match. */
  readonly substitution: readonly (string | number)[];
}

/** @returns undefined where the field is absent */
export function readRegexRewrite(raw: unknown, path: string, problems: Problems): RegexRewrite | undefined {
  const rewrite = message(raw);
  if (rewrite === undefined) return undefined;
  const matcher = message(rewrite.pattern) ?? {};
  refuseUnsupported('envoy.type.matcher.v3.RegexMatcher', matcher, `${path}.pattern`, problems);
  const pattern = text(matcher.regex);
  const substitution = readSubstitution(text(rewrite.substitution));
  if (problems.checkRegex(pattern, `${path}.pattern`)) {
    const groups = RE2JS.compile(pattern).groupCount();
    if (substitution.some((part) => typeof part === 'number' && part > groups))
      problems.add(`${path}.substitution`, `names a group that the pattern has not: it has ${groups}`);
  }
  return { pattern, substitution };
}

/** `\0`–`\9` stand for groups, a backslash twice for itself. */
function readSubstitution(written: string): (string | number)[] {
  // Between what was split at stands what it was split at.
  return written
    .split(/\\([0-9\\])/)
    .map((part, i) => (i % 2 === 1 && part !== '\\' ? Number(part) : part))
    .filter((part) => part !== '');
}
