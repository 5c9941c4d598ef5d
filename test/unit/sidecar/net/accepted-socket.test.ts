import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { AcceptedSocket, takeConnections } from '../../../../sidecar/net/accepted-socket.js';
import { SocketReader } from '../../../../sidecar/net/socket-reader.js';
import { SocketWriter } from '../../../../sidecar/net/socket-writer.js';

const LARGE = 'x'.repeat(8_000_000);

interface Pair {
  readonly client: Socket;
  readonly socket: Socket;
  readonly writer: SocketWriter;
  /** What the accepted side has told, in order. */
  readonly events: string[];
}

async function listening(t: Test): Promise<Server> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return server;
}

function dial(t: Test, server: Server): Socket {
  const client = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  client.on('error', () => {});
  t.teardown(() => client.destroy());
  return client;
}

async function connected(t: Test): Promise<Pair> {
  const server = await listening(t);
  const taken = new Promise<Socket>((resolve) =>
    takeConnections(
      server,
      resolve,
      () => true,
      () => t.fail('nothing is dropped'),
    ),
  );
  const client = dial(t, server);
  const [socket] = await Promise.all([taken, once(client, 'connect')]);
  t.type(socket, AcceptedSocket);
  t.teardown(() => socket.destroy());
  const events: string[] = [];
  for (const name of ['end', 'close']) socket.on(name, () => events.push(name));
  socket.on('error', ({ code }: NodeJS.ErrnoException) => events.push(String(code)));
  new SocketReader(socket, (piece) => events.push(piece.toString('latin1')));
  return { client, socket, writer: new SocketWriter(socket, () => events.push('drain')), events };
}

t.test('reads, writes, and knows both addresses while it is open', async (t) => {
  const { client, socket, writer, events } = await connected(t);
  t.equal(socket.remotePort, client.localPort);
  t.equal(socket.remoteAddress, '127.0.0.1');
  t.equal(socket.localPort, client.remotePort);
  writer.writeText('hello');
  writer.flush();
  t.equal(String((await once(client, 'data'))[0]), 'hello');
  client.end('bye');
  await once(socket, 'end');
  t.same(events, ['bye', 'end']);
  socket.destroy();
  t.equal(socket.remoteAddress, undefined);
  t.equal(socket.localPort, undefined);
});

t.test('closes once both sides have ended, whichever was first', async (t) => {
  for (const first of ['client', 'socket'] as const) {
    const pair = await connected(t);
    const second = first === 'client' ? 'socket' : 'client';
    pair.client.resume();
    pair[first].end();
    await once(pair[second], 'end');
    t.equal(pair.socket.destroyed, false, first);
    pair[second].end();
    await once(pair.socket, 'close');
    t.same(pair.events, ['end', 'close']);
    t.ok(pair.socket.writableFinished);
  }
});

t.test('ends behind everything that was written, and tells when the kernel has it', async (t) => {
  const { client, socket, writer } = await connected(t);
  writer.writeText(LARGE);
  writer.flush();
  t.equal(writer.isEmpty, false, 'more than the kernel takes');
  let finished = false;
  socket.end(() => {
    finished = true;
  });
  t.equal(socket.writableEnded, true);
  await new Promise((polled) => setImmediate(polled));
  t.equal(finished, false);
  let received = 0;
  client.on('data', (piece) => {
    received += piece.length;
  });
  await once(client, 'end');
  t.equal(received, LARGE.length);
  t.equal(finished, true);
});

t.test('is destroyed once, and what is written after that goes nowhere', async (t) => {
  const { client, socket, writer, events } = await connected(t);
  client.resume();
  socket.destroy();
  socket.destroy();
  socket.end();
  writer.writeText('late');
  writer.flush();
  await once(client, 'end');
  t.same(events, ['close']);
});

t.test('resets, and sees a reset', async (t) => {
  const mine = await connected(t);
  mine.socket.resetAndDestroy();
  const [error] = (await once(mine.client, 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');
  t.equal(mine.socket.destroyed, true);
  const theirs = await connected(t);
  theirs.client.resetAndDestroy();
  // `once` would fail with the error.
  await new Promise((closed) => theirs.socket.on('close', closed));
  t.same(theirs.events, ['ECONNRESET', 'close']);
});

t.test('destroySoon waits for what was written, then for nothing', async (t) => {
  const { client, socket, writer, events } = await connected(t);
  writer.writeText('last');
  writer.flush();
  socket.destroySoon();
  const [[received]] = await Promise.all([once(client, 'data'), once(socket, 'close')]);
  t.equal(String(received), 'last');
  t.same(events, ['close'], 'the client has its side open');
});

t.test('closes connections beyond the bound, and tells whose they were', async (t) => {
  const server = await listening(t);
  const dropped = new Promise<unknown>((resolve) =>
    takeConnections(
      server,
      () => t.fail('it is taken'),
      () => false,
      resolve,
    ),
  );
  const client = dial(t, server);
  client.resume();
  t.same(await dropped, { remoteAddress: '127.0.0.1' });
  await once(client, 'end');
});

t.test('leaves connections to the server where their handles are not what it knows', async (t) => {
  const given: unknown[] = [];
  const handle = { onconnection: (status: number, client: unknown) => given.push([status, client]) };
  const take = () => t.fail('it is taken');
  takeConnections(
    { _handle: handle } as unknown as Server,
    take,
    () => true,
    () => {},
  );
  const strange = { close() {} };
  handle.onconnection(0, strange);
  handle.onconnection(-24, undefined);
  t.same(given, [
    [0, strange],
    [-24, undefined],
  ]);
  takeConnections(
    {} as Server,
    take,
    () => true,
    () => {},
  );
});
