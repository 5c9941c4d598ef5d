import { execFile } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { probeHealth } from '../../../../sidecar/pool/health-probe.js';
import type { HealthCheckConfig } from '../../../../src/xds/cluster-protection.js';

const CONFIG: HealthCheckConfig = {
  path: undefined,
  host: '',
  headers: [['user-agent', 'roost-health-check']],
  intervalMs: 1000,
  unusedIntervalMs: 60_000,
  timeoutMs: 60_000,
  healthyThreshold: 1,
  overHttp2: false,
  grpcService: undefined,
  unhealthyThreshold: 1,
};

async function listen(t: Test, server: Server) {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const never = new AbortController().signal;
const http = (path: string) => ({ ...CONFIG, path });

t.test('without a path, a connection is enough', async (t) => {
  const server = createServer();
  const address = await listen(t, server);
  t.equal(await probeHealth(address, CONFIG, never), undefined);
  await new Promise((closed) => server.close(closed));
  t.equal(await probeHealth(address, CONFIG, never), 'ECONNREFUSED');
});

t.test('with a path, the answer to GET has to be 200 to 299', async (t) => {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(
      `${request.method} ${request.url} ${request.headers['user-agent']} ${request.headers.connection}`,
    );
    response.statusCode = Number(request.url?.slice(1));
    response.end('x'.repeat(response.statusCode === 204 ? 0 : 100_000));
  });
  const address = await listen(t, server);
  for (const status of [200, 204, 299])
    t.equal(await probeHealth(address, http(`/${status}`), never), undefined);
  for (const status of [301, 404, 500, 503])
    t.equal(await probeHealth(address, http(`/${status}`), never), `status ${status}`);
  t.equal(seen[0], 'GET /200 roost-health-check close');
});

t.test('a check says the host and the headers that it is told to', async (t) => {
  const seen: (string | undefined)[][] = [];
  const server = createHttpServer(({ headers }, response) => {
    seen.push([headers.host, headers['user-agent'], headers['x-probe'] as string | undefined]);
    response.end();
  });
  const address = await listen(t, server);
  const ua = ['user-agent', 'roost-health-check'] as const;
  const configs: readonly Partial<HealthCheckConfig>[] = [
    { headers: [ua] },
    { host: 'checkout.shop', headers: [ua, ['X-Probe', 'a']] },
    {
      host: 'Checkout.internal:8080',
      headers: [
        ['X-Probe', 'a'],
        ['x-probe', 'b'],
      ],
    },
  ];
  for (const config of configs)
    t.equal(await probeHealth(address, { ...CONFIG, path: '/', ...config }, never), undefined);
  t.strictSame(seen, [
    [`127.0.0.1:${address.port}`, 'roost-health-check', undefined],
    ['checkout.shop', 'roost-health-check', 'a'],
    ['Checkout.internal:8080', undefined, 'a, b'],
  ]);
});

t.test('what is wrong with a check is told, and none stays open', async (t) => {
  const mute = await listen(t, createServer());
  const broken = await listen(
    t,
    createServer((socket) => socket.end('SSH-2.0\r\n')),
  );
  t.match(await probeHealth(broken, http('/'), never), /HPE_|Parse|expected/i);
  const giveUp = new AbortController();
  setImmediate(() => giveUp.abort());
  t.equal(await probeHealth(mute, http('/'), giveUp.signal), 'no answer within 60000 ms');
});

t.test('a sidecar that checks no path does not load undici, which takes megabytes', async (t) => {
  const script = `
    import { createRequire } from 'node:module';
    await import(process.argv[1]);
    const loaded = Object.keys(createRequire(process.argv[1]).cache);
    const undici = loaded.filter((file) => file.includes('/undici/'));
    console.log(JSON.stringify([loaded.length > 0, undici]));
    process.exit();
  `;
  const sidecar = new URL('../../../../sidecar/sidecar.js', import.meta.url).href;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '--eval',
    script,
    sidecar,
  ]);
  t.strictSame(JSON.parse(stdout), [true, []]);
});

// ---- HTTP/2 and gRPC ----

const overHttp2 = (path: string) => ({ ...http(path), overHttp2: true, host: 'checkout.shop' });
const grpc = (grpcService: string) => ({ ...overHttp2('/grpc.health.v1.Health/Check'), grpcService });

t.test('over HTTP/2, the answer to GET has to be 200 to 299, too', async (t) => {
  const seen: string[] = [];
  const server = createHttp2Server((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.authority} ${request.headers['user-agent']}`);
    response.statusCode = Number(request.url.slice(1));
    response.end('x'.repeat(response.statusCode === 204 ? 0 : 100_000));
  });
  const address = await listen(t, server);
  for (const status of [200, 204])
    t.equal(await probeHealth(address, overHttp2(`/${status}`), never), undefined);
  for (const status of [404, 503])
    t.equal(await probeHealth(address, overHttp2(`/${status}`), never), `status ${status}`);
  t.equal(seen[0], 'GET /200 checkout.shop roost-health-check');
});

t.test('a gRPC server says of each service whether it serves', async (t) => {
  const statuses: Record<string, number> = { '': 1, 'shop.Cart': 1, 'shop.Pay': 2, 'shop.Odd': 0 };
  const server = createHttp2Server(async (request, response) => {
    const body: Buffer[] = [];
    for await (const piece of request) body.push(piece as Buffer);
    const message = Buffer.concat(body).subarray(5);
    const status = statuses[message.subarray(2).toString()];
    response.setHeader('content-type', 'application/grpc');
    if (request.headers['content-type'] !== 'application/grpc' || request.headers.te !== 'trailers')
      response.statusCode = 415;
    else if (status === undefined) response.setHeader('grpc-status', '5');
    else {
      response.write(Buffer.from([0, 0, 0, 0, status === 0 ? 0 : 2, ...(status === 0 ? [] : [8, status])]));
      response.addTrailers({ 'grpc-status': '0' });
    }
    response.end();
  });
  const address = await listen(t, server);
  for (const [service, expected] of [
    ['', undefined],
    ['shop.Cart', undefined],
    ['shop.Pay', 'NOT_SERVING'],
    ['shop.Odd', 'UNKNOWN'],
    ['shop.None', 'gRPC status not-found'],
  ] as const)
    t.equal(await probeHealth(address, grpc(service), never), expected, service);
});

t.test('what is not a gRPC server does not pass for one', async (t) => {
  const plain = createHttp2Server((_, response) => response.end('fine'));
  t.equal(await probeHealth(await listen(t, plain), grpc(''), never), 'the answer has no gRPC status');
  const old = createHttpServer((_, response) => response.end('fine'));
  t.match(await probeHealth(await listen(t, old), grpc(''), never), /\S/);
  const broken = createServer((socket) => socket.destroy());
  t.match(await probeHealth(await listen(t, broken), grpc(''), never), /\S/);
  const mute = createServer();
  const giveUp = new AbortController();
  mute.on('connection', () => giveUp.abort());
  t.equal(await probeHealth(await listen(t, mute), grpc(''), giveUp.signal), 'no answer within 60000 ms');
});
