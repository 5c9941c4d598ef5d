import fc from 'fast-check';
import t from 'tap';
import { printable, printableJson, printableLines } from '../../../../src/telemetry/printable.js';

/** What no terminal gets to see. */
const ORDERS = /[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/u;

t.test('shows what is not printed, and nothing else differs', async (t) => {
  for (const [text, shown] of [
    ['checkout-7d9f.shop', 'checkout-7d9f.shop'],
    ['größe 中文 🎉', 'größe 中文 🎉'],
    ['\x1b]0;owned\x07', '\\x1b]0;owned\\x07'],
    ['a\r\nrejected: none', 'a\\x0d\\x0arejected: none'],
    ['\x9b2J', '\\x9b2J'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['a\u2028b', 'a\\u2028b'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800', '\\ud800'],
    ['\x7f\0', '\\x7f\\x00'],
  ] as const)
    t.equal(printable(text), shown);
  t.equal(printable('x'.repeat(2000), 10), `${'x'.repeat(10)}… (1990 more characters)`);
  t.equal(printableLines('one\n\x1btwo\n'), 'one\n\\x1btwo\n', 'lines stay lines');
});

t.test('JSON stays the same JSON', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = JSON.stringify({ text }, null, 2);
      const shown = printableJson(json);
      return !ORDERS.test(shown) && (JSON.parse(shown) as { text: string }).text === text;
    }),
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !ORDERS.test(printable(text))));
  t.pass();
});
