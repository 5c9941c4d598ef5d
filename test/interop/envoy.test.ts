import t, { type Test } from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { startReleases, versionsOf } from '../support/backend.js';
import { type Call, caller, inParallel } from '../support/calls.js';
import { ENVOY, startPrintedEnvoy } from '../support/envoy.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout, labelled, meshService, user } from '../support/shop.js';

/** A real Envoy, started from what `roost bootstrap envoy` prints. */

const SESSIONS = 200;
const STICKY = { version: 'balanced', endpoint: 'balanced' };

async function start(t: Test, options: object = {}) {
  const backends = await startReleases(t, { v1: 2, v2: 2 });
  const versions = versionsOf(backends);
  const service = (spec: object = {}, split: Record<string, number> = { v1: 1, v2: 1 }) =>
    checkout({ split, routes: [labelled('v2')], affinity: STICKY, spec: { versions, ...spec } });
  const mesh = await TestMesh.start(t, [service()], options);
  const address = mesh.controlPlane.grpcAddress;
  const node = ['--service', 'frontend.shop', '--node', 'an-envoy'];
  const envoy = await startPrintedEnvoy(t, ['--control-plane', address, ...node]);
  const call = caller(t, envoy.listeners.outbound as string);
  await eventually('envoy has the routes', async () => (await call('checkout.shop')).status === 200);
  return { mesh, backends, service, versions, call };
}

/** Where each session is answered, by its number. */
function whereAll(call: Call, host = 'checkout'): Promise<string[]> {
  return inParallel(
    Array.from({ length: SESSIONS }, (_, i) => i),
    8,
    async (i) => {
      const { status, body, backend } = await call(host, { headers: Object.fromEntries(user(i)) });
      if (status !== 200) throw new Error(`session ${i}: ${status} ${body}`);
      return backend;
    },
  );
}

const releaseOf = (backend: string) => backend.slice(0, 2);
const differing = (a: readonly string[], b: readonly string[]) =>
  a.filter((where, i) => where !== b[i]).length;

t.test('Envoy routes by our listener: label, split and affinity', { skip: ENVOY.skip }, async (t) => {
  const { mesh, call } = await start(t);
  const first = await whereAll(call);
  t.ok(new Set(first).size === 4, 'every pod of both releases has sessions');
  t.same(await whereAll(call), first, 'every session is where it was');
  for (const host of ['checkout.shop.svc.cluster.local', 'Checkout.', 'checkout.shop.:8080'])
    t.same(await whereAll(call, host), first, 'by whatever name');
  const labels = { 'x-region': 'us-east' };
  const labelled = await inParallel(
    Array.from({ length: 20 }, (_, i) => i),
    4,
    (i) => call('checkout', { headers: { ...labels, ...Object.fromEntries(user(i)) } }),
  );
  t.ok(labelled.every(({ backend }) => backend.startsWith('v2')));
  t.equal((await call('nobody')).status, 404);
  await mesh.split('checkout.shop', { v1: 75, v2: 25 });
  await eventually('the split has arrived', async () => differing(await whereAll(call), first) > 0);
  const later = await whereAll(call);
  const moved = later.filter((where, i) => releaseOf(where) !== releaseOf(first[i] as string));
  t.ok(
    moved.every((where) => where.startsWith('v1')),
    'sessions moved one way only',
  );
});

t.test('weights and endpoints change under load, and no request fails', { skip: ENVOY.skip }, async (t) => {
  const { mesh, backends, service, versions, call } = await start(t);
  let running = true;
  let requests = 0;
  const load = (async () => {
    while (running) {
      await whereAll(call);
      requests += SESSIONS;
    }
  })();
  for (const weight of [10, 50, 90, 0, 30])
    await mesh.split('checkout.shop', { v1: 100 - weight, v2: weight });
  const [v1, v2] = versions as [{ endpoints: object[] }, { endpoints: object[] }];
  const shrunk = { ...v1, endpoints: v1.endpoints.slice(0, 1) };
  await mesh.apply(service({ versions: [shrunk, v2] }));
  await eventually('the pod that was taken out has no more sessions', async () => {
    const seen = new Set(await whereAll(call));
    return !seen.has('v1-2') && seen.has('v1-1') && seen.has('v2-2');
  });
  const before = await whereAll(call);
  await mesh.apply(service());
  await eventually('it has sessions again', async () => (await whereAll(call)).includes('v1-2'));
  const after = await whereAll(call);
  t.ok(
    after.every((where, i) => where === before[i] || where === 'v1-2'),
    'sessions that moved, moved to the pod that joined',
  );
  await mesh.apply(
    meshService(
      'till.shop',
      { v1: 1 },
      { versions: versionsOf(new Map([['v1', backends.get('v1') ?? []]])) },
    ),
  );
  await eventually('a new service is reached', async () => (await call('till')).status === 200);
  running = false;
  await load;
  t.comment(`${requests} requests while everything changed`);
  t.ok(requests > 0);
});

t.test('what it counts is in roost status, as what a sidecar counts is', { skip: ENVOY.skip }, async (t) => {
  const { mesh, call } = await start(t, { loadReportInterval: 200 });
  let requests = 0;
  const loads = async () => (await mesh.client.call<StatusResponse>('Status', {})).load;
  await eventually('both releases have requests', async () => {
    for (let i = 0; i < 20; i++)
      await call('checkout.shop', { headers: { 'x-user-id': String(requests++) } });
    const found = await loads();
    return found.length === 2 && found.every((load) => load.requests > 0 && load.requestsPerSecond > 0);
  });
  t.match(await loads(), [
    { service: 'shop/checkout', release: 'v1', successRate: 1, latencyMs: 0 },
    { service: 'shop/checkout', release: 'v2', successRate: 1, latencyMs: 0 },
  ]);
});
