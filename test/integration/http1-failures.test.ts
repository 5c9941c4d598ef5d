import t from 'tap';
import { Backend } from '../support/backend.js';
import { settled } from '../support/http1/flows.js';
import { inEachDirection, newService, type Path, startPath } from '../support/http1/paths.js';
import { fieldOf, type PlainMessage } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (host: string) => ['GET / HTTP/1.1', `Host: ${host}`];

function checkError(
  t: Parameters<typeof startPath>[0],
  answer: PlainMessage,
  status: number,
  code: string,
): void {
  t.match(answer.line, new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`), code);
  t.equal(fieldOf(answer.fields, 'x-roost-error'), code);
  t.match(answer.body, /^[^\n]+\n$/, 'a body of one line');
}

// ---- broken upstreams ----

inEachDirection(
  t,
  mesh,
  'an upstream that dies within its response has the client cut off',
  async (t, path) => {
    const starts = [
      ['Content-Length: 10'],
      ['Transfer-Encoding: chunked'],
      ['Content-Length: 10', 'Connection: close'],
    ];
    for (const fields of starts) {
      for (const die of ['end', 'destroy', 'reset'] as const) {
        const client = await path.client();
        client.sendMessage(get(path.host));
        const upstream = await path.backend.next();
        await upstream.request();
        upstream.sendMessage(['HTTP/1.1 200 OK', ...fields], '5\r\nhello\r\n'.slice(0, 9));
        await client.receive('5\r\nhell');
        upstream[die]();
        t.equal(await client.gone(), 'broken', `${fields} ${die}`);
      }
    }
  },
);

inEachDirection(t, mesh, 'a body until close that breaks off is not taken for the whole', async (t, path) => {
  for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
    const client = await path.client();
    client.sendMessage([`GET / ${version}`, `Host: ${path.host}`]);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 200 OK'], 'some');
    await client.receive('some');
    upstream.reset();
    t.equal(await client.gone(), 'broken', version);
  }
});

inEachDirection(
  t,
  mesh,
  'an HTTP/1.0 client is cut off when its dechunked body breaks off',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(['GET / HTTP/1.0', `Host: ${path.host}`]);
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], '4\r\nsome\r\n');
    await client.receive('some');
    upstream.end();
    t.equal(await client.gone(), 'broken');
  },
);

inEachDirection(t, mesh, 'a response that turns malformed has the client cut off', async (t, path) => {
  for (const rest of ['zz\r\n', '2\r\nabc\r\n', '0\r\nT : 1\r\n\r\n', '2\nab\n']) {
    const client = await path.client();
    client.sendMessage(get(path.host));
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], '4\r\nsome\r\n');
    await client.receive('some\r\n');
    upstream.send(rest);
    t.equal(await client.gone(), 'broken', JSON.stringify(rest));
    await upstream.gone();
  }
});

inEachDirection(t, mesh, 'a response that is malformed in the packet of its head is 502', async (t, path) => {
  for (const body of ['zz\r\n', '2\r\nab\r\nzz\r\n', '2\r\nabc\r\n', '0\r\nT : 1\r\n\r\n', '2\nab\n']) {
    const client = await path.client();
    client.sendMessage(get(path.host));
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Set-Cookie: a=b', 'Transfer-Encoding: chunked'], body);
    const answer = await client.message();
    checkError(t, answer, 502, 'bad-response');
    t.equal(fieldOf(answer.fields, 'set-cookie'), undefined, JSON.stringify(body));
    await upstream.gone();
    client.destroy();
  }
});

inEachDirection(t, mesh, 'an upstream that dies before its response is 502', async (t, path) => {
  for (const die of ['end', 'destroy', 'reset'] as const) {
    const client = await path.client();
    client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 2'], 'hi');
    const upstream = await path.backend.next();
    await upstream.request();
    upstream[die]();
    checkError(t, await client.message(), 502, 'upstream-reset');
    client.sendMessage(get(path.host));
    const next = await path.backend.next();
    await next.request();
    next.sendMessage(['HTTP/1.1 204 No Content', 'Connection: close']);
    t.match(
      await client.message(),
      { line: 'HTTP/1.1 204 No Content' },
      'and the client’s connection goes on',
    );
  }
});

inEachDirection(t, mesh, 'an upstream that answers with no HTTP is 502', async (t, path) => {
  const responses = [
    'nonsense\r\n\r\n',
    '<html>\r\n\r\n',
    '\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\n\n',
    'HTTP/2.0 200 OK\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nNo colon\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc',
    `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(20)}${OK}`,
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(200)}\r\n`,
  ];
  for (const response of responses) {
    const client = await path.client();
    client.sendMessage(get(path.host));
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.send(response);
    let answer = await client.message();
    while (answer.line.includes(' 102 ')) answer = await client.message();
    checkError(t, answer, 502, 'bad-response');
    await upstream.gone();
    client.destroy();
  }
});

