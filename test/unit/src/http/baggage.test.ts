import fc from 'fast-check';
import t from 'tap';
import { encodeBaggageValue, readBaggage, withBaggage } from '../../../../src/http/baggage.js';

t.test('finds a member as W3C writes it', async (t) => {
  for (const [header, value] of [
    ['user=ann', 'ann'],
    ['a=b,user=ann;secret;ttl=1,user=bob', 'ann'],
    [',,=,;=;,user = ann ,=', 'ann'],
    ['user=%61n%6e', 'ann'],
    ['user=%zz', '%zz'],
    ['user==x', '=x'],
    ['user=', ''],
    ['user', undefined],
    ['user,x=1', undefined],
    ['user;x=1', undefined],
    ['xuser=1,userx=2,User=3', undefined],
    ['', undefined],
  ] as const)
    t.equal(readBaggage(header, 'user'), value, header);
});

t.test('finds what taking the header apart finds, whatever it is made of', async () => {
  const piece = fc.constantFrom('user', 'u', 'ann', '=', ',', ';', ' ', '%61', '%', '\t');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const header = pieces.join('');
      const member = header
        .split(',')
        .find((each) => /^[^=]*=/.test(each) && each.split('=')[0]?.trim() === 'user');
      const value = member
        ?.slice(member.indexOf('=') + 1)
        .split(';')[0]
        ?.trim();
      const decoded = value?.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      return readBaggage(header, 'user') === decoded;
    }),
    { numRuns: 2000 },
  );
});

t.test('a member is found in a header as long as a head may be, and set in it', async (t) => {
  const others = Array.from({ length: 10_000 }, (_, i) => `k${i}=v`);
  const header = [...others, 'user=ann', 'roost-lane=old'].join(',');
  t.equal(readBaggage(header, 'user'), 'ann');
  t.equal(
    withBaggage(header, 'roost-lane', 'canary'),
    ['roost-lane=canary', ...others, 'user=ann'].join(','),
    'before what others may cut off',
  );
  t.equal(withBaggage('a=1, b=2;p,roost-lane=old', 'roost-lane', 'canary'), 'a=1,b=2;p,roost-lane=canary');
  t.equal(withBaggage(undefined, 'roost-lane', 'canary'), 'roost-lane=canary');
  t.equal(withBaggage(' ,, ', 'roost-lane', 'canary'), 'roost-lane=canary');
});

t.test(
  'a value of any bytes is written so that it is read back, and ends neither its member nor its line',
  async () => {
    const bytes = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 40 });
    fc.assert(
      fc.property(bytes, fc.constantFrom(undefined, 'a=1', 'roost-lane=x,b=2;p'), (value, header) => {
        const written = withBaggage(header, 'roost-lane', value);
        return (
          readBaggage(written, 'roost-lane') === value && /^[\x21-\x7e]*$/.test(encodeBaggageValue(value))
        );
      }),
      { numRuns: 500 },
    );
  },
);

t.test('one pass, however it is made: 64 KB of anything are read in no time', async (t) => {
  const SIZE = 65_536;
  const headers = [
    ','.repeat(SIZE),
    '='.repeat(SIZE),
    ';'.repeat(SIZE),
    ',='.repeat(SIZE / 2),
    `${','.repeat(SIZE - 1)}=`,
  ];
  // A hundred passes over each: quadratic reading would take minutes, and this test's time would be up.
  for (const header of headers)
    for (let i = 0; i < 100; i++) t.equal(readBaggage(header, 'user') === undefined, true);
});
