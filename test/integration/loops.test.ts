import { createServer, request as newRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

const start = (options: Parameters<TestMesh['sidecar']>[0] = {}) =>
  mesh.sidecar({ drainTimeoutMs: 0, ...options });

/** Requests that a sidecar's ports have begun. */
async function passesOf(sidecar: Sidecar): Promise<number> {
  const text = await (await fetch(`http://${sidecar.addresses.admin}/metrics`)).text();
  const counts = [...text.matchAll(/^roost_(?:inbound_)?requests_total\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

const routed = (extra: object) => ({
  routes: [{ name: 'all', split: [{ version: 'v1', weight: 1 }], ...extra }],
});

for (const workers of [1, 2])
  t.test(
    `an endpoint that is the sidecar’s own outbound port: 508 at once, ${workers} worker(s)`,
    async (t) => {
      const sidecar = await start({ workers });
      const service = newService([sidecar.addresses.outbound]);
      await mesh.apply(service);
      const call = caller(t, sidecar.addresses.outbound);
      const answer = await call(service.metadata.name, { path: '/a?b' });
      t.equal(answer.status, 508);
      t.equal(answer.headers['x-roost-error'], 'loop-detected');
      t.match(answer.body, 'has been here before');
      await eventually('both passes are counted', async () => (await passesOf(sidecar)) >= 2);
      t.equal(await passesOf(sidecar), 2);
    },
  );

t.test('retries and changed paths do not multiply the rounds', async (t) => {
  const sidecar = await start();
  const { outbound } = sidecar.addresses;
  const retries = { attempts: 3, on: ['5xx'] };
  const retried = newService([outbound], routed({ retries }));
  const growing = newService(
    [outbound],
    routed({ retries, rewrite: { prefix: '/x/' }, match: [{ path: { prefix: '/' } }] }),
  );
  await mesh.apply(retried, growing);
  const call = caller(t, outbound);
  t.equal((await call(retried.metadata.name)).status, 508);
  await eventually('both passes are counted', async () => (await passesOf(sidecar)) >= 2);
  t.equal(await passesOf(sidecar), 2);
  t.equal((await call(growing.metadata.name, { path: '/y' })).status, 508);
  t.ok((await passesOf(sidecar)) <= 2 + 34, 'a path that grows');
});

t.test('over two sidecars, whichever the request starts from', async (t) => {
  const [a, b] = [await start(), await start()];
  const [toA, toB] = [newService([a.addresses.outbound]), newService([b.addresses.outbound])];
  const rewrite = (service: object, to: typeof toA) => ({
    rewrite: { host: `${to.metadata.name}.shop` },
    ...service,
  });
  toA.spec = { ...toA.spec, ...routed(rewrite({}, toB)) };
  toB.spec = { ...toB.spec, ...routed(rewrite({}, toA)) };
  await mesh.apply(toA, toB);
  const answer = await caller(t, a.addresses.outbound)(`${toB.metadata.name}.shop`);
  t.equal(answer.status, 508);
  t.equal(answer.headers['x-roost-error'], 'loop-detected');
  await eventually('all passes are counted', async () => (await passesOf(a)) + (await passesOf(b)) >= 3);
  t.equal((await passesOf(a)) + (await passesOf(b)), 3);
});

t.test('an app that is the sidecar’s own inbound port', async (t) => {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => probe.once('listening', listening));
  const { port } = probe.address() as AddressInfo;
  await new Promise((closed) => probe.close(closed));
  const here = { host: '127.0.0.1', port };
  const sidecar = await start({ inbound: here, app: here });
  const answer = await caller(t, sidecar.addresses.inbound)('app');
  t.equal(answer.status, 508);
  t.equal(answer.headers['x-roost-error'], 'loop-detected');
});

/** An app that answers `/last` itself, and calls another service for all else, with the headers that it got or without. */
async function startHop(
  t: Test,
  keepsHeaders: boolean,
  next: () => { outbound: string; host: string; path: string },
) {
  return Backend.start(t, 'hop', (incoming, response) => {
    if (incoming.url === '/last') {
      response.end('made it');
      return;
    }
    const { outbound, host, path } = next();
    const headers = { ...(keepsHeaders ? incoming.headers : {}), host };
    newRequest({ ...toAddress(outbound), path, headers, agent: false }, (answer) => {
      response.statusCode = answer.statusCode ?? 0;
      answer.pipe(response);
    }).end();
  });
}

for (const keepsHeaders of [false, true])
  t.test(
    `A → B → A is no loop where apps ${keepsHeaders ? 'hand on all headers' : 'make new requests'}`,
    async (t) => {
      const hops: { outbound: string; host: string; path: string }[] = [];
      const nextHop = () => hops.shift() ?? { outbound: '', host: '', path: '' };
      const apps = [await startHop(t, keepsHeaders, nextHop), await startHop(t, keepsHeaders, nextHop)];
      const pods = await Promise.all(apps.map(({ address }) => start({ app: toAddress(address) })));
      const services = pods.map(({ addresses }) => newService([addresses.inbound]));
      await mesh.apply(...services);
      const [a, b] = pods as [Sidecar, Sidecar];
      const [hostA, hostB] = services.map(({ metadata }) => metadata.name) as [string, string];
      hops.push(
        { outbound: b.addresses.outbound, host: hostA, path: '/back' },
        { outbound: a.addresses.outbound, host: hostB, path: '/last' },
      );
      const answer = await caller(t, a.addresses.outbound)(hostB, { path: '/first' });
      t.equal(answer.status, 200);
      t.equal(answer.body, 'made it');
    },
  );
