import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EchoServer, FILLING } from '../support/http2/echo-server.js';
import { findPeer, pathOf } from '../support/peers.js';

/** A server made of the codec, and other projects' clients. */

function session(t: Test, server: EchoServer): ClientHttp2Session {
  // A body that waits in the client counts against its memory.
  const client = connect(`http://${server.address}`, { maxSessionMemory: 100 });
  client.on('error', () => {});
  t.teardown(() => client.destroy());
  return client;
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders | undefined;
}

async function exchange(
  client: ClientHttp2Session,
  head: Record<string, string>,
  body?: Buffer,
): Promise<Answer> {
  const stream = client.request(
    { ':method': body ? 'POST' : 'GET', ...head },
    { endStream: body === undefined },
  );
  if (body) stream.end(body);
  const pieces: Buffer[] = [];
  let trailers: IncomingHttpHeaders | undefined;
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  const end = once(stream, 'end');
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  await end;
  return { headers, body: Buffer.concat(pieces), trailers };
}

t.test('node:http2 gets answers on many streams at once, byte for byte', async (t) => {
  const server = await EchoServer.start(t);
  const client = session(t, server);
  const bodies = Array.from({ length: 50 }, (_, i) => FILLING.subarray(i, i + i * 1000));
  const answers = await Promise.all(
    bodies.map((body, i) => exchange(client, { ':path': '/', 'x-number': String(i) }, body)),
  );
  answers.forEach(({ headers, body }, i) => {
    t.equal(headers['x-number'], String(i));
    t.ok(body.equals(i === 0 ? Buffer.from('hello') : (bodies[i] as Buffer)), `${body.length} bytes`);
  });
  t.equal(server.connections.size, 1);
});

t.test('a body far beyond every window goes there and back', async (t) => {
  const server = await EchoServer.start(t);
  const client = session(t, server);
  const body = Buffer.alloc(20_000_000, FILLING);
  const { body: back } = await exchange(client, { ':path': '/' }, body);
  t.equal(hash(back), hash(body));
});

t.test('a client that does not read stalls its own stream, and no other', async (t) => {
  const server = await EchoServer.start(t);
  const client = session(t, server);
  const slow = client.request({ ':path': '/bytes?3000000' });
  slow.pause();
  await once(slow, 'response');
  for (let i = 0; i < 20; i++) t.equal((await exchange(client, { ':path': '/' })).body.toString(), 'hello');
  let length = 0;
  slow.on('data', (piece: Buffer) => {
    length += piece.length;
  });
  slow.resume();
  await once(slow, 'end');
  t.equal(length, 3_000_000);
});

t.test('passes trailers, interim responses and early answers', async (t) => {
  const server = await EchoServer.start(t);
  const client = session(t, server);
  const hinted = client.request({ ':path': '/hints' });
  const [hints] = (await once(hinted, 'headers')) as [IncomingHttpHeaders];
  t.match(hints, { ':status': 103, link: '</a>' });
  hinted.resume();
  await once(hinted, 'end');
  const stream = client.request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
  stream.end('content');
  stream.resume();
  const [trailers] = (await once(stream, 'trailers')) as [IncomingHttpHeaders];
  t.equal(trailers['x-sum'], '7');
  const early = client.request({ ':path': '/early', ':method': 'POST' });
  early.write('part');
  early.resume();
  const [head] = (await once(early, 'response')) as [IncomingHttpHeaders];
  t.equal(head[':status'], 200);
  await once(early, 'close');
  t.equal(early.rstCode, 0, 'RFC 9113 section 8.1: without an error');
});

t.test('drains: says so, lets streams finish, and closes', async (t) => {
  const server = await EchoServer.start(t);
  server.holds = true;
  const client = session(t, server);
  const answer = exchange(client, { ':path': '/' });
  while (server.held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const goAway = once(client, 'goaway');
  for (const connection of server.connections) connection.drain();
  t.equal((await goAway)[0], 0, 'NO_ERROR');
  server.answerAll();
  t.equal((await answer).body.toString(), 'hello');
  if (!client.closed) await once(client, 'close');
  t.ok(client.closed);
});

t.test('answers a head that is too large 431, and serves on', async (t) => {
  const server = await EchoServer.start(t, { maxHeadBytes: 4096 });
  const client = session(t, server);
  const long = { 'x-long': 'x'.repeat(4000) };
  t.equal((await exchange(client, { ':path': '/', ...long })).headers[':status'], 431);
  t.equal((await exchange(client, { ':path': '/' })).headers[':status'], 200);
});

t.test('heads in several CONTINUATION frames go both ways', async (t) => {
  const server = await EchoServer.start(t);
  const client = session(t, server);
  const long = { 'x-a': 'a'.repeat(15_000), 'x-b': '~'.repeat(15_000) };
  const { headers } = await exchange(client, { ':path': '/', ...long });
  t.equal(headers['x-a'], long['x-a']);
  t.equal(headers['x-b'], long['x-b']);
});

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

const curl = findPeer(undefined, 'curl');
t.test('curl posts and gets back a large file', { skip: curl.skip }, async (t) => {
  const server = await EchoServer.start(t);
  const folder = mkdtempSync(join(tmpdir(), 'roost-h2-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const body = Buffer.alloc(5_000_000, FILLING);
  writeFileSync(join(folder, 'body'), body);
  const child = spawn(pathOf(curl), [
    '-sS',
    '--http2-prior-knowledge',
    '--data-binary',
    `@${join(folder, 'body')}`,
    '-w',
    '%{stderr}%{http_version} %{http_code}',
    `http://${server.address}/`,
  ]);
  const pieces: Buffer[] = [];
  let told = '';
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr.on('data', (piece: Buffer) => {
    told += piece;
  });
  await once(child, 'close');
  t.equal(told, '2 200');
  t.equal(hash(Buffer.concat(pieces)), hash(body));
});

const nghttp = findPeer(undefined, 'nghttp');
t.test('nghttp is answered, with its priorities ignored', { skip: nghttp.skip }, async (t) => {
  const server = await EchoServer.start(t);
  const child = spawn(pathOf(nghttp), ['-m', '10', `http://${server.address}/bytes?100000`]);
  let length = 0;
  child.stdout.on('data', (piece: Buffer) => {
    length += piece.length;
  });
  const [code] = await once(child, 'close');
  t.equal(code, 0);
  t.equal(length, 10 * 100_000);
});

const h2load = findPeer(undefined, 'h2load');
t.test('h2load has all of its requests answered', { skip: h2load.skip }, async (t) => {
  const server = await EchoServer.start(t);
  const args = ['-n', '2000', '-c', '4', '-m', '20', `http://${server.address}/`];
  const child = spawn(pathOf(h2load), args);
  let output = '';
  child.stdout.on('data', (piece: Buffer) => {
    output += piece;
  });
  await once(child, 'close');
  t.match(output, /2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/);
});
