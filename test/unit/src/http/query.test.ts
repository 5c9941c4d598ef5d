import fc from 'fast-check';
import t from 'tap';
import { utf8Bytes, utf8Text } from '../../../../src/http/byte-text.js';
import { decodeParameter, encodeParameter, readParameter } from '../../../../src/http/query.js';

t.test('reads a parameter as it stands, and the first of several', async (t) => {
  for (const [query, value] of [
    ['v=1', '1'],
    ['a=b&v=1&c=d', '1'],
    ['v', ''],
    ['v=', ''],
    ['v&v=1', ''],
    ['v=1&v=2', '1'],
    ['v==1=', '=1='],
    ['v=a%20b+c', 'a%20b+c'],
    ['&&v=1&', '1'],
    ['%76=1&v=2', '1'],
    ['va=1&av=2&V=3', undefined],
    ['v;v=1', undefined],
    ['', undefined],
  ] as const)
    t.equal(readParameter(query, 'v'), value, query);
});

t.test('finds a name however it is spelt in the URL', async (t) => {
  for (const query of ['filter[a b]=1', 'filter%5Ba%20b%5D=1', 'filter%5ba+b%5d=1', 'x=%&filter%5Ba+b%5D=1'])
    t.equal(readParameter(query, 'filter[a b]'), '1', query);
  t.equal(readParameter('filter%5Ba%5D=1', 'filter%5Ba%5D'), '1', 'also as it stands there');
  t.equal(readParameter('f%C3%BCr=1', utf8Bytes('für')), '1');
  t.equal(readParameter('a=b=c', 'a=b'), undefined, 'a name ends at the first "="');
});

t.test('what it reads is what URLSearchParams reads, whatever the query is made of', async () => {
  const piece = fc.constantFrom('v', 'x', '=', '&', '+', '%', '%76', '%c3%A4', '%e4', '%2', ' ', '?');
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 20 }),
      fc.constantFrom('v', 'ä', 'x v', 'vx'),
      (pieces, name) => {
        const query = utf8Bytes(pieces.join(''));
        const value = readParameter(query, utf8Bytes(name));
        const read = value === undefined ? null : utf8Text(decodeParameter(value));
        return read === new URLSearchParams(`&${utf8Text(query)}`).get(name);
      },
    ),
    { numRuns: 10_000 },
  );
});

t.test('a text is encoded so that it is read back', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
      const bytes = utf8Bytes(text);
      const written = encodeParameter(bytes);
      return readParameter(`a=b&v=${written}&c`, 'v') === written && decodeParameter(written) === bytes;
    }),
    { numRuns: 1000 },
  );
});

t.test('one pass, however it is made: 64 KB of anything are read in no time', async (t) => {
  const SIZE = 65_536;
  const queries = [
    '&'.repeat(SIZE),
    '='.repeat(SIZE),
    '+&'.repeat(SIZE / 2),
    'v%&'.repeat(SIZE / 3),
    `${'&'.repeat(SIZE - 1)}=`,
  ];
  // Twenty passes over each: quadratic reading would take a minute, and this test's time would be up.
  for (const query of queries) for (let i = 0; i < 20; i++) t.equal(readParameter(query, 'value'), undefined);
});
