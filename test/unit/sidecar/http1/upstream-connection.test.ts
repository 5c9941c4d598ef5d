import t from 'tap';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import type { UpstreamUser } from '../../../../sidecar/http/upstream-stream.js';
import { UpstreamConnection } from '../../../../sidecar/http1/upstream-connection.js';
import type { Field } from '../../../../src/http/field-line.js';
import { headOf, parseRequest } from '../../../support/http1/heads.js';
import { MemorySocket } from '../../../support/http1/memory-socket.js';
import { PLAIN_EDITS, transcribeResponse } from '../../../support/http1/transcripts.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('goes back to the pool when the response is complete', async (t) => {
  for (const [response, method] of [
    [OK, 'GET'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'GET'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'GET'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: 1\r\n\r\n', 'GET'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HEAD'],
    ['HTTP/1.1 200 OK\r\n\r\n', 'HEAD'],
    ['HTTP/1.1 204 No Content\r\n\r\n', 'GET'],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 'GET'],
    ['HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n', 'GET'],
    [`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n${OK}`, 'GET'],
  ] as const) {
    const { responses, reusable, failure } = transcribeResponse([response], { method });
    t.equal(reusable, true, `${method}: ${JSON.stringify(response)}`);
    t.equal(responses.at(-1)?.complete, true);
    t.equal(failure, undefined);
  }
});

t.test('holds on to no text of a response that is over', async (t) => {
  const { connection, socket } = fixture();
  serve(connection, user());
  socket.feed('HTTP/1.1 200 Some reason\r\nX-Some: thing\r\nContent-Length: 2\r\n\r\nok');
  t.ok(connection.isUsable);
  t.notMatch(JSON.stringify(Reflect.get(connection, 'head')), /some/i);
});

t.test('goes back to the pool reading, although the end of a response came after a pause', async (t) => {
  const { connection, socket, owner } = fixture();
  serve(connection, user());
  socket.feed('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no');
  connection.pause();
  socket.feedLate('k');
  t.equal(owner.events.at(-1), 'idle');
  t.equal(socket.isPaused(), false, 'whoever has it next is answered');
});

