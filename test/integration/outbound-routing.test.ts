import t from 'tap';
import { Backend, type Echo, startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { checkout, labelled, USER_KEY } from '../support/shop.js';

async function shop(t: Parameters<typeof startReleases>[0], options: Parameters<typeof checkout>[0] = {}) {
  const releases = await startReleases(t, { v1: 2, v2: 2 });
  const resource = checkout({ ...options, spec: { ...options.spec, versions: versionsOf(releases) } });
  const mesh = await TestMesh.start(t, [resource]);
  const sidecar = await mesh.sidecar();
  return { releases, resource, mesh, sidecar, call: caller(t, sidecar.addresses.outbound) };
}

t.test('routes by host, in every spelling, and answers 404 for hosts nobody declared', async (t) => {
  const { call } = await shop(t);
  for (const host of ['checkout', 'checkout:8080', 'CHECKOUT.shop', 'checkout.shop.svc.cluster.local:8080']) {
    t.equal((await call(host)).status, 200, host);
  }
  for (const host of ['nosuch', 'checkout:9999', 'checkout.other']) {
    const answer = await call(host);
    t.equal(answer.status, 404, host);
    t.equal(answer.headers['x-roost-error'], 'unknown-host');
    t.match(answer.body, `no service has this host: ${host}`);
  }
});

t.test('any spelling of a host leads to its service: by Host, in absolute form, by CONNECT', async (t) => {
  const { sidecar } = await shop(t, { spec: { hosts: ['pay.internal', '10.96.0.10'] } });
  const { outbound } = sidecar.addresses;
  const spellings = [
    ...['checkout', 'checkout.', 'checkout:', 'checkout.:8080', 'CHECKOUT.Shop.:8080', 'checkout:80'],
    ...['checkout.shop.svc.cluster.local.', 'Pay.Internal.', 'pay.internal:08080', 'pay.internal.:80'],
    ...['10.96.0.10', '[::ffff:10.96.0.10]:8080', '[::FFFF:a60:a]'],
  ];
  for (const host of spellings) {
    const plain = await RawPeer.connect(t, outbound);
    plain.sendMessage(['GET / HTTP/1.1', `Host: ${host}`]);
    const { line, body } = await plain.message();
    t.equal(line, 'HTTP/1.1 200 OK', host);
    t.equal((JSON.parse(body) as Echo).headers.host, host, 'the app sees what the client wrote');
    plain.sendMessage([`GET http://${host}/x HTTP/1.1`, 'Host: other']);
    const absolute = await plain.message();
    t.equal(absolute.line, 'HTTP/1.1 200 OK', `http://${host}/x`);
    t.match(JSON.parse(absolute.body), { url: '/x', headers: { host } });
    if (!/:\d+$/.test(host)) continue;
    const tunnel = await RawPeer.connect(t, outbound);
    tunnel.sendMessage([`CONNECT ${host} HTTP/1.1`, `Host: ${host}`]);
    t.match(await tunnel.message('response to HEAD'), { line: 'HTTP/1.1 200 Connection Established' });
    tunnel.sendMessage(['GET / HTTP/1.1', 'Host: whoever']);
    t.equal((await tunnel.message()).line, 'HTTP/1.1 200 OK', `CONNECT ${host}`);
  }
});

t.test('a host that could be read in two ways is refused, a wrong port is not found', async (t) => {
  const { sidecar } = await shop(t);
  const answers = async (host: string) => {
    const client = await RawPeer.connect(t, sidecar.addresses.outbound);
    client.sendMessage(['GET / HTTP/1.1', `Host: ${host}`]);
    return (await client.message()).line;
  };
  for (const host of ['checkout..', '.checkout', 'checkout:0', 'checkout:65536', 'check%6fut', 'x@checkout'])
    t.equal(await answers(host), 'HTTP/1.1 400 Bad Request', host);
  for (const host of ['checkout:8081', 'checkout.:443', '']) {
    t.equal(await answers(host), 'HTTP/1.1 404 Not Found', host);
  }
});

t.test('a caller over IPv4 is named as one by a listener that has both families', async (t) => {
  const releases = await startReleases(t, { v1: 2, v2: 2 });
  const affinity = { key: [{ source: 'ip' }], version: 'balanced', endpoint: 'balanced' };
  const spec = { versions: versionsOf(releases), affinity };
  const mesh = await TestMesh.start(t, [checkout({ spec, split: { v1: 50, v2: 50 } })]);
  const [v4, both] = [
    await mesh.sidecar(),
    await mesh.sidecar({ outbound: { host: '::', port: 0 }, inbound: { host: '::', port: 0 } }),
  ];
  const port = (address: string) => toAddress(address).port;
  const plain = await caller(t, v4.addresses.outbound)('checkout');
  const mapped = await caller(t, `127.0.0.1:${port(both.addresses.outbound)}`)('checkout');
  t.equal(mapped.backend, plain.backend, 'the session of an address is one session');
  t.equal((JSON.parse(mapped.body) as Echo).headers['x-forwarded-for'], '127.0.0.1');
  const v6 = await caller(t, `[::1]:${port(both.addresses.outbound)}`)('checkout');
  t.equal((JSON.parse(v6.body) as Echo).headers['x-forwarded-for'], '::1');
  const app = await Backend.start(t, 'app');
  const called = await mesh.sidecar({ inbound: { host: '::', port: 0 }, app: toAddress(app.address) });
  const inbound = await caller(t, `127.0.0.1:${port(called.addresses.inbound)}`)('app');
  t.equal((JSON.parse(inbound.body) as Echo).headers['x-forwarded-for'], '127.0.0.1', 'inbound, too');
  const samples = await (await fetch(`http://${both.addresses.admin}/debug/requests`)).json();
  t.same(
    (samples as { requests: { client: string }[] }).requests.map(({ client }) => client),
    ['::1', '127.0.0.1'],
  );
});

t.test('routes by label, and a split change takes effect without a failed request', async (t) => {
  const { call, mesh } = await shop(t, { split: { v1: 1 }, routes: [labelled('v2')] });
  t.match((await call('checkout')).backend, /^v1/);
  t.match((await call('checkout', { headers: { 'x-region': 'us-east' } })).backend, /^v2/);
  await mesh.split('checkout.shop', { v2: 1 });
  t.match((await call('checkout')).backend, /^v2/);
});

t.test('a session by header keeps its release and pod; a cookie session is set once', async (t) => {
  const affinity = { key: [...USER_KEY, { cookie: 'sid' }], version: 'persistent', endpoint: 'persistent' };
  const { call } = await shop(t, { affinity, split: { v1: 50, v2: 50 } });
  const first = await call('checkout', { headers: { 'x-user-id': '7' } });
  for (let i = 0; i < 5; i++)
    t.equal((await call('checkout', { headers: { 'x-user-id': '7' } })).backend, first.backend);
  t.equal(first.headers['set-cookie'], undefined, 'a header session needs no cookie');
  const minted = await call('checkout');
  const cookie = String(minted.headers['set-cookie']).split(';')[0] ?? '';
  t.match(cookie, /^sid=[\w-]{22}\.[\w-]{16}$/);
  for (let i = 0; i < 5; i++) {
    const again = await call('checkout', { headers: { cookie } });
    t.equal(again.backend, minted.backend);
    t.equal(again.headers['set-cookie'], undefined, 'issued when new or changed, never otherwise');
  }
});
