import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import t from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { newService } from '../support/http1/paths.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

const FREE = { host: '127.0.0.1', port: 0 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t, [newService(['127.0.0.1:9'])]);
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** With headers that `fetch` does not let one set. */
function call(address: string, method: string, path: string, headers: Record<string, string> = {}) {
  const { host, port } = toAddress(address);
  return new Promise<Answer>((resolve, reject) => {
    const sent = request({ host, port, method, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('error', reject).end();
  });
}

const statusOf = async (...args: Parameters<typeof call>) => (await call(...args)).status;
const ready = async (sidecar: Sidecar) => (await call(sidecar.addresses.admin, 'GET', '/ready')).status;

t.test('--metrics serves what scrapers and the kubelet need, by any name, and nothing else', async (t) => {
  const sidecar = await mesh.sidecar({ metrics: FREE, drainTimeoutMs: 0 });
  const { metrics = '' } = sidecar.addresses;
  for (const path of ['/live', '/ready', '/metrics']) {
    t.equal(await statusOf(metrics, 'GET', path, { host: 'pod-7.checkout:15020' }), 200, path);
    t.equal(await statusOf(metrics, 'HEAD', path), 200, path);
    t.equal(await statusOf(metrics, 'POST', path), 405, path);
  }
  for (const path of ['/config_dump', '/client_status', '/clusters', '/debug/requests', '/drain', '/'])
    for (const method of ['GET', 'POST', 'DELETE'])
      t.equal(await statusOf(metrics, method, path), 404, `${method} ${path}`);
  t.equal(await ready(sidecar), 200, 'it does not drain');
});

t.test('/app-port tells whether the app listens, for the ports of --tcp-probes only', async (t) => {
  const app = createServer().listen(0, '127.0.0.1');
  await once(app, 'listening');
  const { port } = app.address() as AddressInfo;
  const sidecar = await mesh.sidecar({ metrics: FREE, tcpProbes: [port], drainTimeoutMs: 0 });
  const { metrics = '' } = sidecar.addresses;
  t.same(await call(metrics, 'GET', `/app-port/${port}`), {
    status: 200,
    body: `the app listens on port ${port}\n`,
  });
  t.equal(await statusOf(metrics, 'GET', '/app-port/22'), 404, 'no port scanner');
  app.close();
  await once(app, 'close');
  t.same(await call(metrics, 'GET', `/app-port/${port}`), {
    status: 503,
    body: `the app does not listen on port ${port}\n`,
  });
  t.equal(await statusOf(sidecar.addresses.admin, 'GET', `/app-port/${port}`), 404);
});

t.test('a web page, or a name that leads here, neither reads nor drains', async (t) => {
  const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
  const { admin } = sidecar.addresses;
  for (const path of ['/config_dump', '/clusters', '/ready'])
    t.equal(await statusOf(admin, 'GET', path, { host: 'evil.example' }), 403, path);
  t.equal(await statusOf(admin, 'POST', '/drain', { host: 'evil.example:15000' }), 403);
  t.equal(await statusOf(admin, 'POST', '/drain', { origin: 'http://evil.example' }), 403);
  t.equal(await statusOf(admin, 'POST', '/drain', { 'sec-fetch-site': 'cross-site' }), 403);
  t.equal(await statusOf(admin, 'GET', '/drain'), 405);
  t.equal(await statusOf(admin, 'POST', '/drain?cancel'), 400, 'no typing error drains');
  t.equal(await ready(sidecar), 200);
  t.equal(await statusOf(admin, 'POST', '/drain', { host: 'localhost' }), 200);
  t.equal(await ready(sidecar), 503);
  t.equal(await statusOf(admin, 'GET', '/live'), 200, 'alive while it drains');
});

for (const workers of [1, 2])
  t.test(`DELETE /drain has a pod serve again: ${workers} worker(s)`, async (t) => {
    const app = await RawBackend.start(t);
    app.answerAll(() => OK);
    const sidecar = await mesh.sidecar({ app: toAddress(app.address), drainTimeoutMs: 0, workers });
    const { admin, inbound } = sidecar.addresses;
    const get = async () => {
      const peer = await RawPeer.connect(t, inbound);
      peer.sendMessage(['GET / HTTP/1.1', 'Host: app']);
      return { peer, answer: await peer.message() };
    };
    t.equal((await get()).answer.body, 'ok');
    t.equal(await statusOf(admin, 'POST', '/drain'), 200);
    await eventually('connections are refused', () =>
      RawPeer.connect(t, inbound).then(
        (peer) => {
          peer.destroy();
          return false;
        },
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    );
    t.equal(await ready(sidecar), 503);
    t.strictSame(await call(admin, 'DELETE', '/drain'), { status: 200, body: 'serving again\n' });
    t.equal(await ready(sidecar), 200);
    // As many connections as make both workers take some.
    for (let i = 0; i < 8; i++) {
      const { peer, answer } = await get();
      t.equal(answer.body, 'ok');
      t.notOk(
        answer.fields.some((line) => /^connection:/i.test(String(line))),
        'the connection goes on',
      );
      peer.destroy();
    }
    t.equal(await statusOf(admin, 'DELETE', '/drain'), 200, 'is idempotent');
  });
