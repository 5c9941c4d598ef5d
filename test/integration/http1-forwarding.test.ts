import t from 'tap';
import { inEachDirection } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import { TestMesh } from '../support/mesh.js';

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

inEachDirection(
  t,
  mesh,
  'passes heads on byte for byte, but for what belongs to one hop',
  async (t, path) => {
    const client = await path.client();
    const kept = [
      `hOST: ${path.host}`,
      'Accept:*/*',
      'X-Odd: \t \xe9 ',
      'accept: b',
      'TraceParent: 00-1-2-01',
      'z:',
    ];
    client.sendMessage([
      'GET /a//b?c=%00&d HTTP/1.1',
      ...kept,
      'Connection: keep-alive, X-Private',
      'Keep-Alive: 5',
      'TE: trailers',
      'Proxy-Connection: close',
      'Proxy-Authorization: x',
      'x-private: 1',
      'X-Forwarded-For: 10.9.8.7',
      'X-Request-Id: theirs',
      'X-Forwarded-Proto: https',
    ]);
    const upstream = await path.backend.next();
    t.match(await upstream.request(), {
      line: 'GET /a//b?c=%00&d HTTP/1.1',
      fields: [
        ...kept,
        'X-Forwarded-For: 10.9.8.7, 127.0.0.1',
        'X-Request-Id: theirs',
        'X-Forwarded-Proto: https',
      ],
    });
    const answered = ['sErVeR:x', 'Set-Cookie: a=1', 'set-cookie: b=2', 'X-Odd: \xff', 'Content-Length: 2'];
    upstream.sendMessage(
      ['HTTP/1.1 299 Just so', ...answered, 'Connection: x-hop', 'X-Hop: 1', 'Keep-Alive: 5'],
      'ok',
    );
    const response = await client.message();
    t.match(response, { line: 'HTTP/1.1 299 Just so', body: 'ok' });
    t.strictSame(response.fields, answered);
  },
);

inEachDirection(t, mesh, 'tells the upstream who called, and gives the request an id', async (t, path) => {
  const client = await path.client();
  const ids = new Set<string | undefined>();
  client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`]);
  const upstream = await path.backend.next();
  for (let i = 0; i < 3; i++) {
    const { fields } = await upstream.request();
    t.equal(fieldOf(fields, 'x-forwarded-for'), '127.0.0.1');
    t.equal(fieldOf(fields, 'x-forwarded-proto'), 'http');
    t.match(
      fieldOf(fields, 'x-request-id'),
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    ids.add(fieldOf(fields, 'x-request-id'));
    upstream.send(OK);
    await client.message();
    if (i < 2) client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`]);
  }
  t.equal(ids.size, 3);
});

inEachDirection(t, mesh, 'takes absolute targets, whose authority wins over Host', async (t, path) => {
  const client = await path.client();
  client.sendMessage([`GET http://${path.host}:80/x?y HTTP/1.1`, 'A: 1', 'HOST: elsewhere', 'B: 2']);
  const upstream = await path.backend.next();
  t.match(await upstream.request(), {
    line: 'GET /x?y HTTP/1.1',
    fields: ['A: 1', `HOST: ${path.host}:80`, 'B: 2'],
  });
  upstream.send(OK);
  t.match(await client.message(), { line: 'HTTP/1.1 200 OK' });
});

inEachDirection(
  t,
  mesh,
  'carries bodies by length and in chunks, both ways, as they come',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(['POST /1 HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 10'], 'half ');
    const upstream = await path.backend.next();
    await upstream.receive('\r\n\r\nhalf ');
    client.send('whole');
    await upstream.receive('whole');
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], '5\r\nfirst\r\n');
    await client.receive('5\r\nfirst\r\n');
    upstream.send('3;x=y\r\nand\r\n0\r\n\r\n');
    await client.receive('3\r\nand\r\n0\r\n\r\n');

    client.sendMessage(
      ['POST /2 HTTP/1.1', `Host: ${path.host}`, 'Transfer-Encoding: Chunked'],
      '2\r\n\r\n\r\n',
    );
    await upstream.receive('\r\n\r\n2\r\n\r\n\r\n');
    client.send('0;last\r\n\r\n');
    await upstream.receive('0\r\n\r\n');
    upstream.sendMessage(['HTTP/1.1 201 Created', 'Content-Length: 4'], 'do');
    await client.receive('\r\n\r\ndo');
    upstream.send('ne');
    await client.receive('ne');
    t.equal(path.backend.accepted, 1);
  },
);

inEachDirection(t, mesh, 'carries a chunked body that is empty', async (t, path) => {
  const client = await path.client();
  for (let i = 0; i < 2; i++) {
    client.sendMessage(['PUT / HTTP/1.1', `Host: ${path.host}`, 'Transfer-Encoding: chunked'], '0\r\n\r\n');
    const upstream = path.backend.peers[0] ?? (await path.backend.next());
    t.match(await upstream.request(), { body: '', trailers: [] });
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], '0\r\n\r\n');
    t.match(await client.message(), { body: '' });
  }
  t.equal(path.backend.accepted, 1);
});

inEachDirection(
  t,
  mesh,
  'carries trailers both ways, without those that may not be there',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(
      ['POST / HTTP/1.1', `Host: ${path.host}`, 'Transfer-Encoding: chunked', 'Trailer: X-Sum'],
      '2\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\nHost: evil\r\nx-sum: 2\r\n\r\n',
    );
    const upstream = await path.backend.next();
    t.match(await upstream.request(), { body: 'hi', trailers: ['X-Sum: 1', 'x-sum: 2'] });
    upstream.sendMessage(
      ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'],
      '2\r\nho\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: a=b\r\n\r\n',
    );
    const response = await client.message();
    t.match(response, { body: 'ho' });
    t.strictSame(response.trailers, ['Grpc-Status: 0']);
  },
);

