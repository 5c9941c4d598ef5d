import t, { type Test } from 'tap';
import { packAny } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../src/xds/listener.js';
import {
  COOKIE_STATE_TYPE,
  HEADER_STATE_TYPE,
  STATEFUL_SESSION_TYPE,
} from '../../src/xds/stateful-session-config.js';
import { bodyOf, moved, releaseOf, share } from '../support/case-world.js';
import { type FastAnswer, FastCaller, type NamedBackend, startBackends } from '../support/fast-traffic.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { PlainAdsServer } from '../support/plain-ads-server.js';
import { eventually } from '../support/processes.js';

/** A sidecar that a control plane of another make drives, with Envoy's own fields and nothing of ours. */

const HOST = 'checkout.example';
const ADS = { ads: {}, resourceApiVersion: 'V3' };
const users = Array.from({ length: 1000 }, (_, i) => i);

interface Setting {
  /** Of the weighted clusters `v1` and `v2`. */
  readonly weights: readonly [number, number];
  readonly useHashPolicy?: boolean;
  readonly hashPolicy?: readonly object[];
  /** Session state of the HTTP filter. */
  readonly sessionState?: object;
  readonly strict?: boolean;
}

function routesOf({ weights, useHashPolicy = false, hashPolicy = [] }: Setting): object {
  const clusters = ['v1', 'v2'].map((name, i) => ({ name, weight: { value: weights[i] } }));
  const action = {
    weightedClusters: { clusters, useHashPolicy: { value: useHashPolicy } },
    hashPolicy,
    timeout: toDuration(0),
    retryPolicy: { retryOn: 'connect-failure', numRetries: { value: 2 } },
  };
  return {
    name: 'routes',
    virtualHosts: [{ name: 'all', domains: [HOST], routes: [{ match: { prefix: '/' }, route: action }] }],
  };
}

function listenerOf({ sessionState, strict = false }: Setting): object {
  const stateful = {
    name: 'stateful',
    typedConfig: packAny(STATEFUL_SESSION_TYPE, { sessionState, strict }),
  };
  const manager = {
    rds: { routeConfigName: 'routes', configSource: ADS },
    httpFilters: [
      ...(sessionState ? [stateful] : []),
      { name: 'router', typedConfig: packAny(ROUTER_TYPE, {}) },
    ],
  };
  return { name: 'outbound', apiListener: { apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, manager) } };
}

const clusterOf = (name: string) => ({
  name,
  type: 'EDS',
  edsClusterConfig: { edsConfig: ADS },
  lbPolicy: 'RING_HASH',
});

function assignmentOf(clusterName: string, backends: readonly NamedBackend[]): object {
  const lbEndpoints = backends.map(({ address }) => {
    const { host, port } = toAddress(address);
    return { endpoint: { address: { socketAddress: { address: host, portValue: port } } } };
  });
  return { clusterName, endpoints: [{ lbEndpoints }] };
}

async function start(t: Test, setting: Setting) {
  const backends = await startBackends(t, { v1: 3, v2: 3 });
  const of = (release: string) => backends.get(release) as NamedBackend[];
  const server = await PlainAdsServer.start(t, {
    listener: { outbound: listenerOf(setting) },
    route: { routes: routesOf(setting) },
    cluster: { v1: clusterOf('v1'), v2: clusterOf('v2') },
    endpoint: { v1: assignmentOf('v1', of('v1').slice(0, 2)), v2: assignmentOf('v2', of('v2')) },
  });
  const mesh = await TestMesh.start(t);
  const { addresses } = await mesh.sidecar({ controlPlanes: [toAddress(server.address)] });
  const caller = new FastCaller(t, addresses.outbound);
  const callAll = (cookies: readonly string[] = []) =>
    caller.all(
      users.map((user) => ({
        host: HOST,
        headers: [
          ['x-user-id', `user-${user}`] as const,
          ...(cookies[user] ? [['cookie', cookies[user]] as const] : []),
        ],
      })),
    );
  return { server, caller, callAll, of };
}

const bodies = (answers: readonly FastAnswer[]) => answers.map(bodyOf);
const cookieOf = ({ setCookie = '' }: FastAnswer) => setCookie.split(';')[0] as string;
const BY_USER = [{ header: { headerName: 'x-user-id' }, terminal: true }];

t.test(
  'weighted clusters with use_hash_policy: sessions stick, and a weight change moves the fewest',
  async (t) => {
    const setting: Setting = { weights: [70, 30], useHashPolicy: true, hashPolicy: BY_USER };
    const { server, callAll } = await start(t, setting);
    const first = bodies(await callAll());
    t.same(bodies(await callAll()), first);
    t.ok(Math.abs(share(first, 'v2') - 0.3) < 0.06, `${share(first, 'v2')}`);
    server.replace('route', 'routes', routesOf({ ...setting, weights: [60, 40] }));
    await eventually('more go to v2', async () => share(bodies(await callAll()), 'v2') > share(first, 'v2'));
    const after = bodies(await callAll());
    const changed = moved(first, after);
    t.ok(
      changed.every((i) => releaseOf(after[i]) === 'v2'),
      'all that moved went to v2',
    );
    t.ok(Math.abs(changed.length / users.length - 0.1) < 0.05, `${changed.length} moved`);
    t.same(server.rejections, []);
  },
);

