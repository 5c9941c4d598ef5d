import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { Crossing, type Version } from '../support/http2/crossing.js';
import { FILLING } from '../support/http2/echo-server.js';
import { Asker, type Incoming, type Outgoing, serve } from '../support/http2/two-versions.js';

/** Requests through both codecs and one exchange, from each version to each. */

const WAYS: readonly (readonly [from: Version, to: Version])[] = [
  ['http2', 'http2'],
  ['http2', 'http1'],
  ['http1', 'http2'],
  ['http1', 'http1'],
];

/** Sends back what it got, or does what the path says. */
function echo(request: Incoming, response: Outgoing): void {
  request.on('error', () => {});
  response.on('error', () => {});
  const { url = '' } = request;
  if (url === '/hints') response.writeEarlyHints({ link: '</a>; rel=preload' });
  if (url === '/none') {
    response.writeHead(204);
    response.end();
    return;
  }
  if (url === '/head') response.setHeader('content-length', '12345');
  response.setHeader(
    'x-seen',
    JSON.stringify({ ...request.headers, ':method': request.method, ':path': url }),
  );
  response.setHeader('set-cookie', ['a=1', 'b=2']);
  if (url === '/trailers') {
    response.setHeader('trailer', 'x-sum');
    request.resume();
    request.on('end', () => {
      response.write('content');
      response.addTrailers({ 'x-sum': String(request.trailers['x-sum'] ?? 'none'), 'content-type': 'x/y' });
      response.end();
    });
    return;
  }
  if (request.method === 'HEAD') response.end();
  else request.pipe(response);
}

async function crossing(t: Test, from: Version, to: Version, handle = echo) {
  const { address: upstream, connections, server } = await serve(t, to, handle);
  const { proxy, address, port } = await Crossing.start(t, { from, to, upstream });
  return { proxy, asker: new Asker(t, from, address), connections, server, port };
}

function connectTo(t: Test, port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  return socket;
}

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

for (const [from, to] of WAYS) {
  const way = `${from} to ${to}`;

  t.test(`${way}: heads go through, with what a proxy adds and without what it takes away`, async (t) => {
    const { asker } = await crossing(t, from, to);
    const headers = {
      'x-one': '1',
      cookie: 'a=1; b=2',
      authorization: 'Bearer x',
      'proxy-authorization': 'secret',
      te: 'trailers',
    };
    const got = await asker.ask({ path: '/x?y=z', headers });
    const seen = JSON.parse(got.headers['x-seen'] as string);
    t.match(seen, {
      ':method': 'GET',
      ':path': '/x?y=z',
      'x-one': '1',
      cookie: 'a=1; b=2',
      authorization: 'Bearer x',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-request-id': 'an-id',
      'x-roost-via': 'a-mark',
    });
    t.equal(seen['proxy-authorization'], undefined);
    if (to === 'http2') t.equal(seen.te, 'trailers', 'gRPC servers ask for it');
    t.equal(got.headers['x-added'], '1');
    t.same(got.headers['set-cookie'], ['a=1', 'b=2']);
  });

  t.test(`${way}: bodies go both ways, byte for byte`, async (t) => {
    const { asker } = await crossing(t, from, to);
    for (const length of [0, 1, 1000, 65_536, 3_000_000]) {
      const body = Buffer.alloc(length, FILLING);
      const got = await asker.ask({ method: 'POST', body, headers: { 'content-type': 'x/y' } });
      t.equal(hash(got.body), hash(body), `${length} bytes`);
    }
    const declared = await asker.ask({
      method: 'PUT',
      body: FILLING,
      headers: { 'content-length': String(FILLING.length) },
    });
    t.equal(hash(declared.body), hash(FILLING));
  });

  t.test(`${way}: trailers go both ways, without those that may not be there`, async (t) => {
    const { asker } = await crossing(t, from, to);
    const got = await asker.ask({
      method: 'POST',
      path: '/trailers',
      body: Buffer.from('x'),
      trailers: { 'x-sum': '7' },
    });
    t.equal(got.body.toString(), 'content');
    t.same({ ...got.trailers }['x-sum'], '7');
    t.equal({ ...got.trailers }['content-type'], undefined);
  });

  t.test(`${way}: interim responses, HEAD and 204`, async (t) => {
    const { asker } = await crossing(t, from, to);
    t.same((await asker.ask({ path: '/hints' })).interims, [103]);
    const head = await asker.ask({ method: 'HEAD', path: '/head' });
    t.match([head.status, head.headers['content-length'], head.body.length], [200, '12345', 0]);
    t.equal((await asker.ask({ path: '/none' })).status, 204);
    t.equal((await asker.ask()).status, 200, 'the connection goes on');
  });

  t.test(`${way}: a client that does not read has the upstream wait`, async (t) => {
    let written = 0;
    const { asker } = await crossing(t, from, to, (_request, response) => {
      const send = () => {
        while (written < 40_000_000 && response.write(FILLING)) written += FILLING.length;
        if (written >= 40_000_000) response.end();
      };
      response.on('drain', send);
      response.on('error', () => {});
      send();
    });
    if (from === 'http1') {
      t.pass('proven with HTTP/1.1 elsewhere');
      return;
    }
    const stream = asker.http2.request({ ':path': '/' });
    stream.on('error', () => {});
    await once(stream, 'response');
    stream.pause();
    let before = -1;
    while (written !== before) {
      before = written;
      await new Promise((done) => setTimeout(done, 50));
    }
    t.ok(written < 10_000_000, `${written} bytes were sent before somebody waited`);
    stream.close();
  });

  t.test(`${way}: what breaks upstream is an answer, or a break`, async (t) => {
    const { asker, proxy } = await crossing(t, from, to, (request, response) => {
      if (request.url === '/late') {
        response.write('part');
        setImmediate(() => request.socket.destroy());
      } else request.socket.destroy();
    });
    const got = await asker.ask({ path: '/' });
    t.match([got.status, got.headers['x-roost-error']], [502, 'upstream-reset']);
    await t.rejects(asker.ask({ path: '/late' }));
    t.equal(proxy.outcomes.at(-1)?.cutOff, 'upstream');
  });
}

