import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { newService } from '../support/http1/paths.js';
import type { Version } from '../support/http2/crossing.js';
import { Asker, serve } from '../support/http2/two-versions.js';
import { TestMesh } from '../support/mesh.js';

/** Services that speak HTTP/2, through the sidecar of the caller and that of the pod. */

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

interface World {
  readonly outbound: Sidecar;
  readonly inbound: Sidecar;
  readonly host: string;
  /** Connections that the app has had. */
  connections(): number;
}

/** An app behind its sidecar, and the sidecar of a caller. */
async function world(t: Test, app: Version, spec: object): Promise<World> {
  const { address, connections } = await serve(t, app, (request, response) => {
    response.setHeader('x-version', request.httpVersion);
    request.on('error', () => {});
    request.pipe(response);
  });
  const { host, port } = { host: '127.0.0.1', port: Number(address.split(':')[1]) };
  const inbound = await mesh.sidecar({ app: { host, port }, drainTimeoutMs: 0 });
  const service = newService([inbound.addresses.inbound], spec);
  await mesh.apply(service);
  const outbound = await mesh.sidecar({ drainTimeoutMs: 0 });
  return { outbound, inbound, host: `${service.metadata.name}.shop`, connections };
}

function ask(asker: Asker, version: Version, host: string, body?: Buffer) {
  const headers = version === 'http1' ? { host } : { ':authority': host };
  return asker.ask({ method: body ? 'POST' : 'GET', path: '/x', headers, ...(body && { body }) });
}

for (const [client, protocol, app] of [
  ['http2', 'http2', 'http2'],
  ['http1', 'http2', 'http2'],
  ['http2', 'grpc', 'http2'],
  ['http2', 'http', 'http1'],
] as const) {
  t.test(`a client of ${client} calls a service of protocol ${protocol}`, async (t) => {
    const { outbound, host, connections } = await world(t, app, { protocol });
    const asker = new Asker(t, client, outbound.addresses.outbound);
    const body = Buffer.alloc(300_000, 'content ');
    const got = await ask(asker, client, host, body);
    t.match([got.status, got.headers['x-version']], [200, app === 'http2' ? '2.0' : '1.1']);
    t.ok(got.body.equals(body), 'byte for byte');
    await Promise.all(Array.from({ length: 20 }, () => ask(asker, client, host)));
    if (app === 'http2') t.equal(connections(), 1, 'all requests share one connection to the app');
  });
}

t.test('requests of one connection are spread over releases, each by itself', async (t) => {
  const one = await serve(t, 'http2', (_request, response) => response.end('one'));
  const two = await serve(t, 'http2', (_request, response) => response.end('two'));
  const service = newService([one.address], {
    protocol: 'http2',
    versions: [
      { name: 'v1', endpoints: [{ address: one.address }] },
      { name: 'v2', endpoints: [{ address: two.address }] },
    ],
    routes: [
      {
        name: 'default',
        split: [
          { version: 'v1', weight: 50 },
          { version: 'v2', weight: 50 },
        ],
      },
    ],
  });
  await mesh.apply(service);
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  const asker = new Asker(t, 'http2', addresses.outbound);
  const host = `${service.metadata.name}.shop`;
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(asker, 'http2', host)));
  const ones = answers.filter(({ body }) => body.toString() === 'one').length;
  t.ok(ones > 15 && ones < 85, `${ones} of 100`);
});

t.test('a service that turns to HTTP/2 is spoken to so from then on', async (t) => {
  const { address } = await serve(t, 'http2', (_request, response) => response.end('ok'));
  const service = newService([address], {});
  await mesh.apply(service);
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  const asker = new Asker(t, 'http1', addresses.outbound);
  const host = `${service.metadata.name}.shop`;
  t.equal((await ask(asker, 'http1', host)).status, 502);
  await mesh.apply({ ...service, spec: { ...service.spec, protocol: 'http2' } });
  t.equal((await ask(asker, 'http1', host)).body.toString(), 'ok');
});

t.test('a host that nobody declares is a 404, for gRPC UNIMPLEMENTED', async (t) => {
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  const asker = new Asker(t, 'http2', addresses.outbound);
  const headers = { ':authority': 'nobody.test' };
  t.match((await asker.ask({ headers })).headers, { ':status': 404, 'x-roost-error': 'unknown-host' });
  const grpc = await asker.ask({
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/grpc', te: 'trailers' },
  });
  t.match(grpc.headers, { ':status': 200, 'grpc-status': '12', 'x-roost-error': 'unknown-host' });
});

t.test('a sidecar that stops says goodbye to clients of HTTP/2, and answers what is under way', async (t) => {
  const { address } = await serve(t, 'http2', (_request, response) => {
    setTimeout(() => response.end('ok'), 100);
  });
  const app = { host: '127.0.0.1', port: Number(address.split(':')[1]) };
  const sidecar = await mesh.sidecar({ app, drainTimeoutMs: 5000 });
  const asker = new Asker(t, 'http2', sidecar.addresses.inbound);
  const goAway = once(asker.http2, 'goaway');
  const answer = ask(asker, 'http2', 'any.test');
  await new Promise((done) => setTimeout(done, 30));
  sidecar.drain();
  t.equal((await goAway)[0], 0);
  t.equal((await answer).body.toString(), 'ok');
});
