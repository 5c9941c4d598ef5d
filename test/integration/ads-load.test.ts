import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { status } from '@grpc/grpc-js';
import t from 'tap';
import { MAX_SUBSCRIBED_NAMES } from '../../control-plane/ads/subscription.js';
import type { StatusResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { codec } from '../../src/xds/descriptors.js';
import { TYPE_URL } from '../../src/xds/resource-types.js';
import { DeafClient } from '../support/deaf-client.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { meshService } from '../support/shop.js';
import { XdsClient } from '../support/xds-client.js';

const cart = (weight: number) => meshService('cart.shop', { v1: 1000 - weight, v2: weight });
const revisions = (mesh: TestMesh, count: number) =>
  (async () => {
    for (let i = 1; i <= count; i++) await mesh.client.call('Apply', { documents: [toStruct(cart(i))] });
  })();
const statusOf = (mesh: TestMesh) => mesh.client.call<StatusResponse>('Status', {});

t.test('a slow client is told of everything it missed in one push', async (t) => {
  const many = Array.from({ length: 60 }, (_, i) => meshService(`service-${i}.shop`));
  const mesh = await TestMesh.start(t, [cart(0), ...many]);
  const deaf = new DeafClient(mesh.controlPlane.grpcAddress);
  t.teardown(() => deaf.session.destroy());
  deaf.request({
    node: { id: 'deaf' },
    typeUrl: TYPE_URL.route,
    resourceNamesSubscribe: ['*'],
  });
  await eventually('it is connected', async () => (await statusOf(mesh)).clients.length === 1);
  const quick = XdsClient.delta(t, mesh.controlPlane.grpcAddress);
  quick.subscribe('route', '*');
  await quick.next('route');
  await revisions(mesh, 50);
  const [client] = (await statusOf(mesh)).clients.filter(({ id }) => id === 'deaf');
  t.equal(client?.types.find(({ type }) => type === 'route')?.unanswered, 1, 'nothing on top of the first');
  t.equal(client?.inSync, false);

  const chunks: Buffer[] = [];
  deaf.stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const messagesRead = () => splitMessages(Buffer.concat(chunks));
  await eventually('it has read what there is', () => messagesRead().length >= 2);
  const [, second] = messagesRead();
  const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(second as Buffer);
  t.same(
    (response.resources as { name: string }[]).map(({ name }) => name),
    ['shop/cart'],
    'the fifty changes are one resource of one response',
  );
  t.equal(response.systemVersionInfo, '51');
  t.equal(messagesRead().length, 2);
});

function splitMessages(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    found.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return found;
}

t.test('a client that never reads is cut off, and nobody else notices', async (t) => {
  const many = Array.from({ length: 60 }, (_, i) => meshService(`service-${i}.shop`));
  const mesh = await TestMesh.start(t, [cart(0), ...many], { stalledAfterMs: 400 });
  const deaf = new DeafClient(mesh.controlPlane.grpcAddress);
  const quick = XdsClient.delta(t, mesh.controlPlane.grpcAddress, { id: 'quick' });
  quick.subscribe('route', '*');
  await quick.next('route');
  deaf.request({ node: { id: 'deaf' }, typeUrl: TYPE_URL.route, resourceNamesSubscribe: ['*'] });
  const closed = once(deaf.session, 'close');
  // However much it asks for, nothing of it is even looked at while it does not read.
  for (let i = 0; i < 200; i++) deaf.request({ typeUrl: TYPE_URL.route, resourceNamesSubscribe: ['*'] });
  await eventually('both are connected', async () => (await statusOf(mesh)).clients.length === 2);
  const { clients } = await statusOf(mesh);
  const unanswered = clients.find(({ id }) => id === 'deaf')?.types.map(({ unanswered }) => unanswered);
  t.same(unanswered, [0, 0, 0, 1]);
  await closed;
  const metrics = await (await fetch(`http://${mesh.controlPlane.httpAddress}/metrics`)).text();
  t.match(metrics, /^roost_control_plane_cut_off_clients_total 1$/m);
  await eventually('it is gone', async () => (await statusOf(mesh)).clients.length === 1);
  await revisions(mesh, 1);
  t.same((await quick.next('route')).names, ['shop/cart']);
});

t.test('a hundred clients get every change, and the last of them is not forgotten', async (t) => {
  const mesh = await TestMesh.start(t, [cart(0)]);
  const clients = Array.from({ length: 100 }, (_, i) =>
    XdsClient.delta(t, mesh.controlPlane.grpcAddress, { id: `client-${i}` }),
  );
  for (const client of clients) client.subscribe('route', 'shop/cart');
  for (const client of clients) client.ack(await client.next('route'));
  await revisions(mesh, 30);
  const weight = (client: XdsClient) =>
    JSON.stringify(client.responses.at(-1)?.resources['shop/cart']).includes('"weight":{"value":300}');
  await eventually('all are at the last revision', () => clients.every(weight));
  for (const client of clients) for (const response of client.responses.slice(1)) client.ack(response);
  await eventually('all are in sync', async () => {
    const { clients: known } = await statusOf(mesh);
    return known.length === 100 && known.every(({ inSync }) => inSync);
  });
});

t.test('too many names end the stream, with the reason', async (t) => {
  const mesh = await TestMesh.start(t, [cart(0)]);
  const client = XdsClient.delta(t, mesh.controlPlane.grpcAddress);
  const names = Array.from({ length: MAX_SUBSCRIBED_NAMES + 1 }, (_, i) => `n${i}`);
  client.subscribe('cluster', ...names);
  t.equal(await client.over(), status.RESOURCE_EXHAUSTED);
  t.match(String(client.ended), /at most 100000 names/);
  const sotw = XdsClient.sotw(t, mesh.controlPlane.grpcAddress);
  sotw.send('cluster', { resourceNames: names });
  t.equal(await sotw.over(), status.RESOURCE_EXHAUSTED);
  t.same((await statusOf(mesh)).clients, []);
});

t.test('garbage on the port harms nobody', async (t) => {
  const mesh = await TestMesh.start(t, [cart(0)]);
  const address = mesh.controlPlane.grpcAddress;
  const client = XdsClient.delta(t, address);
  client.subscribe('route', 'shop/cart');
  await client.next('route');
  const port = Number(address.split(':')[1]);
  for (const bytes of [
    'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(100)}`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255)),
    '',
  ]) {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.end(bytes);
    await once(socket, 'close');
  }
  // A message that is not protobuf, on a stream that is in order.
  const deaf = new DeafClient(address);
  deaf.stream.resume();
  deaf.stream.write(Buffer.from([0, 0, 0, 0, 3, 0xff, 0xff, 0xff]));
  const [head] = (await once(deaf.stream, 'response')) as [Record<string, string>];
  t.equal(Number(head['grpc-status']), status.INTERNAL);
  deaf.session.destroy();
  await revisions(mesh, 1);
  t.same((await client.next('route')).names, ['shop/cart']);
});
