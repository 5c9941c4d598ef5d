import fc from 'fast-check';
import t from 'tap';
import { findCookie, formatCookie, readCookie } from '../../../../src/http/cookies.js';

t.test('reads a cookie in every way in which it is written', async (t) => {
  for (const [header, value] of [
    ['sid=1', '1'],
    ['a=b; sid=1; c=d', '1'],
    ['a=b;sid=1', '1'],
    ['a=b;\tsid=1\t;c', '1'],
    ['  sid  =  1  ', '1'],
    ['sid="1"', '1'],
    ['sid= "1" ;', '1'],
    ['sid=" 1 "', ' 1 '],
    ['sid="', '"'],
    ['sid="1', '"1'],
    ['sid=a=b', 'a=b'],
    ['sid=', ''],
    ['sid=""', ''],
    ['sid=1; sid=2', '1'],
    ['sid=; sid=2', ''],
    ['sid', undefined],
    ['sid; sid=2', '2'],
    ['sid x=1', undefined],
    ['xsid=1; sidx=2; SID=3', undefined],
    ['a=sid=1', undefined],
    ['a="x; sid=1"', '1"'],
    ['a=1,sid=2', undefined],
    ['', undefined],
  ] as const)
    t.equal(readCookie(header, 'sid'), value, header);
});

t.test('takes no byte of a letter for a blank', async (t) => {
  const voila = Buffer.from('voilà').toString('latin1');
  t.equal(readCookie(`a=b; sid=${voila}; c=d`, 'sid'), voila, 'its last byte is 0xA0');
});

t.test('finds what taking the header apart finds, whatever it is made of', async () => {
  const piece = fc.constantFrom('sid', 's', 'x', '=', ';', ',', ' ', '\t', '"', '\u00a0');
  const blanks = /^[ \t]+|[ \t]+$/g;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const header = pieces.join('');
      const pairs = header
        .split(';')
        .map((pair) => /^([^=]*)=(.*)$/s.exec(pair))
        .map((pair) => pair?.slice(1).map((part) => part.replace(blanks, '')) ?? [])
        .filter(([name]) => name === 'sid');
      const values = pairs.map(([, value = '']) => (/^".*"$/s.test(value) ? value.slice(1, -1) : value));
      const seen: string[] = [];
      findCookie(header, 'sid', (value) => {
        seen.push(value);
        return undefined;
      });
      return readCookie(header, 'sid') === values[0] && JSON.stringify(seen) === JSON.stringify(values);
    }),
    { numRuns: 5000 },
  );
});

t.test('a value is written so that it is read back, among other cookies', async () => {
  const byte = fc.nat(255).map((code) => String.fromCharCode(code));
  const value = fc.string({ unit: byte, maxLength: 12 }).filter((bytes) => !/[;\r\n]/.test(bytes));
  fc.assert(
    fc.property(fc.oneof(value, fc.constantFrom('"', '""', '" "', ' a ', '"a"')), (bytes) => {
      return readCookie(`a=b; ${formatCookie('sid', bytes)}; c=d`, 'sid') === bytes;
    }),
    { numRuns: 2000 },
  );
});
