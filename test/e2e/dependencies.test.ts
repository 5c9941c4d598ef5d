import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { splitHostPort } from '../../src/model/formats.js';
import { Backend } from '../support/backend.js';
import { caller, inParallel } from '../support/calls.js';
import { metric } from '../support/exposition.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type StartedSidecar, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

t.setTimeout(180_000);

const adminText = async ({ admin }: StartedSidecar, path: string) =>
  (await fetch(`http://${admin}${path}`)).text();
/** Names of one type that it holds. */
const held = async (sidecar: StartedSidecar, type: string) => {
  const { config } = JSON.parse(await adminText(sidecar, '/client_status')) as {
    config: [{ genericXdsConfigs: { typeUrl: string; name: string; clientStatus: string }[] }];
  };
  return config[0].genericXdsConfigs
    .filter(({ typeUrl, clientStatus }) => typeUrl.endsWith(`.${type}`) && clientStatus === 'ACKED')
    .map(({ name }) => name)
    .sort()
    .join(' ');
};

/** A control plane with a mesh of some services, each with one backend that tells its name. */
async function startWorld(t: Test, controlPlaneArgs: readonly string[] = []) {
  const started = await startControlPlane(t, controlPlaneArgs);
  let api = new ControlPlaneClient(toAddress(started.grpc));
  t.teardown(() => api.close());
  const call = <T>(method: string, request: object) => api.call<T>(method, request);
  const declare = async (fullName: string, spec: object = {}) => {
    const backend = await Backend.start(t, fullName);
    const versions = [{ name: 'v1', endpoints: [{ address: backend.address }] }];
    await call('Apply', { documents: [toStruct(meshService(fullName, { v1: 1 }, { versions, ...spec }))] });
  };
  await declare('cart.shop');
  await declare('pay.money', { hosts: ['pay.internal'] });
  for (let i = 0; i < 10; i++) await declare(`other-${i}.shop`);
  return {
    grpc: started.grpc,
    call,
    declare,
    process: started.process,
    /** Another control plane has taken its place. */
    reconnect() {
      api.close();
      api = new ControlPlaneClient(toAddress(started.grpc));
    },
    async sidecar(...args: string[]) {
      const flags = ['--service', 'frontend.shop', '--control-plane', started.grpc, ...args];
      const sidecar = await startSidecar(t, flags);
      return { ...sidecar, call: caller(t, sidecar.outbound, 64) };
    },
  };
}

const ready = (sidecar: StartedSidecar) =>
  eventually('it is ready', async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200);

for (const mode of ['delta', 'sotw']) {
  t.test(`--depends-on, ${mode}: what is named is held, by whatever name, and nothing else`, async (t) => {
    const world = await startWorld(t);
    const names = ['cart', 'pay.internal:8080', 'other-0.shop.svc.cluster.local'];
    const sidecar = await world.sidecar('--xds-mode', mode, '--depends-on', names.join(','));
    await ready(sidecar);
    t.equal(await held(sidecar, 'Listener'), [...names].sort().join(' '));
    t.equal(await held(sidecar, 'Cluster'), 'money/pay/v1 shop/cart/v1 shop/other-0/v1');
    // Whoever is named is known by all its names.
    for (const host of ['cart', 'cart.shop', 'cart.shop:8080', 'cart.shop.svc.cluster.local'])
      t.match(await sidecar.call(host), { status: 200, backend: 'cart.shop' }, host);
    for (const host of ['pay.internal', 'pay.money', 'pay.money.svc:8080'])
      t.match(await sidecar.call(host), { status: 200, backend: 'pay.money' }, host);
    t.match(await sidecar.call('other-0'), { status: 200, backend: 'other-0.shop' });
    for (const host of ['other-1', 'pay', 'nosuch'])
      t.match(await sidecar.call(host), { status: 404, headers: { 'x-roost-error': 'unknown-host' } }, host);
    const { clients } = await world.call<StatusResponse>('Status', {});
    t.match(clients, [{ inSync: true, drift: [], service: 'frontend' }]);
    t.match(
      clients[0]?.types.map(({ type, wildcard, names }) => `${type} ${wildcard} ${names}`),
      ['cluster false 3', 'endpoint false 3', 'listener false 4', 'route false 3'],
      'its own service is asked for as well',
    );
    await world.call('Delete', { name: 'cart.shop' });
    await eventually(
      'a dependency that goes is gone',
      async () => (await sidecar.call('cart')).status === 404,
    );
    await world.declare('cart.shop');
    await eventually('and back', async () => (await sidecar.call('cart')).status === 200);
  });
}