t.test('many requests share one upstream connection, and a retry ends only its own stream', async (t) => {
  let refused = 0;
  const { asker, connections, proxy } = await crossing(t, 'http2', 'http2', (request, response) => {
    if (request.url === '/refused' && refused++ < 3) {
      (response as unknown as { stream: { close(code: number): void } }).stream.close(7);
      return;
    }
    setTimeout(() => response.end('ok'), 20);
  });
  proxy.retries = 3;
  // The first connection is found to be there before it is shared.
  await asker.ask();
  const answers = await Promise.all([
    ...Array.from({ length: 50 }, () => asker.ask()),
    asker.ask({ path: '/refused' }),
  ]);
  for (const { status } of answers) t.equal(status, 200);
  t.same(new Set(proxy.failures.map(({ kind }) => kind)), new Set(['connect']), 'as good as never sent');
  t.ok(connections() <= 4, `${connections()} connections: each attempt after a refusal asks for a fresh one`);
});

t.test(
  'an upstream that says goodbye finishes its streams, and new ones go to a new connection',
  async (t) => {
    const waiting: Outgoing[] = [];
    const { asker, connections, server } = await crossing(t, 'http2', 'http2', (request, response) => {
      if (request.url === '/wait') waiting.push(response);
      else response.end('ok');
    });
    const sessions: { goaway(code: number): void }[] = [];
    server.on('session', (session) => sessions.push(session));
    const slow = asker.ask({ path: '/wait' });
    while (waiting.length === 0) await new Promise((done) => setTimeout(done, 5));
    sessions[0]?.goaway(0);
    await new Promise((done) => setTimeout(done, 20));
    t.equal((await asker.ask()).body.toString(), 'ok');
    t.equal(connections(), 2);
    waiting[0]?.end('late');
    t.equal((await slow).body.toString(), 'late');
  },
);

t.test('a client that cancels has its upstream stream cancelled, and no other', async (t) => {
  const gone: string[] = [];
  const { asker, proxy } = await crossing(t, 'http2', 'http2', (request, response) => {
    (response as unknown as { stream: { on(event: string, then: () => void): void } }).stream.on(
      'aborted',
      () => gone.push(request.url ?? ''),
    );
    if (request.url === '/stay') setTimeout(() => response.end('ok'), 100);
  });
  const stay = asker.ask({ path: '/stay' });
  const stream = asker.http2.request({ ':path': '/go', ':method': 'POST' });
  stream.on('error', () => {});
  stream.write('x');
  while (proxy.endpoint.activeRequests < 2) await new Promise((done) => setTimeout(done, 5));
  await new Promise((done) => setTimeout(done, 10));
  stream.close(8);
  t.equal((await stay).body.toString(), 'ok');
  t.same(gone, ['/go']);
  t.same(
    proxy.outcomes.map(({ cutOff }) => cutOff),
    ['client', ''],
  );
  t.equal(proxy.endpoint.activeRequests, 0, 'all slots are given back');
});

t.test('a listener that drains says goodbye, and answers what is under way', async (t) => {
  const { asker, proxy } = await crossing(t, 'http2', 'http1', (_request, response) => {
    setTimeout(() => response.end('ok'), 50);
  });
  const answer = asker.ask();
  while (proxy.endpoint.activeRequests < 1) await new Promise((done) => setTimeout(done, 5));
  const goAway = once(asker.http2, 'goaway');
  proxy.drain();
  t.equal((await goAway)[0], 0);
  t.equal((await answer).body.toString(), 'ok');
});

