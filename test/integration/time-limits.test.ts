import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf, type PlainMessage } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

/**
 * What must not happen in time is given an hour, what must is given little: neither depends on how fast the machine
 * is.
 */
const SHORT = '150ms';
const LONG = '1h';

let mesh: TestMesh;
let sidecar: Sidecar;
t.before(async () => {
  mesh = await TestMesh.start(t);
  sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
});

const TO_V1 = [{ version: 'v1', weight: 1 }];

async function serve(t: Test, route: object, spec: object = {}, more: readonly string[] = []) {
  const backend = await RawBackend.start(t);
  const routes = [{ name: 'default', split: TO_V1, ...route }];
  const service = newService([...more, backend.address], { routes, ...spec });
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const host = service.metadata.name;
  const get = (...fields: string[]) => client.sendMessage(['GET / HTTP/1.1', `Host: ${host}`, ...fields]);
  return { backend, client, host, get };
}

function isTimeout(t: Test, answer: PlainMessage): void {
  t.match(answer.line, /^HTTP\/1\.1 504 /);
  t.equal(fieldOf(answer.fields, 'x-roost-error'), 'request-timeout');
}

// ---- the request ----

t.test('a request that is not answered in the time of its route, or of its service, is 504', async (t) => {
  for (const [route, spec] of [
    [{ timeout: SHORT }, {}],
    [{}, { timeouts: { request: SHORT } }],
    [{ timeout: SHORT }, { timeouts: { request: LONG } }],
  ]) {
    const { client, backend, get } = await serve(t, route as object, spec);
    get();
    const upstream = await backend.next();
    await upstream.request();
    isTimeout(t, await client.message());
    t.equal(await upstream.gone(), 'broken', 'and the upstream is told');
    client.destroy();
  }
});

t.test('a response that is not complete in time breaks off', async (t) => {
  const { client, backend, get } = await serve(t, { timeout: SHORT });
  get();
  const upstream = await backend.next();
  await upstream.request();
  upstream.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 10'], 'half,');
  t.equal(await client.gone(), 'broken');
});

t.test('the time of a request includes its tries and the waits between', async (t) => {
  const retries = { attempts: 10, on: ['reset'], perTryTimeout: '100ms' };
  const { client, backend, get } = await serve(t, { timeout: SHORT, retries });
  get();
  isTimeout(t, await client.message());
  t.ok(backend.accepted < 5, `${backend.accepted} tries of 11: the clock went on between them`);
});

// ---- the caller's ----

t.test('the lower of the caller’s limit and the route’s counts', async (t) => {
  for (const [route, header] of [
    [{}, '150'],
    [{ timeout: LONG }, SHORT],
    [{ timeout: SHORT }, LONG],
    [{ timeout: SHORT }, 'nonsense'],
    [{ timeout: SHORT }, '0'],
  ] as const) {
    const { client, backend, get } = await serve(t, route);
    get(`X-Request-Timeout: ${header}`);
    const upstream = await backend.next();
    const { fields } = await upstream.request();
    t.equal(fieldOf(fields, 'x-request-timeout'), header, 'it goes on as it came');
    isTimeout(t, await client.message());
    client.destroy();
  }
});

t.test('a limit that is none is ignored', async (t) => {
  const { backend, host } = await serve(t, {});
  const client = () => RawPeer.connect(t, sidecar.addresses.outbound);
  const ask = (peer: RawPeer, ...limits: string[]) =>
    peer.sendMessage([
      'GET / HTTP/1.1',
      `Host: ${host}`,
      ...limits.map((value) => `x-request-timeout: ${value}`),
    ]);
  const patient = await Promise.all(
    [['0'], ['1.5'], ['-1'], ['1x'], ['1', '1']].map(async (limits) => {
      const peer = await client();
      ask(peer, ...limits);
      await (await backend.next()).request();
      return peer;
    }),
  );
  // Each of theirs would be over before this one begins.
  const impatient = await client();
  ask(impatient, '150');
  isTimeout(t, await impatient.message());
  for (const peer of patient) t.equal(peer.received, '');
});

// ---- a try ----

t.test('a try that takes too long is made again elsewhere, and the last one is 504', async (t) => {
  const retries = { attempts: 1, on: ['reset'], perTryTimeout: SHORT };
  const second = await RawBackend.start(t);
  const { client, backend, get } = await serve(t, { retries, timeout: LONG }, {}, [second.address]);
  const waiting = [backend.next(), second.next()];
  get();
  const first = await Promise.race(waiting);
  const request = await first.request();
  const other = (await Promise.all(waiting)).find((peer) => peer !== first) as RawPeer;
  t.strictSame(await other.request(), request);
  t.equal(await first.gone(), 'broken', 'the first one is told');
  isTimeout(t, await client.message());
});

