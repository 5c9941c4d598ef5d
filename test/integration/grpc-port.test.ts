import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Server } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { readTlsFiles } from '../../control-plane/access/tls-files.js';
import { ConnectionLimit } from '../../control-plane/ports/connection-limit.js';
import { GrpcPort } from '../../control-plane/ports/grpc-port.js';
import { ClientStatusServer } from '../../sidecar/admin/client-status-server.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';

const FREE = { host: '127.0.0.1', port: 0 };
const TIMEOUT_MS = 1500;

function newPort(t: Test): GrpcPort {
  const limit = new ConnectionLimit(100, createLogger('test', 'silent'));
  const port = new GrpcPort(new Server(), limit, TIMEOUT_MS);
  t.teardown(() => port.close(100));
  return port;
}

/** Resolves once the server has closed the connection. */
async function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {}).resume();
  // Not by once(): a reset is an end like any other here.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

t.test('a connection that never greets is closed, one that does stays', async (t) => {
  const { host, port } = toAddress(await newPort(t).listen(FREE));
  const session = connectHttp2(`http://${host}:${port}`);
  t.teardown(() => session.destroy());
  await once(session, 'connect');
  const silent = connect({ host, port });
  const halting = connect({ host, port });
  halting.write('PRI * HTTP/2.0\r\n');
  await Promise.all([closed(silent), closed(halting)]);
  t.notOk(session.destroyed);
  t.notOk(session.closed);
});

t.test("so is one to a sidecar's client status", async (t) => {
  const server = new ClientStatusServer({ id: 'x', config: () => ({}) }, TIMEOUT_MS);
  t.teardown(() => server.close());
  const { host, port } = toAddress(await server.start(FREE));
  const session = connectHttp2(`http://${host}:${port}`);
  t.teardown(() => session.destroy());
  await once(session, 'connect');
  await closed(connect({ host, port }));
  t.notOk(session.destroyed);
});

t.test('with TLS likewise, after its handshake', { skip: OPENSSL.skip }, async (t) => {
  const authority = await TestAuthority.create(await temporaryFolder(t));
  const { cert, key } = await authority.issue('server');
  const address = await newPort(t).listenTls(FREE, readTlsFiles({ cert, key, clientCa: '' }));
  const { host, port } = toAddress(address);
  const session = connectHttp2(`https://${host}:${port}`, { rejectUnauthorized: false });
  t.teardown(() => session.destroy());
  await once(session, 'connect');
  const silent = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  await closed(silent);
  t.notOk(session.destroyed);
});

t.test('over TLS, too, a connection that nobody uses gives way', { skip: OPENSSL.skip }, async (t) => {
  const authority = await TestAuthority.create(await temporaryFolder(t));
  const { cert, key } = await authority.issue('server');
  const limit = new ConnectionLimit(1, createLogger('test', 'silent'));
  const grpc = new GrpcPort(new Server(), limit);
  t.teardown(() => grpc.close(100));
  const { host, port } = toAddress(await grpc.listenTls(FREE, readTlsFiles({ cert, key, clientCa: '' })));
  const dial = async () => {
    const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    return socket;
  };
  const first = await dial();
  const second = await dial();
  await closed(first);
  t.notOk(second.destroyed);
  const half = connect({ host, port });
  await closed(second);
  await Promise.all([closed(half), dial()]);
});
