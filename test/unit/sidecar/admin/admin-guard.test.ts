import t from 'tap';
import { adminRefusal, adminWarning } from '../../../../sidecar/admin/admin-guard.js';

interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly to?: string;
  readonly ownName?: string;
}

const refusal = ({
  method = 'GET',
  headers = {},
  from = '127.0.0.1',
  to = '127.0.0.1',
  ownName = '127.0.0.1',
}: Call) =>
  adminRefusal(
    {
      method,
      headers: { host: '127.0.0.1:15000', ...headers },
      socket: { remoteAddress: from, localAddress: to },
    },
    ownName,
  );

t.test('hosts that no attacker controls are served, with any port', async (t) => {
  const hosts = ['127.0.0.1', '127.0.0.1:15000', '10.1.2.3:15000', '[::1]:15000', '[::ffff:7f00:1]'];
  for (const host of [...hosts, 'localhost', 'LocalHost:15000', 'localhost.:9', 'a.localhost', ''])
    t.equal(refusal({ headers: { host } }), undefined, host);
});

t.test('a name is refused, as a browser sends after DNS rebinding, unless --admin has it', async (t) => {
  const hosts = [
    'evil.example',
    'evil.example:15000',
    'localhost.evil.example',
    'xlocalhost',
    '127.0.0.1.nip.io',
  ];
  for (const host of [...hosts, 'user@127.0.0.1', '127.1', '0x7f.1', 'a b'])
    t.match(refusal({ headers: { host } }), /^Host ".*" is not served/, host);
  t.equal(refusal({ headers: { host: 'pod-7:15000' }, ownName: 'Pod-7' }), undefined);
});

t.test('a web page is refused by its Origin, whatever it asks for', async (t) => {
  for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1:15000', 'http://127.0.0.1:8080'])
    for (const method of ['GET', 'POST', 'DELETE'])
      t.match(refusal({ method, headers: { origin } }), /web pages/, `${method} ${origin}`);
  t.equal(refusal({ method: 'POST', headers: { origin: 'http://127.0.0.1:15000' } }), undefined);
});

t.test(
  'without an Origin a page is told by Sec-Fetch-Site; links and typed addresses may look',
  async (t) => {
    for (const site of ['cross-site', 'same-site']) {
      t.match(refusal({ method: 'POST', headers: { 'sec-fetch-site': site } }), /web pages/, site);
      t.equal(refusal({ headers: { 'sec-fetch-site': site } }), undefined, `a link, ${site}`);
    }
    for (const site of ['none', 'same-origin'])
      t.equal(refusal({ method: 'POST', headers: { 'sec-fetch-site': site } }), undefined, site);
  },
);

t.test('other machines may look, and change nothing', async (t) => {
  const headers = { host: '10.0.0.7:15000' };
  for (const from of ['10.0.0.9', '::ffff:10.0.0.9', 'fe80::1', '2001:db8::1']) {
    t.equal(refusal({ headers, from, to: '10.0.0.7' }), undefined, from);
    for (const method of ['POST', 'DELETE', 'PUT'])
      t.match(refusal({ method, headers, from, to: '10.0.0.7' }), /own machine/, `${method} from ${from}`);
  }
  const own = [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    ['10.0.0.7', '::ffff:10.0.0.7'],
  ] as const;
  for (const [from, to] of own) t.equal(refusal({ method: 'POST', headers, from, to }), undefined, from);
});

t.test('an operator is warned of an admin port that other machines reach', async (t) => {
  for (const address of ['127.0.0.1:15000', '127.0.0.2:1', '[::1]:15000'])
    t.equal(adminWarning(address), undefined, address);
  for (const address of ['0.0.0.0:15000', '[::]:15000', '10.0.0.7:15000'])
    t.match(adminWarning(address), /put --admin on loopback/, address);
});
