import { networkInterfaces } from 'node:os';
import t, { type Test } from 'tap';
import type { SidecarOptions } from '../../sidecar/assembly/sidecar-options.js';
import { fieldOf } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh, toAddress } from '../support/mesh.js';

const FREE = { host: '127.0.0.1', port: 0 };
const OK = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

const start = (options: Partial<SidecarOptions> = {}) => mesh.sidecar({ drainTimeoutMs: 0, ...options });
const portOf = (address: string) => toAddress(address).port;

/** The next request, on a connection of its own. */
async function nextRequest(backend: RawBackend) {
  const peer = await backend.next();
  return { peer, message: await peer.request() };
}

async function ask(t: Test, outbound: string, target: string, host = 'whoever') {
  const client = await RawPeer.connect(t, outbound);
  client.sendMessage([`${target} HTTP/1.1`, `Host: ${host}`]);
  const { line, fields } = await client.message(
    target.startsWith('CONNECT') ? 'response to HEAD' : undefined,
  );
  client.destroy();
  return { status: Number(line.split(' ')[1]), code: fieldOf(fields, 'x-roost-error') };
}

t.test('a request in absolute form goes to its host outside, in origin form', async (t) => {
  const sidecar = await start();
  const outside = await RawBackend.start(t);
  const { port } = toAddress(outside.address);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const targets = [
    [`http://127.0.0.1:${port}/a?b=c`, '/a?b=c', `127.0.0.1:${port}`],
    [`http://127.0.0.1:${port}`, '/', `127.0.0.1:${port}`],
    [`HTTP://LocalHost:${port}?q`, '/?q', `LocalHost:${port}`],
  ] as const;
  for (const [target, forwarded, host] of targets) {
    client.sendMessage([
      `GET ${target} HTTP/1.1`,
      'Host: ignored.example',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic x',
    ]);
    const upstream = await nextRequest(outside);
    t.equal(upstream.message.line, `GET ${forwarded} HTTP/1.1`);
    t.equal(fieldOf(upstream.message.fields, 'host'), host);
    t.equal(fieldOf(upstream.message.fields, 'proxy-connection'), undefined);
    t.equal(fieldOf(upstream.message.fields, 'proxy-authorization'), undefined, 'it is for this hop');
    upstream.peer.send(OK);
    t.equal((await client.message()).body, 'ok', target);
  }
});

t.test('a body goes with it, and OPTIONS to a whole server', async (t) => {
  const sidecar = await start();
  const outside = await RawBackend.start(t);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage([`POST http://${outside.address}/in HTTP/1.1`, 'Host: x', 'Content-Length: 4'], 'body');
  const posted = await nextRequest(outside);
  t.equal(posted.message.body, 'body');
  posted.peer.send(OK);
  await client.message();
  client.sendMessage([`OPTIONS http://${outside.address} HTTP/1.1`, 'Host: x']);
  const options = await nextRequest(outside);
  t.equal(options.message.line, 'OPTIONS * HTTP/1.1');
});

t.test('a host that only Host names is unknown, and so is every host with --unknown deny', async (t) => {
  const outside = await RawBackend.start(t);
  const { port } = toAddress(outside.address);
  const open = await start();
  t.match(await ask(t, open.addresses.outbound, 'GET /', `127.0.0.1:${port}`), {
    status: 404,
    code: 'unknown-host',
  });
  const closed = await start({ passthrough: false });
  for (const target of [`GET http://127.0.0.1:${port}/`, `CONNECT 127.0.0.1:${port}`])
    t.match(await ask(t, closed.addresses.outbound, target), { status: 404, code: 'unknown-host' }, target);
  t.equal(outside.accepted, 0);
});

t.test('a destination that does not answer, or does not exist, is a connect failure', async (t) => {
  const sidecar = await start();
  for (const target of [
    'GET http://127.0.0.1:1/',
    'GET http://no-such-host.invalid/',
    'CONNECT no-such-host.invalid:80',
  ])
    t.match(
      await ask(t, sidecar.addresses.outbound, target),
      { status: 502, code: 'connect-failure' },
      target,
    );
});

const SPELLINGS = [
  '127.0.0.1',
  '127.1',
  '0.0.0.0',
  'localhost',
  'LOCALHOST',
  '2130706433',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '[::]',
];

for (const workers of [1, 2])
  t.test(`no spelling of the machine leads to the sidecar’s own ports: ${workers} worker(s)`, async (t) => {
    const sidecar = await start({ metrics: FREE, csds: FREE, workers });
    const { admin, metrics = '', csds = '', outbound } = sidecar.addresses;
    const own = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
    const v4 = own
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address);
    for (const host of [...SPELLINGS, ...v4])
      for (const form of ['CONNECT', 'GET'] as const) {
        const to = (address: string) =>
          form === 'CONNECT'
            ? `CONNECT ${host}:${portOf(address)}`
            : `GET http://${host}:${portOf(address)}/config_dump`;
        for (const address of [admin, metrics, csds]) {
          const answer = await ask(t, outbound, to(address));
          t.match(answer, { status: 403, code: 'forbidden-destination' }, to(address));
        }
        const looped = await ask(t, outbound, to(outbound));
        t.match(looped, { status: 508, code: 'loop-detected' }, to(outbound));
      }
    t.equal((await fetch(`http://${admin}/ready`)).status, 200);
  });

t.test('link-local addresses are refused at once', async (t) => {
  const { outbound } = (await start()).addresses;
  const refused = { status: 403, code: 'forbidden-destination' };
  for (const host of ['169.254.169.254', '[fe80::1]', '[::ffff:169.254.169.254]', '2852039166']) {
    t.match(await ask(t, outbound, `CONNECT ${host}:80`), refused, host);
    t.match(await ask(t, outbound, `GET http://${host}/latest/meta-data/`), refused, host);
  }
});
