import t from 'tap';
import type { DownstreamUser } from '../../../../sidecar/http/downstream-stream.js';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import type { DownstreamConnection } from '../../../../sidecar/http1/downstream-connection.js';
import { Dispatcher } from '../../../../sidecar/intercept/dispatcher.js';
import { HTTP2_PREFACE } from '../../../../sidecar/intercept/sniff.js';
import { type ClientHandler, ClientSocket } from '../../../../sidecar/net/client-socket.js';
import type { SocketAddress } from '../../../../src/model/formats.js';
import { headOf } from '../../../support/http1/heads.js';
import { MemorySocket } from '../../../support/http1/memory-socket.js';
import { frame, headers, request, TYPE } from '../../../support/http2/frames.js';

const GET = headOf('GET / HTTP/1.1', 'Host: a');
const CONNECT = headOf('CONNECT b:80 HTTP/1.1', 'Host: b:80');
const SETTINGS = frame(TYPE.settings, 0, 0).toString('latin1');
const HTTP2_GET = headers(1, request('GET', '/')).toString('latin1');
const TO_B = { host: 'b', port: 80 };

/** A connection that a dispatcher serves, on a clock of its own. A CONNECT is granted as soon as a test says so. */
/** Addresses of services. */
const SERVICES: Readonly<Record<string, 'http' | 'tcp'>> = { '10.96.0.8': 'http', '10.96.0.9': 'tcp' };

class Fixture {
  readonly socket = new MemorySocket();
  readonly events: string[] = [];
  readonly client: ClientSocket;
  readonly dispatcher: Dispatcher;
  connection: DownstreamConnection | undefined;
  private clockMs = 5000;

  constructor(destination?: SocketAddress, admits = true) {
    const note = (event: string) => void this.events.push(event);
    const settings = {
      limits: { ...DEFAULT_LIMITS, clientIdleTimeoutMs: 60_000 },
      sniffTimeoutMs: 1000,
      opaquePorts: new Set([3306]),
      protocolAt: ({ host }: SocketAddress) => SERVICES[host],
      admits: () => admits,
      originalDestination: () => destination,
      nowMs: () => this.clockMs,
    };
    this.dispatcher = new Dispatcher(settings, {
      onRequest: (connection) => {
        this.connection = connection;
        return noting(`${connection.request.method} ${connection.request.target}`, note);
      },
      onStream: ({ request }) => noting(`${request.method} ${request.target} over HTTP/2`, note),
      onOpaque: () => tunnel(note),
      onRefused: ({ code }) => note(code),
    });
    this.client = new ClientSocket(this.socket.asSocket, () => note('closed'));
    this.client.handler = this.dispatcher.serve(this.client);
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.clockMs += Math.min(50, left);
      this.client.handler.checkDeadlines(this.clockMs);
      this.socket.deliver();
    }
  }

  grant(): void {
    this.connection?.handOver((client) => this.dispatcher.serveToward(client, TO_B));
  }
}

/** The kernel has been read. */
function polled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function noting(name: string, note: (event: string) => void): DownstreamUser {
  return {
    onRequestHead: () => note(name),
    onRequestBody: () => note('body'),
    onRequestEnd: () => note('end'),
    onDownstreamTurnEnd: () => {},
    onDownstreamDrain: () => {},
    onDownstreamGone: () => note('gone'),
    onClientTunnelData: () => {},
    onClientTunnelEnd: () => {},
    checkDeadlines: () => {},
  };
}

function tunnel(note: (event: string) => void): ClientHandler {
  note('opaque');
  return {
    isIdle: false,
    mayHaveLostClient: false,
    onData: (piece) => note(`tunnel ${piece.toString('latin1')}`),
    onEnd: () => note('tunnel end'),
    onDrain: () => {},
    onClose: () => {},
    onClientLeft: () => {},
    onClientEndFound: () => {},
    checkDeadlines: () => {},
    announceEnd: () => {},
    continue: () => {},
    endGently: () => {},
    abort: () => {},
  };
}

