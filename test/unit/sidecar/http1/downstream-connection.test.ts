import t from 'tap';
import type { DownstreamUser } from '../../../../sidecar/http/downstream-stream.js';
import { DEFAULT_LIMITS, type HttpLimits } from '../../../../sidecar/http/limits.js';
import {
  DownstreamConnection,
  type DownstreamOwner,
} from '../../../../sidecar/http1/downstream-connection.js';
import { ClientSocket } from '../../../../sidecar/net/client-socket.js';
import type { LocalReply } from '../../../../src/http/error-catalogue.js';
import { headOf } from '../../../support/http1/heads.js';
import { MemorySocket } from '../../../support/http1/memory-socket.js';

const GET = headOf('GET / HTTP/1.1', 'Host: a');
const LIMITS: HttpLimits = {
  ...DEFAULT_LIMITS,
  headTimeoutMs: 1000,
  clientIdleTimeoutMs: 60_000,
  maxDiscardBytes: 1000,
};

/** A connection with a clock of its own, whose requests wait until the test answers them. */
class Fixture implements DownstreamOwner {
  readonly limits: HttpLimits;
  isEnding = false;
  readonly socket = new MemorySocket();
  readonly connection: DownstreamConnection;
  readonly events: string[] = [];
  readonly refused: LocalReply[] = [];
  clockMs = 5000;
  closed = false;

  constructor(limits: Partial<HttpLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
    const client = new ClientSocket(this.socket.asSocket, () => {
      this.closed = true;
    });
    this.connection = new DownstreamConnection(client, this);
    client.handler = this.connection;
  }

