import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { ReservedPort } from '../../examples/shop/ports.js';
import { Backend } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually, type Finished, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

/** Each command is a process, which takes a while where the processor is shared. */
t.setTimeout(120_000);

async function listening(t: Test, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address at which nobody listens. */
async function deadAddress(): Promise<string> {
  const port = await ReservedPort.take();
  await port.release();
  return port.address;
}

const noStackTrace = (t: Test, { stderr }: Finished) => t.notMatch(stderr, /^ +at |Error:/m);

t.test('every command that needs a control plane says which address did not answer', async (t) => {
  const address = await deadAddress();
  const service = stringify(meshService('cart.shop'));
  for (const args of [
    ['apply', '-f', '-'],
    ['get'],
    ['split', 'cart.shop', 'v1=1'],
    ['plan', '-f', '-'],
    ['status'],
  ]) {
    const byFlag = await roost([...args, '--control-plane', address, '--connect-timeout', '0s'], {
      input: service,
    });
    t.equal(byFlag.code, 1, args.join(' '));
    t.match(byFlag.stderr, `roost: the control plane at ${address} does not answer (`, args.join(' '));
    t.match(byFlag.stderr, 'Name another with --control-plane HOST:PORT or ROOST_CONTROL_PLANE\n');
    noStackTrace(t, byFlag);
  }
  const byVariable = await roost(['status'], {
    env: { ROOST_CONTROL_PLANE: address, ROOST_CONNECT_TIMEOUT: '0s' },
  });
  t.match(byVariable.stderr, `the control plane at ${address} does not answer`);
});

t.test('a control plane that is just starting is waited for, with a word about it', async (t) => {
  const address = await deadAddress();
  const service = stringify(meshService('cart.shop'));
  const applying = roost(['apply', '-f', '-', '--control-plane', address], { input: service });
  const reading = roost(['get', '--control-plane', address]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await startControlPlane(t, ['--grpc', address]);
  const waiting = `roost: no control plane answers at ${address} yet; trying for 10 s\n`;
  t.same(await applying, {
    code: 0,
    stdout: 'cart.shop: revision 1, no client is connected\n',
    stderr: waiting,
  });
  t.match(await reading, { code: 0, stderr: waiting });
});

t.test('the gRPC library adds no lines of its own to what is said', async (t) => {
  const args = ['status', '--control-plane', '10.255.255.1:15010', '--connect-timeout', '0s'];
  const env = { http_proxy: `http://${await deadAddress()}` };
  const { code, stderr } = await roost(args, { env });
  t.equal(code, 1);
  t.match(
    stderr,
    /^roost: the control plane at 10\.255\.255\.1:15010 does not answer \(no connection could be made\); .*\n$/,
  );
});

t.test('a control plane on this machine is dialled directly, whatever proxy the shell has', async (t) => {
  const { grpc } = await startControlPlane(t);
  const env = { http_proxy: `http://${await deadAddress()}` };
  t.match(await roost(['status', '--control-plane', grpc], { env }), { code: 0, stderr: '' });
});

t.test('what answers and is no control plane is called that', async (t) => {
  const web = await listening(
    t,
    createHttpServer((_, response) => response.end('hello')),
  );
  const startedAt = performance.now();
  const answer = await roost(['status', '--control-plane', web]);
  t.ok(performance.now() - startedAt < 9000, 'it will not become one');
  t.equal(answer.code, 1);
  t.match(answer.stderr, `roost: the control plane at ${web} does not answer (`);
  noStackTrace(t, answer);
});

t.test('a control plane whose port is taken says which, and for what', async (t) => {
  const taken = await listening(t, createServer());
  for (const [flag, other] of [
    ['--grpc', '--http'],
    ['--http', '--grpc'],
  ] as const) {
    const finished = await roost(['control-plane', flag, taken, other, '127.0.0.1:0']);
    t.equal(finished.code, 1);
    t.match(finished.stderr, `(${flag}) on ${taken}: the port is in use by another process\n`);
    noStackTrace(t, finished);
  }
});

t.test('a data directory that cannot be had, or that another one has, is named', async (t) => {
  const folder = await temporaryFolder(t);
  const ports = ['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  await startControlPlane(t, ['--data-dir', folder]);
  const second = await roost(['control-plane', '--data-dir', folder, ...ports]);
  t.equal(second.code, 1);
  t.match(second.stderr, folder);
  noStackTrace(t, second);
  const file = await roost(['control-plane', '--data-dir', '/dev/null/x', ...ports]);
  t.equal(file.code, 1);
  t.match(file.stderr, '/dev/null');
  noStackTrace(t, file);
});

t.test('all that is wrong with a command line is said at once', async (t) => {
  const bad = await roost(
    ['sidecar', '--admin', 'nowhere', '--unknown', 'maybe', '--drain-timeout', '5', '--sesion-table-size=1'],
    { env: { ROOST_APP: '8080' } },
  );
  t.equal(bad.code, 2);
  for (const line of [
    '--sesion-table-size: there is no such option; did you mean --session-table-size?',
    '--service (or ROOST_SERVICE) is required: the service this sidecar runs beside; it need not be declared',
    '--admin: "nowhere" is not a HOST:PORT, such as 127.0.0.1:15010 (port 0 takes a free one)',
    '--unknown: "maybe" is not one of passthrough, deny',
    '--drain-timeout: "5" is not a duration; write a number with a unit, such as 500ms, 2s, 5m or 1h',
    'ROOST_APP: "8080" is not a HOST:PORT, such as 127.0.0.1:15010',
    'roost: nothing was done; see "roost sidecar --help"',
  ])
    t.ok(bad.stderr.split('\n').includes(line), `${line}\n${bad.stderr}`);
  for (const [args, complaint] of [
    [['aply'], "unknown command 'aply'"],
    [['split', 'cart.shop'], "missing required argument 'version=weight'"],
    [['split', 'cart.shop', 'v1', 'v2=x'], 'expected VERSION=WEIGHT, such as v2=10'],
    [['get', 'cart.shop', 'pay.shop'], '"pay.shop" is an argument too many'],
    [['status', '-o', 'yaml'], '--output: "yaml" is not one of text, json'],
  ] as const) {
    const finished = await roost(args);
    t.equal(finished.code, 2, args.join(' '));
    t.match(finished.stderr, complaint);
    t.match(finished.stderr, /^roost: /m, 'the name of the command is before what it says');
    t.notMatch(finished.stderr, /^error: /m);
    noStackTrace(t, finished);
  }
});

t.test('a sidecar without a control plane says so on /ready, and serves once there is one', async (t) => {
  const address = await deadAddress();
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', address]);
  const call = caller(t, sidecar.outbound);
  const ready = () => fetch(`http://${sidecar.admin}/ready`);
  const before = await ready();
  t.equal(before.status, 503);
  t.match(await before.text(), `waiting for the control plane at ${address}`);
  const refused = await call('checkout');
  t.same([refused.status, refused.headers['x-roost-error']], [503, 'not-ready']);
  const warning = await sidecar.process.logged('no control plane; going on with what there is');
  t.match(JSON.stringify(warning), address);

  const backend = await Backend.start(t, 'v1-1');
  const controlPlane = await startControlPlane(t, ['--grpc', address]);
  const versions = [{ name: 'v1', endpoints: [{ address: backend.address }] }];
  const applied = await roost(['apply', '-f', '-', '--control-plane', controlPlane.grpc], {
    input: stringify(meshService('checkout.shop', { v1: 1 }, { versions })),
  });
  t.same([applied.code, applied.stderr], [0, '']);
  await eventually('the sidecar is ready', async () => (await ready()).status === 200);
  await eventually('it has the service', async () => (await call('checkout')).backend === 'v1-1');
  const unknown = await call('chekout');
  t.same([unknown.status, unknown.headers['x-roost-error']], [404, 'unknown-host']);
});
