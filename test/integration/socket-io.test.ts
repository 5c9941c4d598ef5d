import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { SocketReader } from '../../sidecar/net/socket-reader.js';
import { SocketWriter } from '../../sidecar/net/socket-writer.js';
import { handleOf } from '../../sidecar/net/stream-handle.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';

/** Two ends of a real connection: below the streams where Node has that, or through them. */
interface Ends {
  readonly ours: Socket;
  readonly peer: Socket;
}

async function connected(t: Test, below: boolean): Promise<Ends> {
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ours = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(ours, 'connect')])) as [[Socket], []];
  ours.on('error', () => {});
  peer.on('error', () => {});
  t.teardown(() => {
    ours.destroy();
    peer.destroy();
    server.close();
  });
  // Without what lies below, as in a Node that does not show it.
  if (!below) Object.defineProperty((ours as unknown as { _handle: object })._handle, 'useUserBuffer', {});
  t.equal(handleOf(ours) !== undefined, below);
  return { ours, peer };
}

/** All that arrives until the end. */
async function received(peer: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of peer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function numbered(length: number, from = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (from + i) % 251));
}

for (const below of [true, false]) {
  const how = below ? 'below the streams' : 'through the streams';

  t.test(`writes everything once and in order, from memory that is used again (${how})`, async (t) => {
    const { ours, peer } = await connected(t, below);
    const writer = new SocketWriter(ours, () => {});
    const memory = Buffer.alloc(65_536);
    const expected: Buffer[] = [];
    for (let i = 0; i < 400; i++) {
      const piece = numbered((i * 7919) % 65_536, i);
      writer.writeText(`<${i}>`);
      piece.copy(memory);
      writer.writeRange(memory, 0, piece.length);
      memory.fill(0xff);
      if (i % 3 === 0) writer.flush();
      expected.push(Buffer.from(`<${i}>`), piece);
    }
    writer.flush();
    t.equal(writer.congested, true, 'nobody has read: it has to wait');
    t.equal(writer.isEmpty, false);
    ours.end();
    t.ok((await received(peer)).equals(Buffer.concat(expected)));
    t.equal(writer.congested, false);
    t.equal(writer.isEmpty, true);
    t.equal(ours.writableFinished, true, 'the end came last');
  });

  t.test(`tells once that the peer takes more again (${how})`, async (t) => {
    const { ours, peer } = await connected(t, below);
    const told: number[] = [];
    const writer = new SocketWriter(ours, () => {
      told.push(told.length);
      ours.end();
    });
    const piece = Buffer.alloc(65_536);
    while (!writer.congested) writer.writeRange(piece, 0, piece.length);
    writer.writeText('last');
    writer.flush();
    t.strictSame(told, []);
    const all = await received(peer);
    t.equal(all.subarray(-4).toString(), 'last');
    t.strictSame(told, [0]);
  });

  t.test(`a peer that resets ends the socket with an error (${how})`, async (t) => {
    const { ours, peer } = await connected(t, below);
    const writer = new SocketWriter(ours, () => {});
    const piece = Buffer.alloc(65_536);
    while (!writer.congested) writer.writeRange(piece, 0, piece.length);
    const failed = once(ours, 'error') as Promise<NodeJS.ErrnoException[]>;
    peer.resetAndDestroy();
    const [error] = await failed;
    t.match(error?.code, /^(ECONNRESET|EPIPE)$/);
    await once(ours, 'close');
    writer.writeText('into the void');
    writer.flush();
    writer.writeRange(piece, 0, piece.length);
    t.equal(handleOf(ours), undefined);
  });

  t.test(`reads everything, and only while it is not paused (${how})`, async (t) => {
    const { ours, peer } = await connected(t, below);
    const pieces: Buffer[] = [];
    const reader = new SocketReader(ours, (piece) => {
      pieces.push(Buffer.from(piece));
      reader.pause();
      // A pause that is taken back at once, and one that lasts.
      if (pieces.length % 2 === 1) reader.resume();
      else setImmediate(() => reader.resume());
    });
    reader.pause();
    t.equal(reader.isPaused, true);
    const sent = numbered(3_000_000);
    peer.end(sent);
    await new Promise((polled) => setTimeout(polled, 20));
    t.equal(pieces.length, 0, 'it is paused');
    reader.resume();
    await once(ours, 'end');
    t.ok(Buffer.concat(pieces).equals(sent));
  });

  t.test(`tells of an end that comes before anything else (${how})`, async (t) => {
    const { ours, peer } = await connected(t, below);
    new SocketReader(ours, () => t.fail('nothing was sent'));
    peer.end();
    await once(ours, 'end');
    ours.end('still here');
    t.equal((await received(peer)).toString(), 'still here');
  });

  t.test(`survives being paused and resumed when it is closed (${how})`, async (t) => {
    const { ours } = await connected(t, below);
    const reader = new SocketReader(ours, () => {});
    ours.destroy();
    await once(ours, 'close');
    reader.pause();
    reader.resume();
    t.equal(reader.isPaused, false);
  });
}

t.test('a socket that is still connecting is written to, and read from, once it is connected', async (t) => {
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const ours = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const writer = new SocketWriter(ours, () => {});
  const pieces: string[] = [];
  const reader = new SocketReader(ours, (piece) => pieces.push(piece.toString()));
  reader.pause();
  writer.writeText('early ');
  writer.flush();
  t.equal(handleOf(ours), undefined);
  await once(ours, 'connect');
  writer.writeText('late');
  writer.flush();
  ours.end();
  reader.resume();
  await once(ours, 'end');
  t.equal(pieces.join(''), 'early late');
});

t.test(
  'TLS: many writes at once arrive whole, and so does what is read',
  { skip: OPENSSL.skip },
  async (t) => {
    const authority = await TestAuthority.create(await temporaryFolder(t));
    const { cert, key } = await authority.issue('server');
    const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const halfOpen = { port, host: '127.0.0.1', allowHalfOpen: true };
    const ours = connectTls({ ...halfOpen, ca: readFileSync(authority.files.cert) });
    const writer = new SocketWriter(ours, () => {});
    const pieces: Buffer[] = [];
    const reader = new SocketReader(ours, (piece) => pieces.push(Buffer.from(piece)));
    await once(ours, 'secureConnect');
    reader.pause();
    const sent = numbered(2_000_000);
    for (let at = 0; at < sent.length; at += 50_000) {
      writer.writeRange(sent, at, at + 50_000);
      writer.writeText('.');
      writer.flush();
    }
    t.equal(writer.isEmpty, false);
    ours.end();
    setImmediate(() => reader.resume());
    await once(ours, 'end');
    const expected = Array.from({ length: 40 }, (_, i) => [
      sent.subarray(i * 50_000, (i + 1) * 50_000),
      Buffer.from('.'),
    ]);
    t.ok(Buffer.concat(pieces).equals(Buffer.concat(expected.flat())));
  },
);
