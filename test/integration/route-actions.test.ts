import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend, type Echo } from '../support/backend.js';
import { type Call, caller } from '../support/calls.js';
import { FastCaller } from '../support/fast-traffic.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let sidecar: Sidecar;
t.before(async () => {
  mesh = await TestMesh.start(t);
  sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
});

const TO_V1 = [{ version: 'v1', weight: 1 }];

interface Served {
  readonly host: string;
  readonly backend: Backend;
  readonly call: Call;
  /** What reached the backend of a call. */
  seen(path?: string, headers?: Record<string, string>): Promise<Echo>;
}

/** A service with one backend, the given routes, and one route for everything else. */
async function serve(t: Test, ...routes: readonly object[]): Promise<Served> {
  const backend = await Backend.start(t, 'v1-1');
  const all = [...routes.map((route, i) => ({ name: `r${i}`, ...route })), { name: 'rest', split: TO_V1 }];
  const last = routes.findIndex((route) => !('match' in route));
  const service = newService([backend.address], { routes: last === -1 ? all : all.slice(0, last + 1) });
  await mesh.apply(service);
  const { name } = service.metadata;
  const call = caller(t, sidecar.addresses.outbound, 4);
  const seen = async (path = '/', headers = {}) => {
    const answer = await call(name, { path, headers });
    t.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body) as Echo;
  };
  return { host: name, backend, call, seen };
}

