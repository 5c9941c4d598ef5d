import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import t from 'tap';
import { readSocketTable } from '../../sidecar/net/socket-table.js';
import { encryption } from '../support/http1/encryption.js';
import { DIRECTIONS, inEachDirection, newService, type Path, startPath } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const NOWHERE = { host: '127.0.0.1', port: 1 };
const UPGRADE = ['Connection: keep-alive, Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x'];
const SWITCHED = [
  'HTTP/1.1 101 Switching Protocols',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Accept: y',
];

// ---- upgrades ----

inEachDirection(
  t,
  mesh,
  'switches protocols, and then carries bytes as they are, both ways',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(['GET /chat HTTP/1.1', `Host: ${path.host}`, ...UPGRADE]);
    const upstream = await path.backend.next();
    const asked = await upstream.request();
    t.equal(fieldOf(asked.fields, 'connection'), 'Upgrade');
    t.equal(fieldOf(asked.fields, 'upgrade'), 'websocket');
    t.equal(fieldOf(asked.fields, 'sec-websocket-key'), 'x');
    upstream.sendMessage(SWITCHED, '\x81\x05hello');
    const answered = await client.message();
    t.equal(answered.line, SWITCHED[0]);
    t.equal(fieldOf(answered.fields, 'upgrade'), 'websocket');
    t.equal(fieldOf(answered.fields, 'connection'), 'Upgrade');
    t.equal(fieldOf(answered.fields, 'sec-websocket-accept'), 'y');
    await client.receive('\x81\x05hello');
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
    client.send(bytes);
    await upstream.receive(bytes);
    upstream.send(`${bytes}GET / HTTP/1.1\r\n\r\n`);
    await client.receive(`${bytes}GET / HTTP/1.1\r\n\r\n`);
  },
);

inEachDirection(t, mesh, 'a tunnel may end on one side first, whichever', async (t, path) => {
  for (const first of ['client', 'upstream'] as const) {
    const client = await path.client();
    client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...UPGRADE]);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(SWITCHED);
    await client.message();
    const [one, other] = first === 'client' ? [client, upstream] : [upstream, client];
    one.send('last words');
    one.end();
    await other.receive('last words');
    await other.until('the end', () => other.ended);
    other.send('still here');
    await one.receive('still here');
    other.end();
    t.equal(await one.gone(), 'ended', first);
    await other.until('the close', () => other.closed);
    t.equal(other.error, '');
  }
});

inEachDirection(t, mesh, 'a tunnel that breaks on one side breaks on the other', async (t, path) => {
  for (const first of ['client', 'upstream'] as const) {
    const client = await path.client();
    client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...UPGRADE]);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(SWITCHED);
    await client.message();
    const [one, other] = first === 'client' ? [client, upstream] : [upstream, client];
    one.reset();
    t.equal(await other.gone(), 'broken', `${first}: nobody takes it for the end of the stream`);
  }
});

inEachDirection(
  t,
  mesh,
  'what a client sent before the 101, its end included, goes through the tunnel',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...UPGRADE], 'early');
    client.end();
    const upstream = await path.backend.next();
    await upstream.request();
    t.equal(upstream.received, '', 'nothing goes before the protocol has changed');
    upstream.sendMessage(SWITCHED);
    await upstream.receive('early');
    await upstream.until('the end', () => upstream.ended);
    upstream.send('late');
    upstream.end();
    await client.receive('late');
    t.equal(await client.gone(), 'ended');
  },
);

inEachDirection(t, mesh, 'an upgrade that is declined is an exchange like any other', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...UPGRADE]);
  const upstream = await path.backend.next();
  await upstream.request();
  upstream.send(OK);
  t.equal((await client.message()).body, 'ok');
  client.sendMessage(['GET /2 HTTP/1.1', `Host: ${path.host}`]);
  t.match(await upstream.request(), { line: 'GET /2 HTTP/1.1' });
});

