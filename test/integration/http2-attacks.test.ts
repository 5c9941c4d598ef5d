import { once } from 'node:events';
import { connect } from 'node:http2';
import t, { type Test } from 'tap';
import { EchoServer } from '../support/http2/echo-server.js';
import {
  block,
  data,
  FLAG,
  frame,
  headers,
  PREFACE,
  request,
  reset,
  settings,
  TYPE,
  windowUpdate,
} from '../support/http2/frames.js';
import { RawHttp2Peer } from '../support/http2/raw-peer.js';

/** Each attack is mounted on one connection while a client on another one goes on being served. */

const CALM = 11;
const GET = request('GET', '/');
const POST = request('POST', '/');

/** Sends requests one after the other until it is told to stop. */
async function watch(t: Test, server: EchoServer): Promise<() => Promise<void>> {
  const client = connect(`http://${server.address}`);
  client.on('error', () => {});
  t.teardown(() => {
    stopped = true;
    client.destroy();
  });
  let [answered, stopped] = [0, false];
  const failures: unknown[] = [];
  const ask = async () => {
    const stream = client.request({ ':path': '/' });
    stream.resume();
    await once(stream, 'end');
    answered++;
  };
  await ask();
  const running = (async () => {
    while (!stopped && failures.length === 0) await ask().catch((error) => failures.push(error));
  })();
  return async () => {
    // At least once more after the attack.
    const before = answered;
    while (answered < before + 2 && failures.length === 0) await new Promise((done) => setTimeout(done, 1));
    stopped = true;
    await running;
    t.same(failures, [], `another client had ${answered} answers meanwhile, and no failure`);
  };
}

interface Attack {
  readonly server: EchoServer;
  readonly attacker: RawHttp2Peer;
}

/** A flood that ends with the connection. */
function flood(what: string, mount: (attack: Attack) => void | Promise<void>, code = CALM): void {
  t.test(`${what} ends the connection, and nobody else's`, async (t) => {
    const server = await EchoServer.start(t);
    const proceed = await watch(t, server);
    const attacker = RawHttp2Peer.connect(t, server.port);
    await attacker.frame(TYPE.settings);
    await mount({ server, attacker });
    t.equal(await attacker.goAwayCode(), code);
    await attacker.closing();
    await proceed();
  });
}

const odd = (count: number) => Array.from({ length: count }, (_, i) => 2 * i + 1);

flood('rapid reset (CVE-2023-44487)', ({ server, attacker }) => {
  server.holds = false;
  attacker.send(...odd(5000).flatMap((id) => [headers(id, POST, false), reset(id)]));
});

flood('MadeYouReset (CVE-2025-8671) by windows updated by nothing', ({ attacker }) => {
  attacker.send(...odd(2000).flatMap((id) => [headers(id, POST, false), windowUpdate(id, 0)]));
});

flood('MadeYouReset by content behind the end', ({ server, attacker }) => {
  server.holds = true;
  attacker.send(...odd(200).flatMap((id) => [headers(id, GET), data(id, 'x')]));
  // The other client needs answers.
  const timer = setInterval(() => server.answerAll(), 1);
  setTimeout(() => clearInterval(timer), 2000).unref();
});

flood('malformed requests without end', ({ attacker }) => {
  attacker.send(...odd(2000).map((id) => headers(id, [...GET, ['connection', 'x']])));
});

flood('a flood of CONTINUATION (CVE-2024-27316)', ({ attacker }) => {
  attacker.send(frame(TYPE.headers, 0, 1, block(GET)));
  attacker.send(...Array.from({ length: 1000 }, () => frame(TYPE.continuation, 0, 1, 'x'.repeat(1000))));
});

flood('a flood of empty CONTINUATION', ({ attacker }) => {
  attacker.send(frame(TYPE.headers, 0, 1, block(GET)));
  attacker.send(...Array.from({ length: 1000 }, () => frame(TYPE.continuation, 0, 1)));
});

flood('a flood of SETTINGS', ({ attacker }) => {
  attacker.send(...Array.from({ length: 10_000 }, () => settings([4, 65_535])));
});

flood('a flood of PING', ({ attacker }) => {
  attacker.send(...Array.from({ length: 20_000 }, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8))));
});

flood('a flood of WINDOW_UPDATE', ({ attacker }) => {
  attacker.send(...Array.from({ length: 50_000 }, () => windowUpdate(0, 1)));
});

flood('a flood of frames without use', ({ attacker }) => {
  attacker.send(...Array.from({ length: 5000 }, () => frame(0xab, 0, 0)));
});

flood('a flood of empty DATA', ({ attacker }) => {
  attacker.send(headers(1, POST, false), ...Array.from({ length: 5000 }, () => data(1, '')));
});

flood('a flood of tiny DATA', ({ attacker }) => {
  attacker.send(headers(1, POST, false), windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000));
  attacker.send(...Array.from({ length: 50_000 }, () => data(1, 'x')));
});