t.test('never goes back to the pool when more came than the response (RFC 9112 section 9.2)', async (t) => {
  const stray = ['x', '\r\n', OK, '0\r\n\r\n', '\0'];
  const responses = [
    [OK, 'GET'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'GET'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'],
    ['HTTP/1.1 204 No Content\r\n\r\n', 'GET'],
    ['HTTP/1.1 304 Not Modified\r\n\r\n', 'GET'],
  ] as const;
  for (const [response, method] of responses) {
    for (const extra of stray) {
      const title = `${method}: ${JSON.stringify(response + extra)}`;
      const together = transcribeResponse([response + extra], { method });
      t.match(together, { reusable: false, closed: true, failure: undefined }, title);
      t.equal(together.responses.length, 1, 'and is no second response');
      t.equal(together.responses[0]?.complete, true, 'the response itself is whole');
      t.match(
        transcribeResponse([response, extra], { method }),
        { reusable: false, closed: true },
        `${title}, later`,
      );
    }
  }
});

t.test(
  'never goes back to the pool when the connection is not said to go on (RFC 9112 section 9.3)',
  async (t) => {
    for (const response of [
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n',
      'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
    ]) {
      t.match(
        transcribeResponse([response]),
        { reusable: false, closed: true, failure: undefined },
        response,
      );
    }
  },
);

t.test(
  'never goes back to the pool when the request has not all been taken (RFC 9112 section 9.5)',
  async (t) => {
    t.match(transcribeResponse([OK], { requestComplete: false }), { reusable: false, closed: true });
    const { connection, socket, owner } = fixture();
    socket.stuck = true;
    serve(connection, user());
    connection.flush();
    socket.feed(OK);
    t.strictSame(owner.events, ['connected', 'closed'], 'the request is still on its way');
  },
);

t.test('a body until close is whole when the upstream ends (RFC 9112 section 6.3)', async (t) => {
  for (const head of ['HTTP/1.1 200 OK\r\n\r\n', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n']) {
    t.match(transcribeResponse([head, 'so', 'me'], { ends: true }), {
      responses: [{ body: 'some', complete: true, framing: 'until-close' }],
      reusable: false,
      closed: true,
      failure: undefined,
    });
    t.match(transcribeResponse([head, 'some']), { responses: [{ complete: false }], closed: false });
  }
});

t.test('a response that ends too early is broken, however it is framed (RFC 9112 section 8)', async (t) => {
  for (const response of [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
    'HTTP/1.1 200 OK\r\nConte',
  ]) {
    const { failure, responses } = transcribeResponse([response], { ends: true });
    t.equal(failure?.kind, 'broken-response', response);
    t.notOk(responses.some(({ complete }) => complete));
  }
});

t.test('what is not an HTTP response is a bad response', async (t) => {
  for (const response of [
    'SSH-2.0-OpenSSH_9.2\r\n\r\n',
    '\r\nHTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX : y\r\n\r\n',
    'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nok',
    `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(101)}\r\n`,
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}`,
  ]) {
    const { failure, responses, closed } = transcribeResponse([response]);
    t.equal(failure?.kind, 'bad-response', JSON.stringify(response.slice(0, 80)));
    t.equal(closed, true);
    t.equal(responses.length, 0, 'and nothing of it goes on');
  }
});

t.test('a chunked response that turns out malformed is broken', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  for (const body of [
    'x\r\n',
    '2\r\nokk\r\n',
    '2\nok\r\n',
    '0\r\nContent-Length\r\n\r\n',
    '0\r\nT : 1\r\n\r\n',
    '0\n\n',
  ]) {
    const { failure, responses } = transcribeResponse([head + body]);
    t.equal(failure?.kind, 'broken-response', JSON.stringify(body));
    t.equal(responses[0]?.complete, false);
  }
});

t.test('frames the content of a body whose head tells no length (RFC 9112 section 7.1)', async (t) => {
  const send = (head: string, trailers: readonly Field[]) => {
    const { socket, connection } = fixture();
    connection.assign(user());
    connection.sendHead(parseRequest(head), PLAIN_EDITS);
    connection.write(Buffer.from('<hello>'), 1, 6);
    connection.write(Buffer.alloc(17, 'x'), 0, 17);
    connection.end(trailers);
    connection.flush();
    return socket.written.slice(socket.written.indexOf('\r\n\r\n') + 4);
  };
  const chunked = headOf('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked');
  t.equal(send(chunked, []), `5\r\nhello\r\n11\r\n${'x'.repeat(17)}\r\n0\r\n\r\n`);
  t.match(send(chunked, [['Sum', '1']]), /\r\n0\r\nSum: 1\r\n\r\n$/);
  const counted = headOf('POST / HTTP/1.1', 'Host: a', 'Content-Length: 22');
  t.equal(
    send(counted, [['Sum', '1']]),
    `hello${'x'.repeat(17)}`,
    'nothing but the content, and no trailers',
  );
});

t.test('what ends a stream is told to its endpoint once, and before its user', async (t) => {
  for (const [title, act] of [
    ['a response', ({ socket }: Fixture) => socket.feed(OK)],
    ['a failure', ({ socket }: Fixture) => socket.emit('error', new Error('reset'))],
    ['no HTTP', ({ socket }: Fixture) => socket.feed('SSH-2.0\r\n\r\n')],
    ['cancel', ({ connection }: Fixture) => connection.cancel()],
    ['discard', ({ connection }: Fixture) => connection.discard()],
    ['closeSoon', ({ connection }: Fixture) => connection.closeSoon()],
    ['abort', ({ connection }: Fixture) => connection.abort('timeout', 'late')],
  ] as const) {
    const made = fixture();
    const seen: number[] = [];
    const note = () => void seen.push(made.owner.over);
    serve(made.connection, user({ onResponseEnd: note, onUpstreamFailure: note }));
    act(made);
    made.socket.destroy();
    made.socket.deliver();
    t.equal(made.owner.over, 1, title);
    t.strictSame(
      seen.filter((over) => over !== 1),
      [],
      title,
    );
  }
});

t.test('bounds the interim responses to one request (RFC 9110 section 15.2)', async (t) => {
  const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n';
  const limits = { ...DEFAULT_LIMITS, maxInterimResponses: 3 };
  t.equal(transcribeResponse([interim.repeat(3) + OK], { limits }).reusable, true);
  t.equal(transcribeResponse([interim.repeat(4) + OK], { limits }).failure?.kind, 'bad-response');
});

t.test('counts interim responses for each request anew', async (t) => {
  const { connection, socket, owner } = fixture({ maxInterimResponses: 2 });
  for (let i = 0; i < 3; i++) {
    serve(connection, user());
    socket.feed(`${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(2)}${OK}`);
  }
  t.strictSame(owner.events, ['connected', 'idle', 'idle', 'idle']);
});

t.test('bytes behind a 101 are the tunnel’s (RFC 9110 section 7.8)', async (t) => {
  const head = headOf('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x');
  for (const pieces of [
    [`${head}one`, 'two'],
    [head, 'one', 'two'],
    [head.slice(0, 5), `${head.slice(5)}onetwo`],
  ]) {
    t.match(transcribeResponse(pieces), { tunnelled: 'onetwo', reusable: false, failure: undefined });
  }
});

t.test('bytes that nobody asked for close an idle connection (RFC 9112 section 9.2)', async (t) => {
  const { socket, owner } = fixture();
  socket.feed(OK);
  t.strictSame(owner.events, ['connected', 'closed']);
});

t.test('a connection may serve the next request before the last one’s user has returned', async (t) => {
  const { connection, socket, owner } = fixture();
  const seen: string[] = [];
  const next = user({ onResponseEnd: () => seen.push('second') });
  serve(
    connection,
    user({
      onResponseEnd: () => {
        seen.push('first');
        t.strictSame(owner.events, ['connected', 'idle'], 'it is in the pool already');
        serve(connection, next);
      },
      onUpstreamTurnEnd: () => seen.push('turn end of the first'),
    }),
  );
  socket.feed(OK);
  t.equal(connection.isUsable, false);
  socket.feed(OK);
  t.strictSame(seen, ['first', 'turn end of the first', 'second']);
});

t.test('tells how a connection failed, by when it did', async (t) => {
  const failureOf = (prepare: (f: ReturnType<typeof fixture>) => void, connected = true) => {
    const f = fixture({}, connected);
    let kind = '';
    prepare(f);
    serve(
      f.connection,
      user({
        onUpstreamFailure: (failure) => {
          kind = failure.kind;
        },
      }),
    );
    return { ...f, kind: () => kind };
  };
  const serveOne = ({ connection, socket }: ReturnType<typeof fixture>) => {
    serve(connection, user());
    socket.feed(OK);
  };
  const never = failureOf(() => {}, false);
  never.socket.emit('error', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
  t.equal(never.kind(), 'connect');
  t.strictSame(never.owner.events, ['connect failed: ECONNREFUSED', 'closed']);

  const fresh = failureOf(() => {});
  fresh.socket.feedEnd();
  t.equal(fresh.kind(), 'reset');

  const used = failureOf(serveOne);
  used.socket.feedEnd();
  t.equal(used.kind(), 'stale');

  const interim = failureOf(serveOne);
  interim.socket.feed('HTTP/1.1 100 Continue\r\n\r\n');
  interim.socket.feedEnd();
  t.equal(interim.kind(), 'reset', 'an upstream that answered, if only for the time being, has the request');

  const partial = failureOf(serveOne);
  partial.socket.feed('HTTP/1.1 2');
  partial.socket.feedEnd();
  t.equal(partial.kind(), 'broken-response');
});

t.test('is cancelled with a reset, which an upstream cannot take for a client that waits', async (t) => {
  const busy = fixture();
  serve(busy.connection, user());
  busy.connection.cancel();
  t.equal(busy.socket.wasReset, true);
  t.strictSame(busy.owner.events, ['connected', 'closed']);
});

t.test('a tunnel that both sides ended is closed, one that broke has failed', async (t) => {
  const head = headOf('HTTP/1.1 101 Switching Protocols', 'Upgrade: x');
  const run = (end: (f: ReturnType<typeof fixture>) => void) => {
    const f = fixture();
    const seen: string[] = [];
    serve(
      f.connection,
      user({
        onUpstreamTunnelEnd: () => seen.push('end'),
        onUpstreamTunnelClosed: () => seen.push('closed'),
        onUpstreamFailure: () => seen.push('failure'),
      }),
    );
    f.socket.feed(head);
    end(f);
    f.socket.deliver();
    return seen;
  };
  const orderly = run(({ connection, socket }) => {
    socket.feedEnd();
    connection.endTunnel();
  });
  t.strictSame(orderly, ['end', 'closed']);
  const broken = run(({ socket }) => {
    socket.emit('error', new Error('reset'));
    socket.destroy();
  });
  t.strictSame(broken, ['failure']);
});

t.test('says of every exchange whether it speaks for or against the endpoint, once', async (t) => {
  const cases: [string, readonly boolean[], (f: ReturnType<typeof fixture>) => void][] = [
    ['an answer', [true], ({ socket }) => socket.feed(OK)],
    ['a client error', [true], ({ socket }) => socket.feed('HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n')],
    ['half an answer', [], ({ socket }) => socket.feed(OK.slice(0, -1))],
    ['an error', [false], ({ socket }) => socket.feed('HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n')],
    [
      'an error that breaks off',
      [false],
      ({ socket }) => {
        socket.feed('HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\n');
        socket.emit('error', new Error('reset'));
      },
    ],
    [
      'an answer that breaks off',
      [false],
      ({ socket }) => {
        socket.feed(OK.slice(0, -1));
        socket.emit('error', new Error('reset'));
      },
    ],
    ['no HTTP', [false], ({ socket }) => socket.feed('SSH-2.0\r\n\r\n')],
    ['a reset', [false], ({ socket }) => socket.emit('error', new Error('reset'))],
    ['none in time', [false], ({ connection }) => connection.abort('timeout', 'late')],
    ['a client that left', [], ({ connection }) => connection.cancel()],
    [
      'a tunnel that breaks',
      [true],
      ({ socket }) => {
        socket.feed('HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
        socket.emit('error', new Error('reset'));
      },
    ],
    [
      'a pooled connection found dead',
      [true],
      ({ socket, connection }) => {
        socket.feed(OK);
        serve(connection, user());
        socket.emit('error', new Error('reset'));
      },
    ],
  ];
  for (const [title, expected, act] of cases) {
    const made = fixture();
    serve(made.connection, user());
    act(made);
    t.strictSame(made.owner.results, expected, title);
  }
  const slow = fixture();
  slow.connection.assign(user());
  slow.connection.abort('timeout', 'late');
  t.strictSame(slow.owner.results, [], 'no answer to half a request');
  const refused = fixture({}, false);
  serve(refused.connection, user());
  refused.socket.emit('error', new Error('reset'));
  t.strictSame(refused.owner.results, [false], 'no connection');
});

function fixture(limits: Partial<typeof DEFAULT_LIMITS> = {}, connected = true) {
  const socket = new MemorySocket();
  const events: string[] = [];
  const results: boolean[] = [];
  const owner = {
    events,
    results,
    onConnected: () => void events.push('connected'),
    onResult: (good: boolean) => void results.push(good),
    onConnectFailed: (_: UpstreamConnection, reason: string) => void events.push(`connect failed: ${reason}`),
    over: 0,
    onStreamOver: () => void owner.over++,
    onIdle: () => void events.push('idle'),
    onClosed: () => void events.push('closed'),
    onLeaving: () => void events.push('leaving'),
  };
  const connection = new UpstreamConnection(socket.asDialling, owner, {
    ...DEFAULT_LIMITS,
    ...limits,
  });
  if (connected) socket.emit('connect');
  return { socket, owner, connection };
}

type Fixture = ReturnType<typeof fixture>;

/** Gives the connection a whole request. */
function serve(connection: UpstreamConnection, served: UpstreamUser): void {
  connection.assign(served);
  connection.sendHead(parseRequest(headOf('GET / HTTP/1.1', 'Host: a')), PLAIN_EDITS);
  connection.end([]);
}

function user(over: Partial<UpstreamUser> = {}): UpstreamUser {
  const ignore = () => {};
  return {
    onUpstreamConnected: ignore,
    onInterimResponse: ignore,
    onResponseHead: () => 'raw',
    onResponseBody: ignore,
    onResponseEnd: ignore,
    onUpstreamFailure: ignore,
    onUpstreamTurnEnd: ignore,
    onUpstreamDrain: ignore,
    onUpstreamTunnelData: ignore,
    onUpstreamTunnelEnd: ignore,
    onUpstreamTunnelClosed: ignore,
    ...over,
  };
}

t.test('an upstream that says that it is about to stop is heard, and its connection closes', async (t) => {
  const { socket, owner, connection } = fixture();
  serve(connection, user());
  socket.feed('HTTP/1.1 200 OK\r\nConnection: close, roost-leaving\r\nContent-Length: 0\r\n\r\n');
  t.strictSame(owner.events, ['connected', 'leaving', 'closed']);
});