inEachDirection(t, mesh, 'a switch that nobody asked for is a bad response', async (t, path) => {
  const cases: readonly (readonly [asked: readonly string[], switched: string])[] = [
    [[], 'websocket'],
    [['Upgrade: websocket'], 'websocket'],
    [UPGRADE, 'h2c'],
    [UPGRADE, 'websockets'],
    [['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: x'], 'h2c'],
    [[...UPGRADE, 'Content-Length: 0'], 'x, websocket'],
  ];
  for (const [asked, switched] of cases) {
    const client = await path.client();
    client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...asked]);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', `Upgrade: ${switched}`]);
    const response = await client.message();
    t.equal(response.line, 'HTTP/1.1 502 Bad Gateway', `${asked} → ${switched}`);
    t.equal(fieldOf(response.fields, 'x-roost-error'), 'bad-response');
    await upstream.gone();
    client.destroy();
  }
});

inEachDirection(t, mesh, 'HTTP/1.0 does not upgrade (RFC 9110 section 7.8)', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['GET / HTTP/1.0', `Host: ${path.host}`, ...UPGRADE]);
  const upstream = await path.backend.next();
  const asked = await upstream.request();
  t.equal(fieldOf(asked.fields, 'upgrade'), undefined);
  t.equal(fieldOf(asked.fields, 'connection'), undefined);
});

// ---- CONNECT ----

t.test('CONNECT to a declared host: the HTTP inside is routed like any other', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  path.backend.answerAll(() => OK);
  const client = await path.client();
  client.sendMessage([`CONNECT ${path.host}:80 HTTP/1.1`, `Host: ${path.host}:80`]);
  t.match(await client.message('response to HEAD'), { line: 'HTTP/1.1 200 Connection Established' });
  for (let i = 0; i < 3; i++) {
    client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`]);
    t.equal((await client.message()).body, 'ok');
  }
  client.sendMessage(['GET / HTTP/1.1', 'Host: something.else']);
  t.equal((await client.message()).body, 'ok', 'where the connection goes is known, whatever Host says');
  t.equal(path.backend.accepted, 1);
  client.send('nonsense\r\n\r\n');
  t.match(await client.message(), { line: 'HTTP/1.1 400 Bad Request' });
});

t.test('CONNECT to a declared host: the request may come right behind it', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  path.backend.answerAll(() => OK);
  const client = await path.client();
  client.send(
    `CONNECT ${path.host}:80 HTTP/1.1\r\nHost: ${path.host}:80\r\n\r\nGET / HTTP/1.1\r\nHost: ${path.host}\r\n\r\n`,
  );
  client.end();
  await client.message('response to HEAD');
  t.equal((await client.message()).body, 'ok');
  t.equal(await client.gone(), 'ended');
});

t.test('CONNECT to a declared host: TLS inside goes to one of its endpoints', async (t) => {
  // A key that both know is TLS without certificates.
  const psk = Buffer.alloc(32, 7);
  const shared12 = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const server = createTlsServer({ ...shared12, pskCallback: () => psk }, (socket) => socket.end('over TLS'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const service = newService([`127.0.0.1:${port}`]);
  await shared.apply(service);
  const sidecar = await shared.sidecar({ drainTimeoutMs: 0 });
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const host = `${service.metadata.name}:80`;
  client.sendMessage([`CONNECT ${host} HTTP/1.1`, `Host: ${host}`]);
  await client.message('response to HEAD');
  client.socket.removeAllListeners('data');
  const secure = tlsConnect({
    ...shared12,
    socket: client.socket,
    pskCallback: () => ({ psk, identity: 'test' }),
    checkServerIdentity: () => undefined,
  });
  const text = await new Promise<string>((resolve, reject) => {
    let received = '';
    secure.on('data', (data) => (received += String(data)));
    secure.on('end', () => resolve(received));
    secure.on('error', reject);
  });
  t.equal(text, 'over TLS');
});

// TLS to endpoints is for requests: bytes that are none are carried as they are (docs/upstream-tls.md).
if (encryption() === undefined)
  t.test('CONNECT to a declared host: a server that speaks first is heard', async (t) => {
    const path = await startPath(t, shared, 'outbound');
    const client = await path.client();
    client.sendMessage([`CONNECT ${path.host}:80 HTTP/1.1`, `Host: ${path.host}:80`]);
    await client.message('response to HEAD');
    const upstream = await path.backend.next();
    upstream.send('220 ready\r\n');
    await client.receive('220 ready\r\n');
    client.send('QUIT\r\n');
    await upstream.receive('QUIT\r\n');
  });

t.test('CONNECT to a host that nobody declared goes there, with --unknown passthrough', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  const elsewhere = await RawBackend.start(t);
  const client = await path.client();
  client.sendMessage([`CONNECT ${elsewhere.address} HTTP/1.1`, `Host: ${elsewhere.address}`], 'early ');
  const upstream = await elsewhere.next();
  t.match(await client.message('response to HEAD'), { line: 'HTTP/1.1 200 Connection Established' });
  client.send('\x00\x01bytes');
  await upstream.receive('early \x00\x01bytes');
  upstream.send('GET / HTTP/1.1\n\n');
  await client.receive('GET / HTTP/1.1\n\n');
  client.end();
  await upstream.until('the end', () => upstream.ended);
  upstream.send('late');
  await client.receive('late');
  upstream.end();
  t.equal(await client.gone(), 'ended');
});

t.test('CONNECT: bytes and an end sent before the answer arrive', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  const elsewhere = await RawBackend.start(t);
  const client = await path.client();
  client.sendMessage([`CONNECT ${elsewhere.address} HTTP/1.1`, `Host: ${elsewhere.address}`], 'everything');
  client.end();
  const upstream = await elsewhere.next();
  await upstream.receive('everything');
  await upstream.until('the end', () => upstream.ended);
  upstream.send('answer');
  upstream.end();
  await client.message('response to HEAD');
  await client.receive('answer');
  t.equal(await client.gone(), 'ended');
});

t.test('CONNECT: an opaque tunnel that breaks on one side breaks on the other', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  const elsewhere = await RawBackend.start(t);
  for (const first of ['client', 'upstream'] as const) {
    const client = await path.client();
    client.sendMessage([`CONNECT ${elsewhere.address} HTTP/1.1`, `Host: ${elsewhere.address}`]);
    await client.message('response to HEAD');
    const upstream = await elsewhere.next();
    const [one, other] = first === 'client' ? [client, upstream] : [upstream, client];
    one.send('partial');
    await other.receive('partial');
    one.reset();
    t.equal(await other.gone(), 'broken', first);
  }
});

t.test('CONNECT that leads nowhere says why', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  const nobody = await RawBackend.start(t);
  nobody.stop();
  const cases = [
    [nobody.address, 'HTTP/1.1 502 Bad Gateway', 'connect-failure'],
    ['a:99999', 'HTTP/1.1 400 Bad Request', 'malformed-request'],
    ['a:0', 'HTTP/1.1 400 Bad Request', 'malformed-request'],
  ] as const;
  for (const [authority, line, code] of cases) {
    const client = await path.client();
    client.sendMessage([`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]);
    const response = await client.message();
    t.equal(response.line, line, authority);
    t.equal(fieldOf(response.fields, 'x-roost-error'), code);
    t.match(response.body, /^[^\n]+\n$/);
    t.equal(await client.gone(), 'ended');
  }
});