t.test('a try is over once its response begins; the request goes on', async (t) => {
  const retries = { attempts: 1, on: ['reset'], perTryTimeout: SHORT };
  const { client, backend, get } = await serve(t, { retries });
  get();
  const upstream = await backend.next();
  await upstream.request();
  upstream.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 4'], 'ab');
  await client.receive('ab');
  // Somebody else's try begins later and runs out; this one's would have before.
  const other = await serve(t, { retries: { ...retries, attempts: 0 } });
  other.get();
  isTimeout(t, await other.client.message());
  upstream.send('cd');
  await client.receive('cd');
});

t.test('a request that must not be sent twice is not, however its try ends', async (t) => {
  const retries = { attempts: 3, on: ['reset'], perTryTimeout: SHORT };
  const { client, backend, host } = await serve(t, { retries });
  client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 2'], 'hi');
  await (await backend.next()).request();
  isTimeout(t, await client.message());
  t.equal(backend.accepted, 1);
});

t.test('unless the route says that it may be', async (t) => {
  const retries = { attempts: 1, on: ['503'], methods: ['POST'] };
  const { client, backend, host, get } = await serve(t, { retries });
  let calls = 0;
  backend.answerAll(() => `HTTP/1.1 ${++calls === 1 ? 503 : 200} X\r\nContent-Length: 0\r\n\r\n`);
  client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 2'], 'hi');
  t.match((await client.message()).line, /200/);
  t.equal(calls, 2);
  calls = 0;
  get();
  t.match((await client.message()).line, /503/, 'and what it leaves out may not');
});

// ---- idle ----

t.test('a stream on which nothing moves for the idle time of its route or service is over', async (t) => {
  for (const [route, spec] of [
    [{ idleTimeout: SHORT }, {}],
    [{}, { timeouts: { idle: SHORT } }],
    [{ idleTimeout: SHORT }, { timeouts: { idle: LONG } }],
  ]) {
    const { client, backend, get } = await serve(t, route as object, spec);
    get();
    const upstream = await backend.next();
    await upstream.request();
    isTimeout(t, await client.message());
    get();
    const next = await backend.next();
    await next.request();
    next.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 10'], 'half,');
    t.equal(await client.gone(), 'broken');
  }
});

t.test('a stream on which something moves goes on', async (t) => {
  const { client, backend, get } = await serve(t, { idleTimeout: '2s' });
  get();
  const upstream = await backend.next();
  await upstream.request();
  upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked']);
  const until = performance.now() + 2500;
  while (performance.now() < until) {
    upstream.send('1\r\nx\r\n');
    await client.receive('x\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  upstream.send('0\r\n\r\n');
  await client.receive('0\r\n\r\n');
  t.notOk(client.closed);
});

// ---- connecting ----

/** A port that takes no connection, nor refuses one: its process never accepts, and its backlog is full. */
async function blackHole(t: Test): Promise<string> {
  const script = `
    const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const fillers = Array.from({ length: 8 }, () => connect({ host: '127.0.0.1', port: Number(port) }));
  t.teardown(() => {
    for (const socket of fillers) socket.destroy();
  });
  for (const socket of fillers) socket.on('error', () => {});
  await Promise.race(fillers.map((socket) => once(socket, 'connect')));
  return `127.0.0.1:${port}`;
}

const linuxOnly = process.platform === 'linux' ? {} : { skip: 'needs Linux: how a backlog fills differs' };

t.test('an endpoint that takes no connection in time is left for another', linuxOnly, async (t) => {
  const hole = await blackHole(t);
  const timeouts = { connect: SHORT };
  const { client, backend, host } = await serve(t, {}, { timeouts }, [hole]);
  backend.answerAll(({ body }) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  for (let i = 0; i < 6; i++) {
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 2'], 'hi');
    t.equal((await client.message()).body, 'hi');
  }
});

t.test('where there is no other, it is 502', linuxOnly, async (t) => {
  const service = newService([await blackHole(t)], { timeouts: { connect: SHORT } });
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage(['GET / HTTP/1.1', `Host: ${service.metadata.name}`]);
  const answer = await client.message();
  t.match(answer.line, /^HTTP\/1\.1 502 /);
  t.equal(fieldOf(answer.fields, 'x-roost-error'), 'connect-failure');
});
