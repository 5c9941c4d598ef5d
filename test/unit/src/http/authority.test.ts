import fc from 'fast-check';
import t from 'tap';
import { normalAuthority, parseAuthority, sameByDefaultPort } from '../../../../src/http/authority.js';

/** Every spelling that stands for one authority. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  checkout: ['checkout', 'CHECKOUT', 'checkout.', 'checkout:', 'Checkout.:'],
  'checkout:8080': ['checkout:8080', 'checkout.:8080', 'CHECKOUT.:8080', 'checkout:08080'],
  'checkout.shop.svc.cluster.local': ['checkout.shop.svc.cluster.local.', 'Checkout.Shop.SVC.Cluster.Local'],
  'a:65535': ['a:65535', 'A.:65535'],
  'under_score.example': ['under_score.example', 'UNDER_score.example.'],
  '10.0.0.7:80': ['10.0.0.7:80', '[::ffff:10.0.0.7]:80', '[::FFFF:a00:7]:80', '10.0.0.7.:80'],
  '[fd00::7]:8080': ['[fd00::7]:8080', '[FD00::7]:8080', '[fd00:0:0:0:0:0:0:7]:8080', '[fd00::0.0.0.7]:8080'],
  '[::1]': ['[::1]', '[::1]:', '[0:0:0:0:0:0:0:1]'],
  '': [''],
};

t.test('an authority has one spelling', async (t) => {
  for (const [normal, spellings] of Object.entries(SPELLINGS))
    for (const text of spellings) t.equal(normalAuthority(text), normal, JSON.stringify(text));
});

t.test('what two readers could read differently is none', async (t) => {
  const wrong = [
    ...['.', '..', 'a..', '.a', 'a..b', '.:80', ':80', ':'],
    ...['a:0', 'a:00', 'a:65536', 'a:99999', 'a:123456', 'a:-1', 'a:+1', 'a:8 0', 'a:80:80', 'a:x'],
    ...['a%2e', '%61', '[fe80::1%25eth0]', '[fe80::1%eth0]', 'user@a', 'user:secret@a'],
    ...['::1', '[::1', '::1]', '[::1]x', '[]', '[10.0.0.7]', '[v1.a]', '[1:2]', '[::1::2]', '[12345::]'],
    ...['a b', 'a/b', 'a?b', 'a#b', 'a\\b', 'a"', 'ä', 'a\tb', ' a', 'a '],
  ];
  for (const text of wrong) t.equal(normalAuthority(text), undefined, JSON.stringify(text));
});

t.test('a resolver gets the final dot, and addresses without brackets', async (t) => {
  t.same(parseAuthority('DB.:5432'), { text: 'db:5432', host: 'DB.', port: 5432 });
  t.same(parseAuthority('[FD00::7]'), { text: '[fd00::7]', host: 'fd00::7', port: undefined });
  t.same(parseAuthority('[::ffff:10.0.0.7]:80'), { text: '10.0.0.7:80', host: '10.0.0.7', port: 80 });
});

t.test('the default port may be written or left out', async (t) => {
  t.equal(sameByDefaultPort('a'), 'a:80');
  t.equal(sameByDefaultPort('a:80'), 'a');
  t.equal(sameByDefaultPort('a:8080'), undefined);
  t.equal(sameByDefaultPort('[::1]'), '[::1]:80');
  t.equal(sameByDefaultPort('[::1]:80'), '[::1]');
  t.equal(sameByDefaultPort('[fd00::80]:8080'), undefined);
  t.equal(sameByDefaultPort(''), undefined);
});

t.test('the one spelling is its own, and no text takes long', async (t) => {
  const piece = fc.constantFrom(
    'a',
    'A',
    '.',
    ':',
    '80',
    '0',
    '[',
    ']',
    '::',
    'fd00',
    '-',
    '_',
    '%',
    '~',
    '1',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const normal = normalAuthority(pieces.join(''));
      return normal === undefined || normalAuthority(normal) === normal;
    }),
    { numRuns: 20_000 },
  );
  for (const text of [
    'a.'.repeat(30_000),
    'a'.repeat(60_000),
    `${'a.'.repeat(30_000)}/`,
    '1:'.repeat(30_000),
  ])
    t.type(normalAuthority(text) ?? '', 'string');
});