t.test('an app that is not there is 502 at once', async (t) => {
  const path = await startPath(t, shared, 'inbound');
  path.backend.stop();
  const client = await path.client();
  for (let i = 0; i < 10; i++) {
    client.sendMessage(get(path.host));
    checkError(t, await client.message(), 502, 'connect-failure');
  }
});

// ---- early responses ----

inEachDirection(t, mesh, 'an upload that is answered early gets its answer', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 200000'], 'x'.repeat(1000));
  const upstream = await path.backend.next();
  await upstream.receive('\r\n\r\n');
  upstream.sendMessage(['HTTP/1.1 413 Content Too Large', 'Content-Length: 3'], 'no!');
  const response = await client.message();
  t.equal(response.body, 'no!');
  t.equal(fieldOf(response.fields, 'connection'), 'close');
  client.send('x'.repeat(199_000), 'GET / HTTP/1.1\r\n\r\n');
  client.end();
  t.equal(await client.gone(), 'ended', 'the rest is read, so that nothing is reset');
  await upstream.gone();
});

inEachDirection(t, mesh, 'a response may start early and go on beside the request', async (t, path) => {
  const client = await path.client();
  client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Transfer-Encoding: chunked']);
  const upstream = await path.backend.next();
  await upstream.receive('\r\n\r\n');
  upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked']);
  await client.receive('\r\n\r\n');
  for (let i = 0; i < 5; i++) {
    client.send(`6\r\nping ${i}\r\n`);
    await upstream.receive(`ping ${i}\r\n`);
    upstream.send(`6\r\npong ${i}\r\n`);
    await client.receive(`pong ${i}\r\n`);
  }
  client.send('0\r\n\r\n');
  await upstream.receive('0\r\n\r\n');
  upstream.send('0\r\n\r\n');
  await client.receive('0\r\n\r\n');
  t.equal(await client.gone(), 'ended');
});

inEachDirection(
  t,
  mesh,
  'an upstream that declines an upload and closes is sent no more of it',
  async (t, path) => {
    const client = await path.client();
    client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 100000'], 'first');
    const upstream = await path.backend.next();
    await upstream.receive('\r\n\r\nfirst');
    upstream.sendMessage(
      ['HTTP/1.1 413 Content Too Large', 'Connection: close', 'Content-Length: 6'],
      'not ',
    );
    await client.receive('not ');
    client.send('x'.repeat(50_000), 'y'.repeat(49_995));
    await settled(t, path, () => upstream.bytesReceived, Number.POSITIVE_INFINITY);
    t.equal(upstream.received, '');
    upstream.send('ok');
    await client.receive('ok');
    t.equal(await client.gone(), 'ended');
  },
);

inEachDirection(t, mesh, 'an upstream that answers an upload early and closes is heard', async (t, path) => {
  for (let round = 0; round < 20; round++) {
    const client = await path.client();
    client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 10000000']);
    const upstream = await path.backend.next();
    await upstream.receive('\r\n\r\n');
    client.send('x'.repeat(100_000));
    upstream.sendMessage(['HTTP/1.1 403 Forbidden', 'Connection: close', 'Content-Length: 2'], 'no');
    upstream.end();
    const response = await client.message();
    t.equal(response.line, 'HTTP/1.1 403 Forbidden');
    client.destroy();
    upstream.destroy();
  }
});

// ---- retries ----

/** A service of these backends behind a sidecar. */
async function servedBy(t: Parameters<typeof startPath>[0], addresses: readonly string[], spec: object = {}) {
  const service = newService(addresses, spec);
  await shared.apply(service);
  const sidecar = await shared.sidecar({ drainTimeoutMs: 0 });
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  return { sidecar, client, host: service.metadata.name };
}

async function refusing(t: Parameters<typeof startPath>[0]): Promise<string> {
  const gone = await RawBackend.start(t);
  gone.stop();
  return gone.address;
}

t.test('a connection that is refused is tried at another endpoint, body and all', async (t) => {
  const alive = await RawBackend.start(t);
  const addresses = [await refusing(t), alive.address, await refusing(t)];
  const { client, host } = await servedBy(t, addresses);
  for (let i = 0; i < 6; i++) {
    const body = `${i}`.repeat(5000);
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 5000'], body);
    const upstream = alive.peers[0] ?? (await alive.next());
    const request = await upstream.request();
    t.equal(request.body, body);
    upstream.send(OK);
    t.equal((await client.message()).body, 'ok');
  }
});