t.test('a WebSocket goes from HTTP/2 to HTTP/1.1 (RFC 8441)', async (t) => {
  const { address: upstream, server } = await serve(t, 'http1', echo);
  server.on('upgrade', (request: Incoming, socket: Socket) => {
    const accepted = `x-key: ${request.headers['sec-websocket-key']}\r\nx-asked: ${request.method} ${request.url}`;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${accepted}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  const { address } = await Crossing.start(t, { from: 'http2', to: 'http1', upstream });
  const { http2 } = new Asker(t, 'http2', address);
  await once(http2, 'remoteSettings');
  const stream = http2.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':path': '/chat',
  });
  stream.write('early ');
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
  t.match(head, { ':status': 200, 'x-key': /^[\w+/]{22}==$/, 'x-asked': 'GET /chat' });
  stream.end('late');
  let got = '';
  for await (const piece of stream) got += piece;
  t.equal(got, 'early late');
});

t.test('a WebSocket goes from HTTP/1.1 to HTTP/2', async (t) => {
  const { address: upstream, server } = await serve(t, 'http2', echo);
  server.removeAllListeners('stream');
  server.on('stream', (stream: ServerHttp2Stream, head: Record<string, string>) => {
    stream.on('error', () => {});
    if (head[':method'] !== 'CONNECT') {
      stream.respond({ ':status': 200 }, { endStream: true });
      return;
    }
    stream.respond({ ':status': 200, 'x-asked': `${head[':protocol']} ${head[':path']}` });
    stream.pipe(stream);
  });
  const { address, port } = await Crossing.start(t, { from: 'http1', to: 'http2', upstream });
  // The upstream says in its settings that it takes such requests.
  await new Asker(t, 'http1', address).ask();
  const socket = connectTo(t, port);
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  socket.write(
    `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  let got = '';
  socket.on('data', (piece: Buffer) => {
    got += piece.toString('latin1');
  });
  while (!got.includes('\r\n\r\n')) await once(socket, 'data');
  t.match(got, /^HTTP\/1.1 101 /);
  t.match(got, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i, 'that of RFC 6455');
  t.match(got, /x-asked: websocket \/chat/);
  socket.write('through');
  while (!got.endsWith('through')) await once(socket, 'data');
  socket.end();
  await once(socket, 'close');
  t.pass('the tunnel ends with both its sides');
});

t.test('no connection is a 502, for gRPC a trailers-only answer', async (t) => {
  const { address } = await Crossing.start(t, { from: 'http2', to: 'http2', upstream: '127.0.0.1:1' });
  const asker = new Asker(t, 'http2', address);
  const plain = await asker.ask();
  t.match([plain.status, plain.headers['x-roost-error']], [502, 'connect-failure']);
  const grpc = await asker.ask({ method: 'POST', headers: { 'content-type': 'application/grpc+proto' } });
  t.match(grpc.headers, { ':status': 200, 'grpc-status': '14', 'x-roost-error': 'connect-failure' });
  t.match(grpc.headers['grpc-message'], /no connection to the upstream/);
});

t.test('an upstream without HTTP/2 is a bad gateway', async (t) => {
  const { address: upstream } = await serve(t, 'http1', echo);
  const { address } = await Crossing.start(t, { from: 'http2', to: 'http2', upstream });
  const got = await new Asker(t, 'http2', address).ask();
  t.equal(got.status, 502);
});

t.test(
  'the status of a gRPC call is recorded, and a server’s error counts against its endpoint',
  async (t) => {
    const answer = (request: Incoming, response: Outgoing) => {
      const [, inHead, status = ''] = request.url?.split('/') ?? [];
      response.setHeader('content-type', 'application/grpc');
      if (inHead === 'head') response.setHeader('grpc-status', status);
      else {
        response.write('a message');
        response.addTrailers({ 'grpc-status': status });
      }
      response.end();
    };
    const { proxy, asker } = await crossing(t, 'http2', 'http2', answer);
    const ask = (path: string, type: string) =>
      asker.ask({ method: 'POST', path, headers: { 'content-type': type } });
    let failures = 0;
    for (const where of ['head', 'trailers'])
      for (const [status, isError] of [
        ['0', false],
        ['5', false],
        ['13', true],
        ['14', true],
        ['what', true],
      ] as const) {
        const got = await ask(`/${where}/${status}`, 'application/grpc+proto');
        t.equal(where === 'head' ? got.headers['grpc-status'] : got.trailers['grpc-status'], status);
        if (isError) failures++;
        t.equal(
          proxy.outcomes.at(-1)?.grpcStatus,
          status === 'what' ? 2 : Number(status),
          `${where} ${status}`,
        );
        t.equal(proxy.endpoint.counters.failures, failures, `${where} ${status}`);
      }
    await ask('/trailers/14', 'application/grpc-web');
    t.equal(proxy.outcomes.at(-1)?.grpcStatus, undefined, 'gRPC-Web is another protocol');
    t.equal(proxy.endpoint.counters.failures, failures);
  },
);