inEachDirection(
  t,
  mesh,
  'knows which responses have no body, and reuses the connection after them',
  async (t, path) => {
    const client = await path.client();
    const cases = [
      ['HEAD', 'HTTP/1.1 200 OK', 'Content-Length: 1000'],
      ['HEAD', 'HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'],
      ['HEAD', 'HTTP/1.1 200 OK', 'X: no length at all'],
      ['HEAD', 'HTTP/1.1 404 Not Found', 'Content-Length: 9'],
      ['GET', 'HTTP/1.1 204 No Content', 'X: y'],
      ['GET', 'HTTP/1.1 304 Not Modified', 'Content-Length: 1000'],
      ['GET', 'HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked'],
      ['GET', 'HTTP/1.1 200 OK', 'Content-Length: 0'],
    ] as const;
    for (const [method, line, field] of cases) {
      client.sendMessage([`${method} / HTTP/1.1`, `Host: ${path.host}`]);
      const upstream = path.backend.peers[0] ?? (await path.backend.next());
      t.match(await upstream.request(), { line: `${method} / HTTP/1.1` });
      upstream.sendMessage([line, field]);
      const response = await client.message(method === 'HEAD' ? 'response to HEAD' : 'response');
      t.strictSame([response.line, ...response.fields], [line, field], `${method} ${line} ${field}`);
    }
    t.equal(client.received, '');
    t.equal(path.backend.accepted, 1);
  },
);

inEachDirection(
  t,
  mesh,
  'passes interim responses on, and waits with the client for its 100',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage([
      'POST / HTTP/1.1',
      `Host: ${path.host}`,
      'Expect: 100-continue',
      'Content-Length: 4',
    ]);
    const upstream = await path.backend.next();
    await upstream.receive('Expect: 100-continue\r\n');
    upstream.sendMessage(['HTTP/1.1 103 Early Hints', 'Link: </a>']);
    upstream.sendMessage(['HTTP/1.1 100 Continue']);
    t.match(await client.message(), { line: 'HTTP/1.1 103 Early Hints', fields: ['Link: </a>'] });
    t.match(await client.message(), { line: 'HTTP/1.1 100 Continue' });
    client.send('body');
    await upstream.receive('\r\n\r\nbody');
    upstream.send(OK);
    t.match(await client.message(), { line: 'HTTP/1.1 200 OK', body: 'ok' });
  },
);

inEachDirection(
  t,
  mesh,
  'a final response instead of the 100 ends the connection, both ways',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage([
      'POST / HTTP/1.1',
      `Host: ${path.host}`,
      'Expect: 100-continue',
      'Content-Length: 4',
    ]);
    const upstream = await path.backend.next();
    await upstream.receive('\r\n\r\n');
    upstream.sendMessage(['HTTP/1.1 417 Expectation Failed', 'Content-Length: 2'], 'no');
    const response = await client.message();
    t.match(response, { line: 'HTTP/1.1 417 Expectation Failed', body: 'no' });
    t.equal(fieldOf(response.fields, 'connection'), 'close', 'else the body could be taken for a request');
    t.equal(await client.gone(), 'ended');
    await upstream.gone();
  },
);

inEachDirection(t, mesh, 'a client that says nothing of chunks gets none: HTTP/1.0', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['GET / HTTP/1.0', `Host: ${path.host}`]);
  const upstream = await path.backend.next();
  const request = await upstream.request();
  t.equal(request.line, 'GET / HTTP/1.1');
  upstream.sendMessage(
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: T'],
    '5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: 1\r\n\r\n',
  );
  const response = await client.message();
  t.equal(response.body, 'hello world');
  t.strictSame(response.fields, ['Connection: close']);
  t.equal(await client.gone(), 'ended');
});

inEachDirection(
  t,
  mesh,
  'keeps the connection of an HTTP/1.0 client that asks for it, where it can',
  async (t, path) => {
    const client = await path.client();
    const ask = ['GET / HTTP/1.0', `Host: ${path.host}`, 'Connection: keep-alive'];
    client.sendMessage(ask);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.send(OK);
    const first = await client.message();
    t.match(first, { body: 'ok' });
    t.equal(fieldOf(first.fields, 'connection'), 'keep-alive');
    client.sendMessage(ask);
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 100 Continue']);
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], '2\r\nok\r\n0\r\n\r\n');
    const second = await client.message();
    t.match(second, { line: 'HTTP/1.1 200 OK', body: 'ok' }, 'and hears of no interim response');
    t.equal(
      fieldOf(second.fields, 'connection'),
      'close',
      'without chunks its end is that of the connection',
    );
    t.equal(await client.gone(), 'ended');
  },
);

inEachDirection(t, mesh, 'a response until close goes on until close', async (t, path) => {
  for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
    const client = await path.client();
    client.sendMessage([`GET / ${version}`, `Host: ${path.host}`, 'Connection: keep-alive']);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage([`${version} 200 OK`], 'some');
    await client.receive('Connection: close\r\n\r\nsome');
    upstream.send('thing');
    upstream.end();
    t.equal(await client.gone(), 'ended');
    t.equal(client.received, 'thing');
  }
  t.equal(path.backend.accepted, 2);
});
