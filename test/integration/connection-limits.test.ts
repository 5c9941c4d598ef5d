import { once } from 'node:events';
import { connect as connectHttp2, type Settings } from 'node:http2';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

t.test('one address has so many connections and no more, and gets them back', async (t) => {
  // One is the test's own client.
  const mesh = await TestMesh.start(t, [], { connectionsPerAddress: 6 });
  await mesh.client.call('Status', {});
  const target = toAddress(mesh.controlPlane.grpcAddress);
  const open = new Set<Socket>();
  const dial = async () => {
    const socket = connect(target);
    socket.on('error', () => {});
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    await once(socket, 'connect');
  };
  for (let i = 0; i < 9; i++) await dial();
  await eventually('four are refused', () => open.size === 5);
  await mesh.client.call('Status', {});
  for (const socket of open) socket.destroy();
  await eventually('all are gone', () => open.size === 0);
  for (let i = 0; i < 5; i++) await dial();
  await mesh.client.call('Status', {});
  t.equal(open.size, 5, 'there is room again');
  for (const socket of open) socket.destroy();
});

t.test('connections that nobody uses do not keep a client out that shares their address', async (t) => {
  const mesh = await TestMesh.start(t, [], { connectionsPerAddress: 6 });
  const target = toAddress(mesh.controlPlane.grpcAddress);
  const open = Array.from({ length: 20 }, () => connect(target).on('error', () => {}));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
  });
  await Promise.all(open.map((socket) => socket.connecting && once(socket, 'connect').catch(() => {})));
  await mesh.client.call('Status', {});
  for (let i = 0; i < 20; i++) open.push(connect(target).on('error', () => {}));
  await eventually('the others are gone', () => open.filter(({ closed }) => !closed).length <= 5);
  await mesh.client.call('Status', {});
  t.pass('nor do later ones end the connection that is used');
});

t.test('one connection has so many streams', async (t) => {
  const mesh = await TestMesh.start(t);
  const session = connectHttp2(`http://${mesh.controlPlane.grpcAddress}`);
  t.teardown(() => session.destroy());
  const [settings] = (await once(session, 'remoteSettings')) as [Settings];
  t.equal(settings.maxConcurrentStreams, 256);
});