t.test('a dependency that nobody has declared keeps no sidecar from being ready', async (t) => {
  const world = await startWorld(t);
  const sidecar = await world.sidecar('--depends-on', 'cart', '--depends-on', 'later,never.shop');
  await ready(sidecar);
  t.match(await sidecar.call('cart'), { status: 200 });
  t.match(await sidecar.call('later'), { status: 404 });
  await world.declare('later.shop');
  await eventually('it is there', async () => (await sidecar.call('later')).status === 200);
});

t.test('--on-demand: a first call waits for its host, and only what is called is held', async (t) => {
  const world = await startWorld(t);
  const sidecar = await world.sidecar('--on-demand', '--on-demand-wait', '20s');
  await ready(sidecar);
  t.equal(await held(sidecar, 'Cluster'), '');
  // Many at once, by several names.
  const hosts = ['cart', 'cart.shop:8080', 'pay.internal', 'pay.money.svc', 'cart.shop.svc.cluster.local'];
  const answers = await inParallel(
    Array.from({ length: 50 }, (_, i) => hosts[i % hosts.length] as string),
    50,
    (host) => sidecar.call(host),
  );
  t.ok(
    answers.every(({ status }) => status === 200),
    JSON.stringify(answers.find(({ status }) => status !== 200)),
  );
  t.equal(await held(sidecar, 'Cluster'), 'money/pay/v1 shop/cart/v1');
  t.match(await sidecar.call('cart', { method: 'POST', body: 'x'.repeat(100_000) }), { status: 200 });
  const [client] = (await world.call<StatusResponse>('Status', {})).clients;
  t.match(client, { inSync: true, drift: [] });

  // What does not exist is known not to, without the wait of 20 s.
  const beganMs = performance.now();
  for (const host of ['nosuch', 'pay', 'cart.shop:9999', 'nosuch.money'])
    t.match(await sidecar.call(host), { status: 404, headers: { 'x-roost-error': 'unknown-host' } }, host);
  t.ok(performance.now() - beganMs < 15_000);
  await world.declare('nosuch.shop');
  await eventually('its coming is noticed', async () => (await sidecar.call('nosuch')).status === 200);
  t.equal(await metric(sidecar.admin, 'roost_on_demand_hosts{state="absent"}'), 3);
  t.equal(await metric(sidecar.admin, 'roost_on_demand_waiting_requests'), 0);

  // A change to what is held arrives; one to anything else does not.
  const sent = await metric(sidecar.admin, 'roost_configuration_revision');
  await world.declare('other-1.shop', { loadBalancer: 'maglev' });
  await world.declare('cart.shop', { loadBalancer: 'maglev' });
  await eventually(
    'the change',
    async () => (await metric(sidecar.admin, 'roost_configuration_revision')) > sent,
  );
  t.equal(await held(sidecar, 'Cluster'), 'money/pay/v1 shop/cart/v1 shop/nosuch/v1');
});

t.test('a request with a body waits, and so does a CONNECT', async (t) => {
  const world = await startWorld(t);
  const sidecar = await world.sidecar('--on-demand');
  await ready(sidecar);
  const posted = await sidecar.call('cart', { method: 'POST', body: 'x'.repeat(1_000_000) });
  t.match(JSON.parse(posted.body), { backend: 'cart.shop', bytes: 1_000_000 });

  const tunnel = async (authority: string) => {
    const { host, port } = splitHostPort(sidecar.outbound) as { host: string; port: number };
    const socket = connect(port, host);
    t.teardown(() => socket.destroy());
    let text = '';
    socket.on('data', (data) => (text += String(data)));
    socket.on('error', () => {});
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await eventually('an answer', () => text.includes('\r\n\r\n'));
    return { socket, text: () => text };
  };
  const granted = await tunnel('pay.money:8080');
  t.match(granted.text(), /^HTTP\/1\.1 200 /);
  granted.socket.write('GET / HTTP/1.1\r\nHost: pay.money:8080\r\nConnection: close\r\n\r\n');
  await once(granted.socket, 'close');
  t.match(granted.text(), /"backend":"pay\.money"/);
  t.equal(await held(sidecar, 'Cluster'), 'money/pay/v1 shop/cart/v1');
  // Nobody declared it: the tunnel is tried, and refused by nobody being there.
  t.match((await tunnel('nosuch.shop.invalid:1')).text(), /^HTTP\/1\.1 502 /);
});