t.test('a cookie policy with a ttl: the first response already belongs to the session', async (t) => {
  const hashPolicy = [{ cookie: { name: 'sid', ttl: toDuration(60_000), path: '/' } }];
  const { callAll } = await start(t, { weights: [50, 50], useHashPolicy: true, hashPolicy });
  const first = await callAll();
  t.match(first[0]?.setCookie, /^sid=[\w-]+; Path=\/; Max-Age=60; HttpOnly$/);
  const again = await callAll(first.map(cookieOf));
  t.same(bodies(again), bodies(first));
  t.ok(again.every(({ setCookie }) => setCookie === undefined));
});

t.test('a cookie that would split the response is refused, and what was there stays', async (t) => {
  const cookie = (path: string) => [{ cookie: { name: 'sid', ttl: toDuration(60_000), path } }];
  const { server, callAll } = await start(t, { weights: [1, 0], hashPolicy: cookie('/') });
  const splitting = cookie('/\r\nx-evil: 1');
  server.replace('route', 'routes', routesOf({ weights: [0, 1], hashPolicy: splitting }));
  await eventually('it is refused', async () => server.rejections.length > 0);
  t.match(server.rejections[0], /hash_policy\[0\]\.cookie\.path: is not a path of a cookie/);
  const [first] = await callAll();
  t.equal(releaseOf(bodyOf(first as FastAnswer)), 'v1');
  t.match(first?.setCookie, /; Path=\/; /);
});

const STATE = {
  name: 'cookie',
  typedConfig: packAny(COOKIE_STATE_TYPE, { cookie: { name: 'at', path: '/', ttl: toDuration(60_000) } }),
};