async function actionCount(route: string, action: string): Promise<number> {
  const text = await (await fetch(`http://${sidecar.addresses.admin}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('roost_route_actions_total{'));
  const found = lines.find(
    (line) => line.includes(`route="${route}"`) && line.includes(`action="${action}"`),
  );
  return Number(found?.split(' ').at(-1) ?? 0);
}

// ---- headers ----

t.test('request headers are set, added and removed on their way to the app', async (t) => {
  const request = {
    set: { 'x-tier': 'gold', 'x-empty': '', 'user-agent': 'roost 100%' },
    add: { 'x-more': 'theirs' },
    remove: ['x-debug', 'x-request-id'],
  };
  const { seen } = await serve(t, { split: TO_V1, headers: { request } });
  const { headers } = await seen('/', {
    'x-tier': 'forged',
    'X-TIER': 'twice',
    'x-more': 'ours',
    'X-Debug': '1',
    'user-agent': 'someone',
    'x-kept': 'a: b',
  });
  t.match(headers, {
    'x-tier': 'gold',
    'x-empty': '',
    'user-agent': 'roost 100%',
    'x-more': 'ours, theirs',
    'x-kept': 'a: b',
  });
  t.notOk('x-debug' in headers);
  t.notOk('x-request-id' in headers, 'not even the one that the sidecar adds');
});

t.test('response headers are set, added and removed on their way to the caller', async (t) => {
  const backend = await RawBackend.start(t);
  const response = { set: { 'cache-control': 'no-store' }, add: { 'x-via': 'roost' }, remove: ['server'] };
  const routes = [{ name: 'default', split: TO_V1, headers: { response } }];
  const service = newService([backend.address], { routes });
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage(['GET / HTTP/1.1', `Host: ${service.metadata.name}`]);
  const upstream = await backend.next();
  await upstream.request();
  const fields = ['Server: Secret/1.0', 'X-Via: app', 'Cache-Control: public', 'cache-control: private'];
  upstream.sendMessage(['HTTP/1.1 200 OK', ...fields, 'Content-Length: 2'], 'ok');
  const answer = await client.message();
  t.strictSame(answer.fields, ['X-Via: app', 'Content-Length: 2', 'cache-control: no-store', 'x-via: roost']);
  t.equal(answer.body, 'ok');
});

t.test('a session gets its cookie whatever the route removes', async (t) => {
  const backend = await Backend.start(t, 'v1-1');
  const headers = { response: { remove: ['set-cookie'] }, request: { remove: ['baggage'] } };
  const service = newService([], {
    versions: [{ name: 'v1', lane: 'blue', endpoints: [{ address: backend.address }] }],
    routes: [{ name: 'default', split: TO_V1, headers }],
    affinity: { key: [{ cookie: 'sid' }], version: 'persistent' },
  });
  await mesh.apply(service);
  const answer = await caller(t, sidecar.addresses.outbound)(service.metadata.name, {
    headers: { baggage: 'a=b' },
  });
  t.match(answer.headers['set-cookie'], /^sid=/);
  t.match(JSON.parse(answer.body).headers.baggage, /roost-lane=blue/, 'nor does it take the lane away');
});

// ---- rewrites ----

t.test('a new prefix takes the place of the one that matched, and the query stays', async (t) => {
  const { seen } = await serve(
    t,
    { match: [{ path: { prefix: '/api/v1' } }], split: TO_V1, rewrite: { prefix: '/v2' } },
    { match: [{ path: { prefix: '/app' } }], split: TO_V1, rewrite: { prefix: '/' } },
    { match: [{ path: { exact: '/a.b' } }], split: TO_V1, rewrite: { prefix: '/c\\1$1' } },
  );
  for (const [path, expected] of [
    ['/api/v1', '/v2'],
    ['/api/v1/', '/v2/'],
    ['/api/v1/users?id=/api/v1/&b', '/v2/users?id=/api/v1/&b'],
    ['/api/v1?x', '/v2?x'],
    ['/api/v1/api/v1/', '/v2/api/v1/'],
    ['/api/v10', '/api/v10'],
    ['/app', '/'],
    ['/app/', '/'],
    ['/app/a//b?', '/a//b?'],
    ['/a.b', '/c\\1$1'],
    ['/axb', '/axb'],
  ] as const)
    t.equal((await seen(path)).url, expected, path);
});

t.test('a whole new path, and a new host', async (t) => {
  const { seen, host } = await serve(
    t,
    {
      match: [{ path: { regex: '/old.*' } }],
      split: TO_V1,
      rewrite: { path: '/new', host: 'inside.example' },
    },
    { match: [{ method: 'OPTIONS' }], split: TO_V1, rewrite: { path: '/new' } },
  );
  t.match(await seen('/old/way?q=1'), { url: '/new?q=1', headers: { host: 'inside.example' } });
  t.match(await seen('/older'), { url: '/new', headers: { host: 'inside.example' } });
  t.match(await seen('/other'), { url: '/other', headers: { host } });
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage(['OPTIONS * HTTP/1.1', `Host: ${host}`]);
  t.equal(JSON.parse((await client.message()).body).url, '*', 'which is not a path');
});

t.test('a retry is sent what the first try was sent', async (t) => {
  const backend = await RawBackend.start(t);
  const rewrite = { prefix: '/x', host: 'inside.example' };
  const headers = { request: { set: { 'x-a': '1' } } };
  const routes = [{ name: 'default', split: TO_V1, retries: { attempts: 1, on: ['503'] }, rewrite, headers }];
  const service = newService([backend.address], { routes });
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage(['GET /y HTTP/1.1', `Host: ${service.metadata.name}`]);
  const upstream = await backend.next();
  const first = await upstream.request();
  t.equal(first.line, 'GET /x/y HTTP/1.1');
  t.equal(first.fields[0], 'Host: inside.example');
  upstream.sendMessage(['HTTP/1.1 503 Busy', 'Content-Length: 0']);
  t.strictSame(await (await backend.next()).request(), first);
});

// ---- redirects ----

t.test('a redirect is answered without an upstream', async (t) => {
  const service = newService(['127.0.0.1:1'], {
    routes: [
      { name: 'https', match: [{ path: { prefix: '/https' } }], redirect: { scheme: 'https', status: 308 } },
      {
        name: 'moved',
        match: [{ path: { exact: '/moved' } }],
        redirect: { host: 'new.example', port: 8443 },
      },
      { name: 'path', match: [{ path: { prefix: '/path' } }], redirect: { path: '/there' } },
      {
        name: 'prefix',
        match: [{ path: { prefix: '/old' } }],
        redirect: { prefix: '/new', scheme: 'https', host: 'new.example', port: 443, status: 301 },
        headers: { response: { set: { 'cache-control': 'max-age=60' } } },
      },
      { name: 'rest', split: TO_V1 },
    ],
  });
  await mesh.apply(service);
  const { name } = service.metadata;
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  for (const [method, path, status, location] of [
    ['GET', '/https/a?b=c', 308, `https://${name}/https/a?b=c`],
    ['GET', '/moved?', 302, 'http://new.example:8443/moved'],
    ['HEAD', '/path/x?q', 302, `http://${name}:80/there?q`],
    ['GET', '/old/x?q', 301, 'https://new.example/new/x?q'],
  ] as const) {
    client.sendMessage([`${method} ${path} HTTP/1.1`, `Host: ${name}:80`]);
    const answer = await client.message();
    t.match(answer.line, new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`));
    t.equal(fieldOf(answer.fields, 'location'), location);
    t.equal(answer.body, '');
    t.equal(fieldOf(answer.fields, 'x-roost-error'), undefined, 'nothing went wrong');
    t.equal(fieldOf(answer.fields, 'cache-control'), path.startsWith('/old') ? 'max-age=60' : undefined);
  }
  client.sendMessage(['POST /path HTTP/1.1', `Host: ${name}`, 'Content-Length: 3'], 'abc');
  t.match((await client.message()).line, /302/);
  t.equal(await actionCount('path', 'redirected'), 2);
  client.sendMessage(['GET /path HTTP/1.0']);
  t.equal(await client.gone(), 'ended');
});

t.test(
  'a client that has not sent its whole body is told to stop by the end of the connection',
  async (t) => {
    const { host } = await serve(t, { redirect: { path: '/there' } });
    const client = await RawPeer.connect(t, sidecar.addresses.outbound);
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 100000'], 'abc');
    const answer = await client.message();
    t.equal(fieldOf(answer.fields, 'connection'), 'close');
    t.equal(await client.gone(), 'ended');
  },
);

// ---- faults ----

t.test('a fault answers with its status, and says that it is one', async (t) => {
  const { host, backend } = await serve(
    t,
    { match: [{ path: { exact: '/503' } }], split: TO_V1, fault: { abort: { status: 503 } } },
    { match: [{ path: { exact: '/418' } }], split: TO_V1, fault: { abort: { status: 418 } } },
    { match: [{ path: { exact: '/204' } }], split: TO_V1, fault: { abort: { status: 204 } } },
    { match: [{ path: { exact: '/304' } }], split: TO_V1, fault: { abort: { status: 304 } } },
  );
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const fault = async (path: string) => {
    client.sendMessage([`GET ${path} HTTP/1.1`, `Host: ${host}`]);
    const answer = await client.message();
    t.equal(fieldOf(answer.fields, 'x-roost-error'), 'fault-injected');
    return answer;
  };
  t.match(await fault('/503'), { line: 'HTTP/1.1 503 Service Unavailable', body: /^a fault.*: r0\n$/ });
  t.match(await fault('/418'), { line: /^HTTP\/1\.1 418 / });
  // Neither has a body, so nothing of one may be in the way of what follows (RFC 9112 section 6.3).
  t.match(await fault('/204'), { line: 'HTTP/1.1 204 No Content' });
  t.match(await fault('/304'), { line: 'HTTP/1.1 304 Not Modified' });
  t.match(await fault('/503'), { body: /^a fault/ });
  t.equal(backend.requests, 0);
  t.ok((await actionCount('r1', 'aborted')) >= 1);
});

t.test('a fault befalls as many requests as it says', async (t) => {
  const { host } = await serve(t, { split: TO_V1, fault: { abort: { status: 500, percent: 30 } } });
  const fast = new FastCaller(t, sidecar.addresses.outbound);
  const answers = await fast.all(Array.from({ length: 2000 }, () => ({ host })));
  const aborted = answers.filter(({ status }) => status === 500).length;
  // Six standard deviations either way.
  t.ok(aborted > 477 && aborted < 723, `${aborted} of 2000`);
});

t.test('a delay holds a request back, body and all, and then lets it go', async (t) => {
  const backend = await RawBackend.start(t);
  const routes = [{ name: 'slow', split: TO_V1, fault: { delay: { duration: '150ms' } } }];
  const service = newService([backend.address], { routes });
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const start = performance.now();
  const body = 'x'.repeat(200_000);
  client.sendMessage(['POST / HTTP/1.1', `Host: ${service.metadata.name}`, `Content-Length: ${body.length}`]);
  client.send(body);
  const upstream = await backend.next();
  // The sidecar's clock ticks every 50 ms; a timer never fires early by more than that.
  t.ok(performance.now() - start >= 99, 'not before its time');
  t.equal((await upstream.request()).body, body);
  upstream.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'ok');
  t.equal((await client.message()).body, 'ok');
  t.equal(await actionCount('slow', 'delayed'), 1);
});

t.test('a delay may end in an abort, and in the time limit; a client may leave meanwhile', async (t) => {
  const fault = { delay: { duration: '100ms' }, abort: { status: 500 } };
  const forever = { delay: { duration: '1h' } };
  const { host, backend } = await serve(
    t,
    { match: [{ path: { exact: '/both' } }], split: TO_V1, fault },
    { match: [{ path: { exact: '/limit' } }], split: TO_V1, fault: forever, timeout: '100ms' },
    { match: [{ path: { exact: '/leave' } }], split: TO_V1, fault: forever },
  );
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage(['GET /both HTTP/1.1', `Host: ${host}`]);
  t.match((await client.message()).line, /500/);
  client.sendMessage(['GET /limit HTTP/1.1', `Host: ${host}`]);
  const late = await client.message();
  t.match(late.line, /504/);
  t.equal(fieldOf(late.fields, 'x-roost-error'), 'request-timeout');
  client.sendMessage(['GET /leave HTTP/1.1', `Host: ${host}`]);
  client.destroy();
  const other = await RawPeer.connect(t, sidecar.addresses.outbound);
  other.sendMessage(['GET /rest HTTP/1.1', `Host: ${host}`]);
  t.match((await other.message()).line, /200/);
  t.equal(backend.requests, 1);
});
