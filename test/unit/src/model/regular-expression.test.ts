import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import {
  MAX_PATTERN_LENGTH,
  MAX_PROGRAM_SIZE,
  programSizeBound,
  regexProblem,
} from '../../../../src/model/regular-expression.js';

t.test('patterns that people write are taken', async (t) => {
  for (const pattern of [
    '',
    '/api/v[0-9]+/users/[^/]+',
    '^(?i:de|fr)(-[A-Z]{2})?$',
    '\\Qa.b{9999}\\E',
    '[]{9999}]',
    '[[:alpha:]]{3,30}',
    '\\p{Greek}+',
    '(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})',
    'a{,5}',
    'a{1000}',
    '.*',
  ])
    t.equal(regexProblem(pattern), undefined, pattern);
});

t.test('what is none is refused with the reason, in few words', async (t) => {
  t.match(regexProblem('('), /^is not an RE2 regular expression: .*missing closing/);
  t.match(regexProblem('a{1001}'), /invalid repeat/i);
  t.match(regexProblem('(?=a)'), /^is not an RE2/);
  t.match(regexProblem('\\1'), /^is not an RE2/);
  t.ok((regexProblem(`(${'x'.repeat(8000)}`) as string).length < 300);
});

t.test('what would be a large program is refused before it is compiled', async (t) => {
  const tooMuch = `repeats too much: as a program it would have more than ${MAX_PROGRAM_SIZE} instructions`;
  for (const pattern of ['(a{100}){100}', '((a{30}){30}){30}', '(\\pL{1000}){1000}', '(?:[a-z]+\\.){6000}'])
    t.equal(regexProblem(pattern), tooMuch, pattern);
  t.match(regexProblem('a'.repeat(MAX_PATTERN_LENGTH + 1)), /^is longer than 8192 characters/);
  t.match(regexProblem('abc', 2), /^is longer than 2 characters/);
});

t.test('every text has a size, which repeating makes larger', async (t) => {
  const pieces = fc.constantFrom(
    'a',
    '(',
    ')',
    '[',
    ']',
    '{2}',
    '{3,}',
    '{',
    '\\',
    '\\Q',
    '\\E',
    '|',
    '*',
    '^',
    ':',
    '?',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const pattern = parts.join('');
      const size = programSizeBound(pattern);
      t.ok(Number.isFinite(size) && size >= 0, pattern);
    }),
    { numRuns: 2000 },
  );
  t.ok(programSizeBound('(ab){50}') > 40 * programSizeBound('ab'));
  t.equal(programSizeBound('[a-z]'), programSizeBound('a'));
});

t.test('what the compiler makes of a pattern is hardly more than was said', async (t) => {
  const atom = fc.constantFrom('a', '.', '[a-c]', '\\d', 'ab', '\\pL');
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `${a}${b}`),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(${a}|${b})`),
      fc.tuple(tie('pattern'), fc.integer({ min: 1, max: 5 })).map(([a, n]) => `(?:${a}){${n}}`),
      tie('pattern').map((a) => `(${a})*`),
    ),
  }));
  fc.assert(
    fc.property(pattern, (text) => {
      const size = RE2JS.compile(text).programSize();
      t.ok(size <= 2 * programSizeBound(text) + 20, text);
    }),
    { numRuns: 300 },
  );
});
