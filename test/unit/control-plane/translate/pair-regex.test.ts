import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import { COOKIE_LIST, pairRegex, QUERY_LIST } from '../../../../control-plane/translate/pair-regex.js';
import { readCookie } from '../../../../src/http/cookies.js';
import { readParameter } from '../../../../src/http/query.js';
import type { ValueMatchSpec } from '../../../../src/model/schema.js';
import { compileText } from '../../../../src/routing/match.js';

type Match = Omit<ValueMatchSpec, 'name' | 'not'>;

const MATCHES: readonly Match[] = [
  { exact: 'a' },
  { exact: '' },
  { prefix: 'a' },
  { suffix: 'b' },
  { present: true },
  { regex: '.*' },
  { regex: '.+b' },
  { regex: '^a[^x]*$' },
  { regex: '(^a$|\\Ab+\\z)' },
  { regex: '\\W\\S\\D|a\\Q.\\Eb|[^]a]|\\PL' },
];

function holds(match: Match, value: string | undefined): boolean {
  if (value === undefined) return false;
  if (match.present) return true;
  const [[kind, text] = ['exact', '']] = Object.entries(match) as [string, string][];
  return compileText(
    kind === 'regex'
      ? { kind, pattern: text }
      : { kind: kind as 'exact' | 'prefix' | 'suffix', value: text, ignoreCase: false },
  )(value);
}

const spec = (match: Match) => ({ name: 'c', not: false, ...match }) as ValueMatchSpec & { name: string };
const unit = fc.constantFrom('a', 'b', 'x', 'c', 'c=', '=', '.', ' ', '"', '-');

t.test('what other clients get of a cookie holds wherever the condition does', async () => {
  const pairs = fc.array(fc.string({ unit, maxLength: 6 }), { maxLength: 4 });
  for (const match of MATCHES) {
    const regex = RE2JS.compile(pairRegex('c', spec(match), COOKIE_LIST));
    fc.assert(
      fc.property(pairs, fc.boolean(), (all, named) => {
        const header = all.map((pair) => (named ? `c=${pair}` : pair)).join('; ');
        return !holds(match, readCookie(header, 'c')) || regex.testExact(header);
      }),
    );
  }
});

t.test('what other clients get of a parameter holds wherever the condition does', async () => {
  const pairs = fc.array(fc.string({ unit, maxLength: 6 }), { minLength: 1, maxLength: 4 });
  for (const match of MATCHES) {
    const regex = RE2JS.compile(pairRegex('c', spec(match), QUERY_LIST));
    fc.assert(
      fc.property(pairs, fc.boolean(), (all, named) => {
        const query = all.map((pair) => (named ? `c=${pair}` : pair)).join('&');
        return !holds(match, readParameter(query, 'c')) || regex.testExact(`/p?${query}`);
      }),
    );
  }
});

t.test('what other clients get of a regular expression reaches into no neighbour', async (t) => {
  const cookie = (regex: string) => RE2JS.compile(pairRegex('c', spec({ regex }), COOKIE_LIST));
  for (const regex of ['.*beta.*', '[^x]*beta', '\\S*beta', '(?s).+beta', '\\PZ*beta'])
    t.notOk(cookie(regex).testExact('c=a;d=beta'), regex);
  t.ok(cookie('^beta$').testExact('a=1; c="beta"; d=2'));
  const parameter = RE2JS.compile(pairRegex('c', spec({ regex: '.*2' }), QUERY_LIST));
  t.notOk(parameter.testExact('/?c=1&d=2'));
  t.ok(parameter.testExact('/?c=12&d=3'));
});