t.test('a body that comes while connections are refused arrives whole', async (t) => {
  const alive = await RawBackend.start(t);
  const addresses = [await refusing(t), await refusing(t), alive.address];
  const { client, host } = await servedBy(t, addresses);
  client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Transfer-Encoding: chunked']);
  const pieces = Array.from({ length: 30 }, (_, i) => `a\r\npiece ${String(i).padStart(4)}\r\n`);
  for (const piece of pieces) client.send(piece);
  client.send('0\r\nT: 1\r\n\r\n');
  const upstream = await alive.next();
  const request = await upstream.request();
  t.equal(request.body, pieces.map((piece) => piece.slice(3, -2)).join(''));
  t.strictSame(request.trailers, ['T: 1']);
});

t.test('a body larger than what is kept is sent once only', async (t) => {
  const first = await RawBackend.start(t);
  const second = await RawBackend.start(t);
  const retries = { attempts: 3, on: ['reset', 'connect-failure'] };
  const { client, host } = await servedBy(t, [first.address, second.address], {
    routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }], retries }],
  });
  const length = 100_000;
  client.sendMessage(['PUT / HTTP/1.1', `Host: ${host}`, `Content-Length: ${length}`], 'x'.repeat(length));
  const upstream = await Promise.race([first.next(), second.next()]);
  await upstream.request();
  upstream.reset();
  checkError(t, await client.message(), 502, 'upstream-reset');
  t.equal(first.accepted + second.accepted, 1);
});

t.test('a body that is kept is sent again, to another endpoint, when the first one dies', async (t) => {
  const backends = [await RawBackend.start(t), await RawBackend.start(t)];
  const retries = { attempts: 3, on: ['reset'] };
  const { client, host } = await servedBy(
    t,
    backends.map(({ address }) => address),
    { routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }], retries }] },
  );
  const waiting = backends.map((backend) => backend.next());
  client.sendMessage(['PUT / HTTP/1.1', `Host: ${host}`, 'Content-Length: 50000'], 'x'.repeat(50_000));
  const first = await Promise.race(waiting);
  const before = await first.request();
  first.reset();
  const other = (await Promise.all(waiting)).find((peer) => peer !== first) as RawPeer;
  const after = await other.request();
  t.strictSame(after, before, 'the same request, id and all');
  other.send(OK);
  t.equal((await client.message()).body, 'ok');
});

t.test('a status to retry is retried; the body that still comes meanwhile is not lost', async (t) => {
  const backends = [await RawBackend.start(t), await RawBackend.start(t)];
  const retries = { attempts: 3, on: ['503'] };
  const { client, host } = await servedBy(
    t,
    backends.map(({ address }) => address),
    { routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }], retries }] },
  );
  const waiting = backends.map((backend) => backend.next());
  client.sendMessage(['PUT / HTTP/1.1', `Host: ${host}`, 'Content-Length: 30'], 'first part,');
  const first = await Promise.race(waiting);
  await first.receive('first part,');
  first.sendMessage(['HTTP/1.1 503 Service Unavailable', 'Content-Length: 4'], 'busy');
  await first.gone();
  client.send('between two');
  client.send('the end.');
  const other = (await Promise.all(waiting)).find((peer) => peer !== first) as RawPeer;
  const request = await other.request();
  t.equal(request.body, 'first part,between twothe end.');
  other.send(OK);
  t.equal((await client.message()).body, 'ok');
});

t.test(
  'a pooled connection that turns out dead is replaced, for requests that may be sent twice',
  async (t) => {
    for (const direction of ['outbound', 'inbound'] as const) {
      const path = await startPath(t, shared, direction);
      const client = await path.client();
      client.sendMessage(get(path.host));
      const first = await path.backend.next();
      await first.request();
      first.send(OK);
      await client.message();
      // It dies with the request on its way.
      client.sendMessage(get(path.host));
      await first.request();
      first.reset();
      const second = await path.backend.next();
      await second.request();
      second.send(OK);
      t.equal((await client.message()).body, 'ok', direction);
      client.sendMessage(['PUT / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 2'], 'ok');
      await second.request();
      second.reset();
      const third = await path.backend.next();
      t.equal((await third.request()).body, 'ok');
      third.send(OK);
      t.equal((await client.message()).body, 'ok', direction);
      client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 0']);
      await third.request();
      third.reset();
      checkError(t, await client.message(), 502, 'upstream-reset');
    }
  },
);

t.test('a pooled connection that turns out dead is replaced outside the mesh, too', async (t) => {
  const path = await startPath(t, shared, 'outbound');
  const outside = await RawBackend.start(t);
  const client = await path.client();
  const call = () =>
    client.sendMessage([`GET http://${outside.address}/ HTTP/1.1`, `Host: ${outside.address}`]);
  call();
  const first = await outside.next();
  await first.request();
  first.send(OK);
  await client.message();
  call();
  await first.request();
  first.reset();
  const second = await outside.next();
  await second.request();
  second.send(OK);
  t.equal((await client.message()).body, 'ok');
});