t.test('CONNECT before there is any configuration is 503, not a way around it', async (t) => {
  const path = await startPath(t, shared, 'outbound', {
    sidecar: { controlPlanes: [NOWHERE] },
    ready: false,
  });
  const elsewhere = await RawBackend.start(t);
  const client = await path.client();
  client.sendMessage([`CONNECT ${elsewhere.address} HTTP/1.1`, `Host: ${elsewhere.address}`]);
  const response = await client.message();
  t.equal(response.line, 'HTTP/1.1 503 Service Unavailable');
  t.equal(fieldOf(response.fields, 'x-roost-error'), 'not-ready');
  t.equal(elsewhere.accepted, 0);
});

t.test('CONNECT to a host that nobody declared is 404 with --unknown deny', async (t) => {
  const path = await startPath(t, shared, 'outbound', { sidecar: { passthrough: false } });
  const elsewhere = await RawBackend.start(t);
  const client = await path.client();
  client.sendMessage([`CONNECT ${elsewhere.address} HTTP/1.1`, `Host: ${elsewhere.address}`]);
  const response = await client.message();
  t.equal(response.line, 'HTTP/1.1 404 Not Found');
  t.equal(fieldOf(response.fields, 'x-roost-error'), 'unknown-host');
  t.equal(elsewhere.accepted, 0);
});

