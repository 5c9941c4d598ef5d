import t from 'tap';
import { startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { TestMesh } from '../support/mesh.js';
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