t.test('the first bytes of a redirected connection tell its protocol', async (t) => {
  for (const [bytes, events] of [
    [[GET], ['GET /', 'end']],
    [
      ['P', 'OST / HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['POST /', 'end'],
    ],
    [['\x16\x03\x01'], ['opaque', 'tunnel \x16\x03\x01']],
    [['SSH-2.0-x\r\n'], ['opaque', 'tunnel SSH-2.0-x\r\n']],
    [
      [HTTP2_PREFACE.slice(0, 5), `${HTTP2_PREFACE.slice(5)}${SETTINGS}${HTTP2_GET}`],
      ['GET / over HTTP/2', 'end'],
    ],
  ] as const) {
    const f = new Fixture(TO_B);
    for (const piece of bytes) f.socket.feed(piece);
    t.strictSame(f.events, events, JSON.stringify(bytes));
  }
});

t.test('a connection that came to the sidecar itself is HTTP, or is refused', async (t) => {
  const f = new Fixture();
  f.pass(2000);
  t.strictSame(f.events, [], 'a silent client may yet send a request');
  f.socket.feed('SSH-2.0-x\r\n\r\n');
  t.strictSame(f.events, ['malformed-request']);
  t.match(f.socket.written, /^HTTP\/1\.1 400 /);
});

t.test('a silent client of a redirected connection waits for the server to speak first', async (t) => {
  const f = new Fixture(TO_B);
  f.pass(1000);
  await polled();
  t.strictSame(f.events, [], 'the first tick is where the wait begins');
  f.pass(50);
  await polled();
  t.strictSame(f.events, ['opaque']);
  f.socket.feed('hello');
  t.strictSame(f.events, ['opaque', 'tunnel hello']);
});

t.test('a client whose bytes wait in the kernel is not taken for silent', async (t) => {
  const f = new Fixture(TO_B);
  f.pass(1050);
  f.socket.feed(GET);
  await polled();
  t.strictSame(f.events, ['GET /', 'end']);
  const gone = new Fixture(TO_B);
  gone.pass(1050);
  gone.client.handler.onClose();
  await polled();
  t.strictSame(gone.events, []);
});

t.test('a client of an HTTP service may be silent for longer', async (t) => {
  const f = new Fixture({ host: '10.96.0.8', port: 80 });
  f.pass(10_000);
  await polled();
  t.strictSame(f.events, []);
  f.pass(50);
  await polled();
  t.strictSame(f.events, ['opaque'], 'its server may speak first after all');
});

t.test('a port whose servers speak first is carried at once', async (t) => {
  const f = new Fixture({ host: '10.0.0.1', port: 3306 });
  t.strictSame(f.events, ['opaque']);
  f.socket.feed(GET);
  t.strictSame(f.events.at(-1), `tunnel ${GET}`, 'whatever the client sends');
});

t.test('an end before the first bytes ends the connection, and one behind them goes on', async (t) => {
  const silent = new Fixture(TO_B);
  silent.socket.feedEnd();
  silent.socket.deliver();
  t.equal(silent.socket.writableEnded, true);
  const late = new Fixture(TO_B);
  late.socket.feed('PR');
  late.socket.feedEnd();
  late.socket.deliver();
  t.ok(late.socket.writableEnded, 'half a preface is half a request');
});

t.test('behind a CONNECT the first bytes tell what it carries', async (t) => {
  for (const [bytes, events] of [
    [GET, ['GET /', 'end']],
    ['\x16\x03\x01', ['opaque', 'tunnel \x16\x03\x01']],
  ] as const) {
    for (const early of [true, false]) {
      const f = new Fixture();
      f.socket.feed(early ? `${CONNECT}${bytes}` : CONNECT);
      f.events.length = 0;
      f.grant();
      if (!early) f.socket.feed(bytes);
      t.match(f.socket.written, /^HTTP\/1\.1 200 /);
      t.strictSame(f.events, events, early ? 'sent with the CONNECT' : 'sent after the answer');
    }
  }
});

t.test('a listener that drains makes each response the last of its connection', async (t) => {
  const f = new Fixture();
  f.dispatcher.isEnding = true;
  f.socket.feed(GET);
  f.connection?.answer({ code: 'no-route', detail: '' });
  t.match(f.socket.written, /\r\nconnection: close\r\n/);
  t.equal(f.dispatcher.requests, 1);
});

t.test('a service that is declared to be plain TCP is not looked into, nor waited for', async (t) => {
  const f = new Fixture({ host: '10.96.0.9', port: 80 });
  t.strictSame(f.events, ['opaque']);
});

t.test('a client that may not connect here is told so', async (t) => {
  const f = new Fixture(TO_B, false);
  t.match(f.socket.written, /^HTTP\/1.1 403 /);
});
