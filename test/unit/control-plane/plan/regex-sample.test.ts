import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import { sampleOf } from '../../../../control-plane/plan/regex-sample.js';

t.test('makes up a text for what operators write', async (t) => {
  for (const [pattern, expected] of [
    ['/v[0-9]+/cart', '/v9/cart'],
    ['canary|beta', 'canary'],
    ['(?:a|b){2,3}c?', 'aa'],
    ['(?i)(?P<name>x)\\.y$', 'x.y'],
    ['^\\d{3}-\\w+', '000-a'],
    ['[^a-z]', '~'],
    ['[]a]\\x41\\x{42}', undefined],
    ['\\Qa.b\\E+', 'a.b'],
    ['', ''],
    ['[[:alpha:]][\\]\\-]', 'z]'],
    ['\\p{L}\\pN?', 'a'],
    ['a*?b+?', 'b'],
    ['\\B\\b', undefined],
  ] as const) {
    const sample = sampleOf(pattern);
    if (expected !== undefined) t.equal(sample, expected, pattern);
    else t.ok(sample === undefined || RE2JS.compile(pattern).testExact(sample), `${pattern}: ${sample}`);
  }
});

t.test('whatever RE2 takes: a text that matches, or none', async () => {
  const piece = fc.constantFrom(
    ...['a', 'b', '.', '\\d', '\\w', '[a-c]', '[^x]', '(', ')', '|', '*', '+', '?', '{2}', '{0,3}', '^', '$'],
    ...['(?:', '(?i)', '\\Q', '\\E', '[', ']', '\\', '\\b', '\\pL', '-'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const pattern = pieces.join('');
      let regex: RE2JS;
      try {
        regex = RE2JS.compile(pattern);
      } catch {
        return true;
      }
      const sample = sampleOf(pattern);
      return sample === undefined || regex.testExact(sample);
    }),
    { numRuns: 5000 },
  );
});