t.test('CONNECT is not for inbound calls', async (t) => {
  const path = await startPath(t, shared, 'inbound');
  const client = await path.client();
  client.sendMessage([`CONNECT ${path.host}:80 HTTP/1.1`, `Host: ${path.host}:80`], 'more');
  const response = await client.message();
  t.equal(response.line, 'HTTP/1.1 400 Bad Request');
  t.equal(fieldOf(response.fields, 'x-roost-error'), 'malformed-request');
  t.equal(await client.gone(), 'ended');
  t.equal(path.backend.accepted, 0);
});

// ---- tunnels without traffic ----

/** Ways of having a tunnel, with the bytes that go through it first. */
const TUNNELS: readonly (readonly [name: string, open: (path: Path) => Promise<[RawPeer, RawPeer]>])[] = [
  [
    'an upgrade',
    async (path) => {
      const client = await path.client();
      client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...UPGRADE]);
      const upstream = await path.backend.next();
      await upstream.request();
      upstream.sendMessage(SWITCHED);
      await client.message('response to HEAD');
      return [client, upstream];
    },
  ],
  [
    'CONNECT',
    async (path) => {
      const { address } = path.backend;
      const client = await path.client();
      client.sendMessage([`CONNECT ${address} HTTP/1.1`, `Host: ${address}`]);
      await client.message('response to HEAD');
      return [client, await path.backend.next()];
    },
  ],
  [
    'what is not HTTP, behind CONNECT',
    async (path) => {
      const client = await path.client();
      client.sendMessage([`CONNECT ${path.host}:80 HTTP/1.1`, `Host: ${path.host}:80`], '\x16\x03\x01');
      await client.message('response to HEAD');
      const upstream = await path.backend.next();
      await upstream.receive('\x16\x03\x01');
      return [client, upstream];
    },
  ],
];

const ON_LINUX = process.platform === 'linux' ? {} : { skip: 'only Linux has the table' };
const WITHOUT_TRAFFIC = 'a tunnel without traffic ends on both sides';
const IDLE_MS = 400;
const waitMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

// CONNECT leads past TLS to endpoints, and is not for inbound calls.
for (const [name, open] of TUNNELS.slice(0, encryption() ? 1 : undefined)) {
  for (const direction of name === 'an upgrade' && !encryption() ? DIRECTIONS : ['outbound' as const]) {
    t.test(`${WITHOUT_TRAFFIC}: ${name} (${direction})`, async (t) => {
      const path = await startPath(t, shared, direction, { limits: { tunnelIdleTimeoutMs: IDLE_MS } });
      const ends = await open(path);
      // Bytes either way keep it.
      for (let i = 0; i < 3; i++) {
        const [from, to] = i % 2 === 0 ? ends : [ends[1], ends[0]];
        await waitMs(IDLE_MS / 2);
        from.send('ping');
        await to.receive('ping');
      }
      const sent = performance.now();
      t.strictSame(await Promise.all(ends.map((end) => end.gone())), ['broken', 'broken']);
      t.ok(performance.now() - sent >= IDLE_MS - 100);
    });

    t.test(`of a tunnel that one side has ended, the idle time of requests is left: ${name}`, async (t) => {
      const path = await startPath(t, shared, direction, { limits: { streamIdleTimeoutMs: IDLE_MS } });
      const [client, upstream] = await open(path);
      client.end();
      await upstream.until('the end', () => upstream.ended);
      t.equal(await client.gone(), 'broken');
    });

    t.test(`the kernel asks whether both peers of a tunnel are there: ${name}`, ON_LINUX, async (t) => {
      const path = await startPath(t, shared, direction);
      const [client, upstream] = await open(path);
      const ports = [client.socket.remotePort ?? 0, upstream.socket.localPort ?? 0];
      const table = (await readSocketTable()) ?? '';
      const [own, upstreams] = ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0'));
      // "02": a timer other than that of retransmissions runs (proc_net_tcp.rst).
      t.match(table, new RegExp(`: \\w+:${own} \\w+:\\w{4} 01 \\S+ 02:`), 'the client');
      t.match(table, new RegExp(`: \\w+:\\w{4} \\w+:${upstreams} 01 \\S+ 02:`), 'the upstream');
    });
  }
}