t.test('what nobody calls any more is given up, and asked for again with the next call', async (t) => {
  const world = await startWorld(t);
  const sidecar = await world.sidecar('--on-demand', '--on-demand-idle', '2s', '--depends-on', 'pay.money');
  await ready(sidecar);
  t.match(await sidecar.call('cart'), { status: 200 });
  t.match(await sidecar.call('nosuch'), { status: 404 });
  t.equal(await held(sidecar, 'Cluster'), 'money/pay/v1 shop/cart/v1');
  await eventually('only what was named is held', async () => {
    const names = await held(sidecar, 'Cluster');
    return names === 'money/pay/v1' && (await held(sidecar, 'Listener')) === 'pay.money';
  });
  // The host that is not there was asked for after the other, and may be given up a second later.
  await eventually('the control plane knows it', async () => {
    const [client] = (await world.call<StatusResponse>('Status', {})).clients;
    return client?.types.find(({ type }) => type === 'listener')?.names === 2;
  });
  t.match(await sidecar.call('cart'), { status: 200 });
});

t.test('the control plane goes and comes back; a sidecar restarted meanwhile has what it used', async (t) => {
  const folder = await temporaryFolder(t);
  const dataDir = ['--data-dir', join(folder, 'data')];
  const world = await startWorld(t, dataDir);
  const flags = ['--on-demand', '--on-demand-wait', '500ms', '--state-dir', join(folder, 'state')];
  const before = await world.sidecar(...flags);
  await ready(before);
  t.match(await before.call('cart'), { status: 200 });
  await world.process.kill('SIGKILL');
  await eventually(
    'it has noticed',
    async () => (await metric(before.admin, 'roost_control_plane_connected')) === 0,
  );
  t.match(await before.call('cart'), { status: 200 });
  for (let i = 0; i < 2; i++)
    t.match(
      await before.call('pay.money'),
      { status: 503, headers: { 'x-roost-error': 'not-ready' }, body: /has not said whether it knows pay/ },
      'nobody can say whether there is such a host',
    );
  await before.process.kill('SIGTERM');

  const after = await world.sidecar(...flags);
  await ready(after);
  t.match(await after.call('cart'), { status: 200, backend: 'cart.shop' }, 'from the disk');
  t.match(await after.call('pay.money'), { status: 503 });

  await startControlPlane(t, [...dataDir, '--grpc', world.grpc]);
  world.reconnect();
  await eventually(
    'what was asked for meanwhile',
    async () => (await after.call('pay.money')).status === 200,
  );
  t.match(await after.call('cart'), { status: 200 });
  await eventually('it is in sync', async () => {
    const { clients } = await world.call<StatusResponse>('Status', {});
    return clients.length === 1 && clients[0]?.inSync === true && clients[0].drift.length === 0;
  });
});

t.test('a caller that makes up hosts harms nobody but itself', async (t) => {
  const world = await startWorld(t);
  const sidecar = await world.sidecar('--on-demand', '--on-demand-names', '50');
  await ready(sidecar);
  t.match(await sidecar.call('cart'), { status: 200 });
  const made = Array.from({ length: 3000 }, (_, i) => `made-up-${i}.shop`);
  const answers = await inParallel(made, 64, (host) => sidecar.call(host));
  const counts = new Map<number, number>();
  for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
  t.same([...counts.keys()].sort(), [404, 503], JSON.stringify([...counts]));
  t.match(
    answers.find(({ status }) => status === 503),
    { headers: { 'x-roost-error': 'overloaded' }, body: /new hosts a second|in use on demand/ },
  );
  const [client] = (await world.call<StatusResponse>('Status', {})).clients;
  const names = client?.types.find(({ type }) => type === 'listener')?.names ?? 0;
  t.ok(names <= 51, `${names} names are held`);
  t.ok((await metric(sidecar.admin, 'roost_on_demand_refused_total')) > 1000);
  t.match(await sidecar.call('cart'), { status: 200 }, 'what is in use stays');
  await eventually(
    'others are asked for again',
    async () => (await sidecar.call('pay.money')).status === 200,
  );
});
