import t, { type Test } from 'tap';
import { Flow, settled } from '../support/http1/flows.js';
import { inEachDirection, type Path, startPath } from '../support/http1/paths.js';
import type { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

/** What the kernel may hold of one connection, in both its buffers, twice, and a little of our own. */
const HELD_BYTES = 32_000_000;
const TOTAL = 48_000_000;

/**
 * One side sends as fast as it can while the other reads nothing: the sender has to stop. Then the other reads, and
 * gets everything.
 */
async function checkFlow(t: Test, path: Path, from: RawPeer, to: RawPeer): Promise<void> {
  to.socket.pause();
  const flow = new Flow(from, TOTAL);
  const sent = await settled(t, path, () => flow.sent, TOTAL);
  t.ok(sent < HELD_BYTES, `the sender was stopped after ${sent} bytes`);
  t.ok(sent > 65_536, 'and not before something was under way');
  // Text would be built up in vain.
  to.socket.removeAllListeners('data');
  let received = 0;
  let wrong = 0;
  to.socket.on('data', (piece: Buffer) => {
    received += piece.length;
    if (piece[piece.length >> 1] !== 0x62) wrong++;
  });
  to.socket.resume();
  await new Promise<void>((resolve, reject) => {
    to.socket.on('close', () => reject(new Error(`closed after ${received} bytes`)));
    to.socket.on('data', () => {
      if (received >= TOTAL) resolve();
    });
  });
  t.equal(received, TOTAL);
  t.equal(wrong, 0);
}

inEachDirection(t, mesh, 'a client that does not read stops the upstream', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`]);
  const upstream = await path.backend.next();
  await upstream.request();
  upstream.sendMessage(['HTTP/1.1 200 OK', `Content-Length: ${TOTAL}`]);
  await client.receive('\r\n\r\n');
  await checkFlow(t, path, upstream, client);
});

inEachDirection(t, mesh, 'an upstream that does not read stops the client', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, `Content-Length: ${TOTAL}`]);
  const upstream = await path.backend.next();
  await upstream.receive('\r\n\r\n');
  await checkFlow(t, path, client, upstream);
});

inEachDirection(
  t,
  mesh,
  'a tunnel stops either side that sends more than the other takes',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, 'Connection: Upgrade', 'Upgrade: x']);
    const upstream = await path.backend.next();
    await upstream.receive('\r\n\r\n');
    upstream.sendMessage(['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x']);
    await client.receive('\r\n\r\n');
    await checkFlow(t, path, client, upstream);
    await checkFlow(t, path, upstream, client);
  },
);

inEachDirection(t, mesh, 'a client that sends requests and reads no answers is stopped', async (t, path) => {
  let answered = 0;
  const response = `HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n${'b'.repeat(50_000)}`;
  path.backend.answerAll(() => {
    answered++;
    return response;
  });
  const client = await path.client();
  client.socket.pause();
  const count = 2000;
  client.send(`GET / HTTP/1.1\r\nHost: ${path.host}\r\n\r\n`.repeat(count));
  const stopped = await settled(t, path, () => answered, count);
  t.ok(stopped * response.length < HELD_BYTES, `after ${stopped} answers`);
  t.ok(stopped > 0);
  client.socket.resume();
  await client.until('all answers', () => client.bytesReceived === count * response.length);
  t.equal(answered, count);
});

t.test('a client that asks in vain and reads no answers is stopped, too', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  const client = await path.client();
  client.socket.pause();
  const asking = Buffer.from('GET / HTTP/1.1\r\nHost: nosuch\r\n\r\n'.repeat(2000));
  const limit = 1500;
  let asked = 0;
  const pump = () => {
    while (asked < limit) {
      asked++;
      if (!client.socket.write(asking)) return;
    }
  };
  client.socket.on('drain', pump);
  pump();
  const stopped = await settled(t, path, () => asked, limit);
  t.ok(stopped * asking.length < HELD_BYTES, `after ${stopped * 2000} requests`);
});