inEachDirection(
  t,
  mesh,
  'a connection is not used for longer than its upstream keeps it',
  async (t, path) => {
    const client = await path.client();
    for (const hint of ['timeout=1', 'timeout=0, max=5', 'max=5, timeout=1']) {
      for (let call = 0; call < 2; call++) {
        client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 0']);
        const upstream = await path.backend.next();
        await upstream.request();
        upstream.sendMessage(['HTTP/1.1 200 OK', `Keep-Alive: ${hint}`, 'Content-Length: 2'], 'ok');
        const answer = await client.message();
        t.equal(answer.body, 'ok', `${hint}: a new connection, this one is closed`);
        t.equal(fieldOf(answer.fields, 'keep-alive'), undefined, 'what is said of one hop');
        await upstream.gone();
      }
    }
  },
);

t.test('an endpoint that refuses three connections is left out until it can be reached again', async (t) => {
  const dying = await Backend.start(t, 'dying');
  const alive = await Backend.start(t, 'alive');
  const { sidecar, client, host } = await servedBy(t, [dying.address, alive.address]);
  const endpoint = async () => {
    const { clusters } = (await (
      await fetch(`http://${sidecar.addresses.admin}/clusters`)
    ).json()) as Clusters;
    return clusters.flatMap(({ endpoints }) => endpoints).find(({ address }) => address === dying.address);
  };
  const call = async () => {
    client.sendMessage(get(host));
    const { line, body } = await client.message();
    t.equal(line, 'HTTP/1.1 200 OK');
    return (JSON.parse(body) as { backend: string }).backend;
  };
  await dying.stop();
  for (let i = 0; !(await endpoint())?.unreachable; i++) {
    if (i > 300) throw new Error(`it never became unreachable: ${JSON.stringify(await endpoint())}`);
    t.equal(await call(), 'alive');
  }
  t.equal((await endpoint())?.connectFailures, 3);
  for (let i = 0; i < 10; i++) t.equal(await call(), 'alive');
  t.equal((await endpoint())?.connectFailures, 3, 'no request finds out what is known');
  await dying.restart();
  await eventually('the prober has found it', async () => (await endpoint())?.unreachable === false);
  const answered = new Set<string>();
  for (let i = 0; i < 20; i++) answered.add(await call());
  t.strictSame([...answered].sort(), ['alive', 'dying']);
});

interface Clusters {
  readonly clusters: readonly {
    readonly endpoints: readonly {
      readonly address: string;
      readonly unreachable: boolean;
      readonly connectFailures: number;
    }[];
  }[];
}

t.test('a release none of whose endpoints takes a connection is 503', async (t) => {
  const { client, host } = await servedBy(t, [await refusing(t), await refusing(t)]);
  client.sendMessage(get(host));
  checkError(t, await client.message(), 503, 'no-endpoint');
});

t.test('the lane of a release that refuses is not that of the one that takes over', async (t) => {
  const stable = await RawBackend.start(t);
  const service = newService([], {
    stable: 'v1',
    versions: [
      { name: 'v1', endpoints: [{ address: stable.address }] },
      { name: 'v2', lane: 'canary', endpoints: [{ address: await refusing(t) }] },
    ],
    routes: [{ name: 'default', split: [{ version: 'v2', weight: 1 }] }],
  });
  await shared.apply(service);
  const sidecar = await shared.sidecar({ drainTimeoutMs: 0 });
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage([...get(service.metadata.name), 'baggage: a=b']);
  const upstream = await stable.next();
  const { fields } = await upstream.request();
  t.equal(fieldOf(fields, 'baggage'), 'a=b');
});

// ---- answers of our own ----

inEachDirection(
  t,
  mesh,
  'answers of our own to HEAD and HTTP/1.0 are as these want them',
  async (t, path: Path) => {
    path.backend.stop();
    const client = await path.client();
    client.sendMessage(['HEAD / HTTP/1.1', `Host: ${path.host}`]);
    const head = await client.message('response to HEAD');
    t.match(head.line, /502|503/);
    t.ok(Number(fieldOf(head.fields, 'content-length')) > 0);
    client.sendMessage(get(path.host));
    t.match((await client.message()).line, /502|503/, 'no byte of a body came in between');
    const old = await path.client();
    old.sendMessage(['GET / HTTP/1.0', `Host: ${path.host}`, 'Connection: keep-alive']);
    t.equal(fieldOf((await old.message()).fields, 'connection'), 'close');
    t.equal(await old.gone(), 'ended');
  },
);
