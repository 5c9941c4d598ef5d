import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { newSessionKey, RANDOM_BYTES } from '../../src/routing/session-cookie.js';
import { Backend, type Handler, startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
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

const HOUR = 3600;
const TO_V1 = [{ version: 'v1', weight: 1 }];
const BALANCED = { key: [{ cookie: { name: 'sid', ttl: '1h' } }], version: 'balanced', endpoint: 'balanced' };
const PERSISTENT = { ...BALANCED, version: 'persistent', endpoint: 'persistent' };

/** A cookie as a sidecar made it so many seconds ago. */
function cookieMade(secondsAgo: number): string {
  return `sid=${newSessionKey(randomBytes(RANDOM_BYTES), Date.now() / 1000 - secondsAgo)}`;
}

/** Answers with the status that its path says. */
const statusOfPath: Handler = (request, response) => {
  request.resume();
  response.statusCode = Number(request.url?.slice(1)) || 200;
  response.end();
};

async function serve(t: Test, spec: object, handler: Handler = statusOfPath) {
  const backend = await Backend.start(t, 'v1-1', handler);
  const service = newService([backend.address], { routes: [{ name: 'rest', split: TO_V1 }], ...spec });
  await mesh.apply(service);
  const call = caller(t, sidecar.addresses.outbound, 2);
  const cookiesOf = async (path: string, cookie: string, method = 'GET') => {
    const { headers } = await call(service.metadata.name, { path, method, headers: { cookie } });
    return [headers['set-cookie'] ?? []].flat();
  };
  return { host: service.metadata.name, cookiesOf };
}

t.test('S6: whatever the app answers, a cookie that is half over is renewed, and only then', async (t) => {
  const { cookiesOf } = await serve(t, { affinity: BALANCED });
  for (const [method, path] of [
    ['GET', '/200'],
    ['HEAD', '/200'],
    ['POST', '/201'],
    ['GET', '/204'],
    ['GET', '/302'],
    ['GET', '/304'],
    ['GET', '/404'],
    ['GET', '/500'],
  ] as const) {
    const what = `${method} ${path}`;
    const cookie = cookieMade(0.6 * HOUR);
    const set = await cookiesOf(path, cookie, method);
    t.equal(set.length, 1, what);
    const [renewed = '', ...attributes] = (set[0] ?? '').split('; ');
    t.ok(renewed.startsWith(`${cookie}:`), `${what}: the same session`);
    t.same(attributes, ['Path=/', 'Max-Age=3600', 'SameSite=Lax', 'HttpOnly']);
    t.same(await cookiesOf(path, renewed, method), [], `${what}: once`);
    t.same(await cookiesOf(path, cookieMade(0.4 * HOUR), method), [], `${what}: not before`);
  }
});

t.test('S6: an upgrade renews a cookie, too', async (t) => {
  const backend = await RawBackend.start(t);
  const service = newService([backend.address], { affinity: BALANCED });
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
  const cookie = cookieMade(0.9 * HOUR);
  client.sendMessage(['GET / HTTP/1.1', `Host: ${service.metadata.name}`, `Cookie: ${cookie}`, ...upgrade]);
  const upstream = await backend.next();
  await upstream.request();
  upstream.sendMessage(['HTTP/1.1 101 Switching Protocols', ...upgrade]);
  const { line, fields } = await client.message();
  t.match(line, / 101 /);
  t.ok(fieldOf(fields, 'set-cookie')?.startsWith(`${cookie}:`));
});

t.test('S6: an answer that the sidecar makes itself sets no cookie', async (t) => {
  const at = (path: string, route: object) => ({
    name: path.slice(1),
    match: [{ path: { exact: path } }],
    ...route,
  });
  const routes = [
    at('/moved', { redirect: { path: '/new' } }),
    at('/fault', { split: TO_V1, fault: { abort: { status: 503 } } }),
    at('/slow', { split: TO_V1, timeout: '50ms' }),
    { name: 'rest', split: TO_V1 },
  ];
  const { cookiesOf } = await serve(t, { affinity: PERSISTENT, routes }, (request, response) => {
    if (request.url !== '/slow') response.end();
  });
  for (const path of ['/moved', '/fault', '/slow']) {
    t.same(await cookiesOf(path, ''), [], `${path}: none is made`);
    t.same(await cookiesOf(path, cookieMade(0.9 * HOUR)), [], `${path}: none is renewed`);
  }
  t.equal((await cookiesOf('/', '')).length, 1);
});

t.test("S6: an app's own session keeps its pod from the answer that begins it, and its cookie", async (t) => {
  let sessions = 0;
  const app: Handler = (request, response, { name }) => {
    request.resume();
    const theirs = /JSESSIONID=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
    // A session begins, and at its login gets another name, as frameworks do against fixation.
    const next = theirs === undefined || request.url === '/login' ? `${name}-${++sessions}` : undefined;
    if (next !== undefined) response.setHeader('set-cookie', [`JSESSIONID=${next}; Path=/; HttpOnly`]);
    response.end(JSON.stringify({ backend: name }));
  };
  const releases = await startReleases(t, { v1: 3, v2: 3 }, app);
  const affinity = { ...PERSISTENT, key: [{ cookie: { name: 'JSESSIONID', mint: false } }] };
  const split = ['v1', 'v2'].map((version) => ({ version, weight: 1 }));
  const service = newService([], {
    affinity,
    versions: versionsOf(releases),
    routes: [{ name: 'default', split }],
  });
  await mesh.apply(service);
  const call = caller(t, sidecar.addresses.outbound, 8);
  const visit = async (cookie: string, path = '/') => {
    const { headers, backend } = await call(service.metadata.name, { path, headers: { cookie } });
    const set = [headers['set-cookie'] ?? []].flat();
    return { backend, set, cookie: set[0]?.split(';')[0] ?? cookie };
  };
  for (let i = 0; i < 50; i++) {
    const first = await visit('');
    t.equal(first.set.length, 1, "the app's, and none beside it");
    const login = await visit(first.cookie, '/login');
    t.not(login.cookie, first.cookie);
    const later = [await visit(login.cookie), await visit(login.cookie)];
    t.same(
      [login, ...later].map(({ backend }) => backend),
      [first.backend, first.backend, first.backend],
    );
    t.same(
      later.map(({ set }) => set),
      [[], []],
      'never overwritten',
    );
  }
});