t.test('pings whose answers are not read end the connection', async (t) => {
  const server = await EchoServer.start(t, { maxUnreadReplies: 100 });
  const proceed = await watch(t, server);
  const attacker = RawHttp2Peer.connect(t, server.port);
  await attacker.frame(TYPE.settings);
  attacker.socket.pause();
  // Fills what the kernel takes for it, so that everything else waits in the server.
  attacker.send(
    headers(1, request('GET', '/bytes?30000000')),
    windowUpdate(0, 2 ** 30),
    windowUpdate(1, 2 ** 30),
  );
  const pings = Buffer.concat(Array.from({ length: 50 }, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8))));
  while (server.connections.size > 1) {
    attacker.send(pings);
    await new Promise((done) => setTimeout(done, 5));
    server.tick();
    if (server.ends.length > 0) break;
    server.aheadMs += 10;
  }
  t.match(server.ends.join(), /does not read the answers/);
  await proceed();
});

t.test('an HPACK bomb is answered 431, and costs no more than a head may', async (t) => {
  const server = await EchoServer.start(t);
  const proceed = await watch(t, server);
  const attacker = RawHttp2Peer.connect(t, server.port);
  const entry = Buffer.concat([
    Buffer.from('40016 17fa11e'.replace(' ', ''), 'hex'),
    Buffer.alloc(4000, 'x'),
  ]);
  const bomb = Buffer.concat([block(GET), entry, Buffer.alloc(12_000, 0xbe)]);
  const before = process.memoryUsage().heapUsed;
  attacker.send(frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1, bomb));
  const { fields } = await attacker.frame(TYPE.headers, 1);
  t.equal(fields[0]?.value, '431');
  t.ok(process.memoryUsage().heapUsed - before < 20_000_000, '48 MB of fields were not made');
  attacker.send(headers(3, GET));
  t.equal(await attacker.content(3), 'hello', 'the same connection is served on');
  await proceed();
});

t.test('content that nobody takes is bounded, and given up in the end', async (t) => {
  const server = await EchoServer.start(t, { stallTimeoutMs: 60_000 });
  const proceed = await watch(t, server);
  const attacker = RawHttp2Peer.connect(t, server.port, Buffer.concat([PREFACE, settings([4, 0])]));
  attacker.send(...odd(100).map((id) => headers(id, request('GET', '/bytes?1000000'))));
  await attacker.settle();
  server.aheadMs = 61_000;
  for (const id of [1, 199]) t.equal(await attacker.resetCode(id), 8, 'CANCEL');
  t.equal(server.failures.length, 100);
  await proceed();
});

t.test('more streams than allowed are refused, and may be sent again', async (t) => {
  const server = await EchoServer.start(t, { maxConcurrentStreams: 10 });
  const proceed = await watch(t, server);
  server.holds = true;
  const attacker = RawHttp2Peer.connect(t, server.port);
  attacker.send(...odd(20).map((id) => headers(id, GET)));
  t.equal(await attacker.resetCode(39), 7, 'REFUSED_STREAM');
  server.holds = false;
  server.answerAll();
  t.equal(await attacker.content(1), 'hello');
  await proceed();
});

t.test('a client whose stream numbers run out is told to connect again', async (t) => {
  const server = await EchoServer.start(t);
  const proceed = await watch(t, server);
  const attacker = RawHttp2Peer.connect(t, server.port);
  attacker.send(headers(0x7fff_fffd, GET));
  t.equal(await attacker.content(0x7fff_fffd), 'hello');
  t.equal(await attacker.goAwayCode(), 0, 'NO_ERROR');
  await proceed();
});

const SLOW: readonly (readonly [what: string, bytes: Buffer<ArrayBufferLike>, code: number])[] = [
  ['a preface that is never complete', PREFACE.subarray(0, 5), 4],
  ['settings that never come', PREFACE, 4],
  [
    'a frame that is never complete',
    Buffer.concat([PREFACE, settings(), headers(1, GET).subarray(0, 20)]),
    CALM,
  ],
  [
    'a head that is never complete',
    Buffer.concat([PREFACE, settings(), frame(TYPE.headers, 1, 1, block(GET))]),
    CALM,
  ],
];

for (const [what, bytes, code] of SLOW) {
  t.test(`${what} ends the connection when its time is over`, async (t) => {
    const server = await EchoServer.start(t);
    const proceed = await watch(t, server);
    const attacker = RawHttp2Peer.connect(t, server.port, bytes);
    await attacker.frame(TYPE.settings);
    // What it has sent has been read by then.
    await attacker.frame(TYPE.windowUpdate);
    await new Promise((done) => setTimeout(done, 20));
    server.aheadMs = 11_000;
    t.equal(await attacker.goAwayCode(), code);
    await proceed();
  });
}

t.test('content may come slowly, whatever its frame', async (t) => {
  const server = await EchoServer.start(t);
  const client = RawHttp2Peer.connect(t, server.port);
  client.send(headers(1, POST, false), data(1, 'slow content', true).subarray(0, 12));
  await client.frame(TYPE.data, 1);
  server.aheadMs = 60_000;
  server.tick();
  client.send(data(1, 'slow content', true).subarray(12));
  t.equal(await client.content(1), 'slow content');
});