  /** Lets time pass, as the sidecar's clock does: tick by tick. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.clockMs += Math.min(50, left);
      this.connection.checkDeadlines(this.clockMs);
      this.socket.deliver();
    }
  }

  answer(text = 'HTTP/1.1 204 No Content\r\n\r\n', keepAlive = true): void {
    this.connection.responseStarted = true;
    this.connection.writer.writeText(text);
    this.connection.endResponse(keepAlive);
    this.socket.deliver();
  }

  nowMs(): number {
    return this.clockMs;
  }

  onRequest({ request }: DownstreamConnection): DownstreamUser {
    return this.userNamed(`${request.method} ${request.target}`);
  }

  onRefused(_: DownstreamConnection, reply: LocalReply): void {
    this.refused.push(reply);
  }

  private userNamed(name: string): DownstreamUser {
    const note = (event: string) => void this.events.push(event);
    return {
      onRequestHead: () => note(name),
      onRequestBody: (piece, start, end) => note(`body ${piece.toString('latin1', start, end)}`),
      onRequestEnd: () => note('end'),
      onDownstreamTurnEnd: () => {},
      onDownstreamDrain: () => note('drain'),
      onDownstreamGone: () => note('gone'),
      onClientTunnelData: (piece) => note(`tunnel ${piece}`),
      onClientTunnelEnd: () => note('tunnel end'),
      checkDeadlines: () => {},
    };
  }
}

t.test('answers a head that is not complete in time with 408, and ends', async (t) => {
  const f = new Fixture();
  f.socket.feed('GET / HT');
  f.pass(950);
  f.socket.feed('TP/1.1\r\n');
  t.equal(f.socket.written, '', 'the time counts from the first byte of the head');
  f.pass(50);
  t.match(f.socket.written, /^HTTP\/1\.1 408 .*x-roost-error: slow-request\r\n.*connection: close/s);
  t.equal(f.socket.writableEnded, true);
  t.match(f.refused, [{ code: 'slow-request' }]);
});

t.test('holds on to no text of the request that was answered, whichever way that had come', async (t) => {
  for (const target of ['/a-path-of-some-length?and=a+query', 'http://another.shop/a-path-of-some-length']) {
    const f = new Fixture();
    f.socket.feed(headOf(`GET ${target} HTTP/1.1`, 'Host: a-host-of-some.shop', 'X-User-Id: somebody'));
    f.answer();
    t.ok(f.connection.isIdle);
    t.notMatch(JSON.stringify(f.connection.request), /some/);
    f.socket.feed(headOf('GET /next HTTP/1.1', 'Host: b'));
    t.equal(f.events.at(-2), 'GET /next');
    t.equal(f.connection.request.authority, 'b');
  }
});

t.test('gives every head its own time', async (t) => {
  const f = new Fixture();
  for (let i = 0; i < 5; i++) {
    f.socket.feed(GET.slice(0, 9));
    f.pass(900);
    f.socket.feed(GET.slice(9));
    f.answer();
  }
  t.equal(f.connection.requests, 5);
  t.equal(f.refused.length, 0);
});

t.test('answers a body that comes too slowly with 408, and its user is told that it is over', async (t) => {
  const f = new Fixture();
  f.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 100000'));
  for (let i = 0; i < 10; i++) {
    f.socket.feed('x'.repeat(99));
    t.equal(f.socket.written, '');
    f.pass(1000);
  }
  t.match(f.socket.written, /^HTTP\/1\.1 408 .*x-roost-error: slow-request\r\n.*connection: close/s);
  t.equal(f.socket.writableEnded, true);
  t.match(f.refused, [{ code: 'slow-request' }]);
  t.equal(f.events.at(-1), 'gone');
});

t.test('a slow chunked body counts byte by byte, framing and all', async (t) => {
  for (const [rate, refused] of [
    [3, []],
    [4, [{ code: 'slow-request' }]],
  ] as const) {
    const f = new Fixture({ minBodyRate: rate });
    f.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'));
    for (let i = 0; i < 20; i++) {
      f.socket.feed(['1\r\n', 'x\r\n'][i % 2] as string);
      f.pass(1000);
    }
    t.match(f.refused, refused);
    t.equal(f.refused.length, refused.length);
  }
});

t.test('lets a body be slow while its response is under way, or while it is not read', async (t) => {
  const answered = new Fixture();
  answered.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'));
  answered.connection.responseStarted = true;
  answered.pass(30_000);
  t.equal(answered.refused.length, 0, 'as in a conversation');
  const held = new Fixture();
  held.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 100000'));
  held.connection.pause();
  held.pass(30_000);
  t.equal(held.refused.length, 0, 'an upstream that takes nothing is not its fault');
  held.connection.resume();
  held.pass(10_000);
  t.equal(held.refused.length, 1);
});

t.test('gives no time to a body that waits for its 100 (RFC 9110 section 10.1.1)', async (t) => {
  const f = new Fixture();
  f.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 100000'));
  f.pass(30_000);
  t.equal(f.refused.length, 0);
  f.socket.feed('x');
  f.pass(11_000);
  t.match(f.refused, [{ code: 'slow-request' }]);
});

t.test('ends a connection that has been idle for too long, without a word', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.answer();
  const { written } = f.socket;
  f.pass(59_950);
  t.equal(f.socket.writableEnded, false);
  f.pass(50);
  t.equal(f.socket.writableEnded, true);
  t.equal(f.socket.written, written);
});

t.test('waits for the client to end, too, but not for ever', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.answer(undefined, false);
  t.equal(f.socket.writableEnded, true);
  f.pass(1950);
  t.equal(f.closed, false);
  f.pass(50);
  t.equal(f.closed, true);
});

t.test('closes at once when the client has ended as well', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.answer(undefined, false);
  f.socket.feedEnd();
  t.equal(f.closed, true);
});

t.test('does not cut off a client that takes the last answer slowly', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.socket.stuck = true;
  f.answer('HTTP/1.0 200 OK\r\n\r\nbody', false);
  f.pass(30_000);
  t.equal(f.closed, false, 'long after the time that it is given to end');
  f.socket.take();
  f.pass(1950);
  t.equal(f.closed, false, 'which begins when it has everything');
  f.pass(50);
  t.equal(f.closed, true);
});

t.test('cuts off a client that takes nothing at all', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.socket.stuck = true;
  f.answer(undefined, false);
  f.pass(60_000);
  t.equal(f.closed, true);
});

t.test('throws away the rest of a request that was answered early, up to a bound', async (t) => {
  const f = new Fixture();
  f.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 1000000'));
  f.answer('HTTP/1.1 413 Content Too Large\r\n\r\n');
  t.equal(f.socket.writableEnded, true, 'the connection cannot go on');
  for (let i = 0; i < 10; i++) f.socket.feed('x'.repeat(100));
  t.equal(f.socket.unread, 0);
  for (let i = 0; i < 10; i++) f.socket.feed('x'.repeat(100));
  t.equal(f.socket.unread, 900, 'what is beyond the bound stays unread');
  t.equal(f.closed, false, 'the client gets its time to read the answer');
  f.pass(2000);
  t.equal(f.closed, true);
  t.strictSame(f.events, ['POST /']);
});

t.test('answers pipelined requests one by one, in order (RFC 9112 section 9.3.2)', async (t) => {
  const f = new Fixture();
  f.socket.feed(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT`);
  t.strictSame(f.events, ['GET /1', 'end'], 'the second waits for the answer to the first');
  f.socket.feed('TP/1.1\r\nHost: a\r\n\r\n');
  f.answer('one\r\n');
  t.strictSame(f.events.splice(0), ['GET /1', 'end', 'GET /2', 'end']);
  f.answer('two\r\n');
  t.strictSame(f.events.splice(0), ['GET /3', 'end']);
  f.answer('three\r\n');
  t.equal(f.socket.written, 'one\r\ntwo\r\nthree\r\n');
  t.equal(f.connection.isIdle, true);
});

t.test('holds one piece and leaves the rest unread while an answer is awaited', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  for (let i = 0; i < 10; i++) f.socket.feed(GET);
  t.equal(f.socket.unread, 9 * GET.length);
  f.connection.resume();
  f.socket.deliver();
  t.equal(f.socket.unread, 9 * GET.length, 'an upstream that takes more again does not change that');
  for (let i = 0; i < 11; i++) f.answer();
  t.equal(f.connection.requests, 11);
});

t.test(
  'answers pipelined requests although the client has ended its side (RFC 9112 section 9.6)',
  async (t) => {
    const f = new Fixture();
    f.socket.feed(GET + GET + GET);
    f.socket.feedEnd();
    t.equal(f.socket.writableEnded, false);
    f.answer('one\r\n');
    t.equal(f.socket.writableEnded, false);
    f.answer('two\r\n');
    f.answer('three\r\n');
    t.equal(f.socket.written, 'one\r\ntwo\r\nthree\r\n');
    t.equal(f.connection.requests, 3);
    t.equal(f.closed, true);
  },
);

t.test('ends after the last whole request of a client that ended in the middle of one', async (t) => {
  for (const rest of ['GET / HT', headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5')]) {
    const f = new Fixture();
    f.socket.feed(GET + rest);
    f.socket.feedEnd();
    f.answer('one\r\n');
    t.equal(f.socket.written, 'one\r\n');
    f.pass(2000);
    t.equal(f.closed, true);
  }
});

t.test('takes no request after one that said close (RFC 9112 section 9.6)', async (t) => {
  const f = new Fixture();
  f.socket.feed(headOf('GET /1 HTTP/1.1', 'Host: a', 'Connection: close') + GET);
  f.answer(undefined, f.connection.request.keepAlive);
  f.socket.feed(GET);
  t.equal(f.connection.requests, 1);
});

t.test('starts no request while the client does not take its answers', async (t) => {
  const f = new Fixture();
  f.socket.stuck = true;
  for (let i = 0; i < 5; i++) f.socket.feed(GET + GET);
  f.answer();
  for (let i = 0; i < 5; i++) f.pass(100);
  t.equal(f.connection.requests, 1);
  t.equal(f.connection.isIdle, false, 'there is something to do yet');
  f.socket.take();
  t.equal(f.connection.requests, 2);
  for (let i = 0; i < 9; i++) f.answer();
  t.equal(f.connection.requests, 10);
});

t.test(
  'a client that is cut off in the middle of a body was never answered, and its user knows',
  async (t) => {
    const f = new Fixture();
    f.socket.feed(`${headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 9')}half`);
    f.socket.feedEnd();
    t.strictSame(f.events, ['POST /', 'body half', 'gone']);
    t.equal(f.closed, true);
  },
);

t.test('a body that turns out malformed is refused, and its user is told that it is over', async (t) => {
  const f = new Fixture();
  f.socket.feed(`${headOf('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}2\r\nok\r\nX\r\n`);
  t.strictSame(f.events.at(-1), 'gone');
  t.notOk(f.events.includes('end'));
  t.match(f.socket.written, /^HTTP\/1\.1 400 .*x-roost-error: malformed-request/s);
  t.equal(f.socket.writableEnded, true);
});

t.test('a body that turns out malformed under an answer cuts the answer off', async (t) => {
  const f = new Fixture();
  f.socket.feed(headOf('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'));
  f.connection.responseStarted = true;
  f.connection.writer.writeText('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
  f.socket.feed('X\r\n');
  t.equal(f.socket.wasReset, true);
  t.equal(f.closed, true);
});

t.test('what came early goes through a tunnel first, and then the end', async (t) => {
  const f = new Fixture();
  f.socket.feed(`${headOf('GET / HTTP/1.1', 'Host: a')}early`);
  f.socket.feedEnd();
  f.connection.becomeTunnel();
  f.socket.deliver();
  t.strictSame(f.events, ['GET /', 'end', 'tunnel early', 'tunnel end']);
});

t.test('an end that came before the tunnel is told to it', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.socket.feedEnd();
  f.connection.becomeTunnel();
  t.strictSame(f.events, ['GET /', 'end', 'tunnel end']);
});

t.test('a connection that is reset tells its user once, and nobody is told anything later', async (t) => {
  const f = new Fixture();
  f.socket.feed(GET);
  f.socket.destroy();
  f.socket.deliver();
  t.strictSame(f.events, ['GET /', 'end', 'gone']);
  f.connection.endResponse(true);
  f.pass(100_000);
  t.strictSame(f.events, ['GET /', 'end', 'gone']);
});

t.test('tells whoever has its request, or its tunnel, when it is cut off', async (t) => {
  const post = headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 9');
  for (const [sent, begin] of [
    [GET, () => {}],
    [`${post}half`, () => {}],
    [GET, (f: Fixture) => f.connection.becomeTunnel()],
  ] as const) {
    const f = new Fixture();
    f.socket.feed(sent);
    begin(f);
    f.connection.abort();
    f.socket.deliver();
    t.strictSame(
      f.events.filter((event) => event === 'gone'),
      ['gone'],
      'once',
    );
    t.ok(f.closed);
  }
});

t.test('gives up on a request whose client has ended its side and cannot be seen to be there', async (t) => {
  const LIMIT_MS = 1000;
  const begin = (text = GET) => {
    const f = new Fixture({ clientFinTimeoutMs: LIMIT_MS });
    f.socket.feed(text);
    f.socket.feedEnd();
    return f;
  };
  const left = begin();
  left.pass(LIMIT_MS - 50);
  t.notOk(left.events.includes('gone'));
  left.pass(50);
  t.ok(left.events.includes('gone'));
  t.ok(left.closed);
  const seen = begin();
  seen.connection.onClientEndFound(true);
  const answered = begin();
  answered.connection.responseStarted = true;
  const unbounded = new Fixture({ clientFinTimeoutMs: 0 });
  unbounded.socket.feed(GET);
  unbounded.socket.feedEnd();
  for (const f of [seen, answered, unbounded]) {
    f.pass(10 * LIMIT_MS);
    t.notOk(f.events.includes('gone'));
  }
});

t.test('may have lost its client once that has ended its side, or while it is not read', async (t) => {
  const f = new Fixture();
  t.notOk(f.connection.mayHaveLostClient);
  f.socket.feed(GET);
  t.notOk(f.connection.mayHaveLostClient);
  f.connection.onClientLeft();
  t.notOk(f.closed, 'a client that is read and has not ended is there');
  f.socket.feed(GET);
  t.ok(f.connection.mayHaveLostClient, 'it has sent ahead');
  f.answer();
  t.notOk(f.connection.mayHaveLostClient);
  f.socket.feedEnd();
  t.ok(f.connection.mayHaveLostClient);
  f.connection.onClientLeft();
  f.socket.deliver();
  t.ok(f.closed);
  t.equal(f.events.at(-1), 'gone');
});

t.test('closes at once behind the last response to a client that sends no more', async (t) => {
  for (const head of [
    headOf('GET / HTTP/1.1', 'Host: a', 'Connection: close'),
    headOf('GET / HTTP/1.0', 'Host: a'),
  ]) {
    const f = new Fixture();
    f.socket.feed(head);
    f.answer(undefined, false);
    t.match(f.socket.written, /^HTTP\/1.1 204/);
    t.equal(f.socket.writableEnded, false, 'without ending its side first');
    t.ok(f.closed);
  }
});

t.test('waits for the end of a client that may still send, so that it gets its answer', async (t) => {
  const cases = {
    'that did not ask for the end': [GET],
    'that sent a body': [headOf('POST / HTTP/1.1', 'Host: a', 'Connection: close', 'Content-Length: 1'), 'x'],
    'that sent ahead': [headOf('GET / HTTP/1.1', 'Host: a', 'Connection: close'), 'more'],
  };
  for (const [client, pieces] of Object.entries(cases)) {
    const f = new Fixture();
    for (const piece of pieces) f.socket.feed(piece);
    f.answer(undefined, false);
    t.equal(f.socket.writableEnded, true, client);
    t.notOk(f.closed, client);
    f.socket.feedEnd();
    t.ok(f.closed, client);
  }
});

t.test('does not close on a response that the kernel has not taken yet', async (t) => {
  const f = new Fixture();
  f.socket.feed(headOf('GET / HTTP/1.1', 'Host: a', 'Connection: close'));
  f.socket.stuck = true;
  f.answer(undefined, false);
  t.notOk(f.closed);
  t.equal(f.socket.writableEnded, true);
  f.socket.take();
  f.socket.feedEnd();
  t.ok(f.closed);
});