t.test('stateful_session by cookie: keeps endpoint and release, through weights and new pods', async (t) => {
  const setting: Setting = { weights: [50, 50], sessionState: STATE };
  const { server, callAll, of, caller } = await start(t, setting);
  const first = await callAll();
  t.match(first[0]?.setCookie, /^at="[\w+/=]+"; Max-Age=60; Path=\/; HttpOnly$/);
  const cookies = first.map(cookieOf);
  const address = Buffer.from(/"(.*)"/.exec(cookies[0] ?? '')?.[1] ?? '', 'base64').toString();
  const home = [...of('v1'), ...of('v2')].find((backend) => backend.address === address);
  t.equal(home?.name, bodyOf(first[0] as FastAnswer), 'it names the endpoint as Envoy does');
  const again = await callAll(cookies);
  t.same(bodies(again), bodies(first));
  t.ok(
    again.every(({ setCookie }) => setCookie === undefined),
    'no second cookie',
  );
  server.replace('endpoint', 'v1', assignmentOf('v1', of('v1')));
  server.replace('route', 'routes', routesOf({ ...setting, weights: [1, 999] }));
  await eventually('new sessions follow the weights', async () => share(bodies(await callAll()), 'v2') > 0.9);
  t.same(bodies(await callAll(cookies)), bodies(first), 'old ones stay');

  // Envoy's newer values hold an expiry beside the address.
  const bytes = Buffer.concat([
    Buffer.from([0x0a, address.length]),
    Buffer.from(address),
    Buffer.from([0x10, 7]),
  ]);
  const withExpiry = [['cookie', `at="${bytes.toString('base64')}"`] as const];
  t.equal(bodyOf(await caller.one({ host: HOST, headers: withExpiry })), home?.name);
  for (const garbage of ['', '%', 'A'.repeat(9000), Buffer.from('10.0.0.1:1').toString('base64'), 'CgA=']) {
    const { status, setCookie } = await caller.one({ host: HOST, headers: [['cookie', `at="${garbage}"`]] });
    t.equal(status, 200);
    t.match(setCookie, /^at="/, `replaced: ${garbage.slice(0, 10)}`);
  }

  await home?.stop();
  const moves = await caller.one({ host: HOST, headers: [['cookie', cookies[0] as string]] });
  t.equal(releaseOf(bodyOf(moves)), releaseOf(home?.name), 'its pod is gone: another of its release');
  t.match(moves.setCookie, /^at="/, 'and a cookie that says so');
  t.same(server.rejections, []);
});

t.test('stateful_session, strict: no other endpoint will do', async (t) => {
  const { caller, callAll } = await start(t, { weights: [50, 50], sessionState: STATE, strict: true });
  const first = await callAll();
  t.same(bodies(await callAll(first.map(cookieOf))), bodies(first));
  const gone = `at="${Buffer.from('10.0.0.1:80').toString('base64')}"`;
  t.match(await caller.one({ host: HOST, headers: [['cookie', gone]] }), {
    status: 503,
    error: 'no-endpoint',
  });
});

t.test('stateful_session by header: the address comes and goes in the header', async (t) => {
  const sessionState = { name: 'header', typedConfig: packAny(HEADER_STATE_TYPE, { name: 'X-At' }) };
  const { caller, of } = await start(t, { weights: [0, 1], sessionState });
  for (const { name, address } of of('v2')) {
    const headers = [['x-at', Buffer.from(address).toString('base64')] as const];
    t.equal(bodyOf(await caller.one({ host: HOST, headers })), name);
  }
});

t.test('hosts asked for as they are called, of a control plane that names listeners by host', async (t) => {
  const setting: Setting = { weights: [100, 0] };
  const backends = await startBackends(t, { v1: 1, v2: 1 });
  const of = (release: string) => backends.get(release) as NamedBackend[];
  const listener = { ...listenerOf(setting), name: HOST };
  const server = await PlainAdsServer.start(t, {
    listener: { [HOST]: listener, 'unrelated.example': { ...listener, name: 'unrelated.example' } },
    route: { routes: routesOf(setting) },
    cluster: { v1: clusterOf('v1'), v2: clusterOf('v2') },
    endpoint: { v1: assignmentOf('v1', of('v1')), v2: assignmentOf('v2', of('v2')) },
  });
  const mesh = await TestMesh.start(t);
  const onDemand = { waitMs: 10_000, idleMs: 600_000, maxNames: 10 };
  const { addresses } = await mesh.sidecar({
    controlPlanes: [toAddress(server.address)],
    dependencies: { names: [], onDemand },
  });
  const caller = new FastCaller(t, addresses.outbound);
  const statusOf = async (host: string) => (await caller.one({ host, headers: [] })).status;
  t.equal(await statusOf(HOST), 200);
  t.equal(await statusOf('nosuch.example'), 404);
  const dump = await (await fetch(`http://${addresses.admin}/config_dump`)).json();
  t.match(dump, { listeners: [{ name: HOST }] });
  t.equal((dump as { listeners: object[] }).listeners.length, 1, 'what was not called is not there');

  server.replace('listener', HOST, { name: HOST, apiListener: { apiListener: packAny(ROUTER_TYPE, {}) } });
  await eventually('the listener is refused', () => server.rejections.length === 1);
  t.match(server.rejections[0], new RegExp(`listener ${HOST}: `));
  server.replace('route', 'routes', {
    name: 'routes',
    virtualHosts: [{ name: 'all', domains: ['*'], routes: [{}] }],
  });
  await eventually('so are the routes', () => server.rejections.length === 2);
  t.equal(await statusOf(HOST), 200, 'the version before stays');
});

t.test('one resource that is refused holds nothing else back, at the start or later', async (t) => {
  const backends = await startBackends(t, { good: 1, bad: 1 });
  const routes = (...names: string[]) => ({
    name: 'routes',
    virtualHosts: names.map((name) => ({
      name,
      domains: [`${name}.example`],
      routes: [{ match: { prefix: '/' }, route: { cluster: name } }],
    })),
  });
  const broken = (name: string) => ({ ...clusterOf(name), connectTimeout: toDuration(0) });
  const server = await PlainAdsServer.start(t, {
    listener: { outbound: listenerOf({ weights: [1, 1] }) },
    route: { routes: routes('good', 'bad') },
    cluster: { good: clusterOf('good'), bad: broken('bad') },
    endpoint: {
      good: assignmentOf('good', backends.get('good') as NamedBackend[]),
      bad: assignmentOf('bad', backends.get('bad') as NamedBackend[]),
    },
  });
  const began = performance.now();
  const mesh = await TestMesh.start(t);
  const { addresses } = await mesh.sidecar({ controlPlanes: [toAddress(server.address)] });
  const caller = new FastCaller(t, addresses.outbound);
  const call = async (name: string) => (await caller.all([{ host: `${name}.example` }]))[0] as FastAnswer;
  t.equal((await call('good')).status, 200);
  t.equal((await call('bad')).status, 503);
  t.ok(performance.now() - began < 12_000, 'the sidecar has not waited for what it has refused');
  t.match(server.rejections, [/^cluster bad: connect_timeout: /]);

  server.replace('cluster', 'bad', clusterOf('bad'));
  await eventually('the repaired cluster is in force', async () => (await call('bad')).status === 200);
  server.replace('cluster', 'bad', broken('bad'));
  await eventually('it is refused again', () => server.rejections.length > 1);
  server.replace('route', 'routes', routes('good', 'bad', 'other'));
  t.equal((await call('bad')).status, 200, 'what was here before stays in force');
});
