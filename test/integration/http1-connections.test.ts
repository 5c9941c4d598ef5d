import t from 'tap';
import { inEachDirection, type Path } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import type { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (path: Path, target = '/', ...fields: string[]) =>
  [`GET ${target} HTTP/1.1`, `Host: ${path.host}`, ...fields, '', ''].join('\r\n');

/** Answers every request with its own target. */
function echoTargets(path: Path): void {
  path.backend.answerAll(({ line }) => {
    const target = line.split(' ')[1] as string;
    return `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`;
  });
}

inEachDirection(
  t,
  mesh,
  'keeps connections on both sides: many requests, one upstream connection',
  async (t, path) => {
    echoTargets(path);
    for (let c = 0; c < 3; c++) {
      const client = await path.client();
      for (let i = 0; i < 10; i++) {
        client.send(get(path, `/${c}/${i}`));
        t.equal((await client.message()).body, `/${c}/${i}`);
      }
    }
    t.equal(path.backend.accepted, 1);
  },
);

inEachDirection(
  t,
  mesh,
  'opens as many upstream connections as there are requests at once, and pools them',
  async (t, path) => {
    const clients = await Promise.all([1, 2, 3, 4].map(() => path.client()));
    for (let round = 0; round < 3; round++) {
      for (const client of clients) client.send(get(path));
      const upstreams = round === 0 ? await take(path, 4) : path.backend.peers;
      await Promise.all(upstreams.map((upstream) => upstream.request()));
      for (const upstream of upstreams) upstream.send(OK);
      await Promise.all(clients.map((client) => client.message()));
    }
    t.equal(path.backend.accepted, 4);
  },
);

inEachDirection(
  t,
  mesh,
  'answers pipelined requests in order, also when the first is slow',
  async (t, path) => {
    const client = await path.client();
    client.send(get(path, '/1') + get(path, '/2') + get(path, '/3'));
    const upstream = await path.backend.next();
    t.match(await upstream.request(), { line: 'GET /1 HTTP/1.1' });
    t.equal(upstream.received, '', 'the second waits for the first');
    for (const target of ['/1', '/2', '/3']) {
      if (target !== '/1') t.match(await upstream.request(), { line: `GET ${target} HTTP/1.1` });
      upstream.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 2'], target);
      t.equal((await client.message()).body, target);
    }
    t.equal(path.backend.accepted, 1, 'one after the other, they share the connection');
  },
);

inEachDirection(t, mesh, 'pipelined requests with bodies, answers of its own among them', async (t, path) => {
  echoTargets(path);
  const client = await path.client();
  const requests = Array.from({ length: 50 }, (_, i) => {
    if (i % 5 === 4 && path.direction === 'outbound') return 'GET /lost HTTP/1.1\r\nHost: nosuch\r\n\r\n';
    const body = 'x'.repeat(i * 50);
    return `POST /${i} HTTP/1.1\r\nHost: ${path.host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
  client.send(requests.join(''));
  for (let i = 0; i < requests.length; i++) {
    const { line, body } = await client.message();
    if (requests[i]?.includes('nosuch')) t.equal(line, 'HTTP/1.1 404 Not Found');
    else t.equal(body, `/${i}`);
  }
});

inEachDirection(
  t,
  mesh,
  'ends the connection after a request with Connection: close, whatever follows it',
  async (t, path) => {
    echoTargets(path);
    const client = await path.client();
    client.send(get(path, '/1', 'Connection: close') + get(path, '/2'));
    const response = await client.message();
    t.equal(response.body, '/1');
    t.equal(fieldOf(response.fields, 'connection'), 'close');
    t.equal(await client.gone(), 'ended');
    t.equal(client.received, '');
    const other = await path.client();
    other.send(get(path, '/3'));
    t.equal((await other.message()).body, '/3');
    t.equal(path.backend.accepted, 1, 'the upstream connection goes on all the same');
  },
);

inEachDirection(t, mesh, 'does not reuse a connection that its upstream said to close', async (t, path) => {
  const client = await path.client();
  for (let i = 0; i < 2; i++) {
    client.send(get(path));
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.sendMessage(['HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 2'], 'ok');
    const response = await client.message();
    t.equal(fieldOf(response.fields, 'connection'), undefined, 'the client’s own connection goes on');
    await upstream.gone();
  }
});

inEachDirection(t, mesh, 'does not reuse a connection with bytes that nobody asked for', async (t, path) => {
  const client = await path.client();
  client.send(get(path));
  const first = await path.backend.next();
  await first.request();
  first.send(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
  t.equal((await client.message()).body, 'ok');
  await first.gone();
  client.send(get(path));
  const second = await path.backend.next();
  await second.request();
  second.send(OK);
  t.equal((await client.message()).body, 'ok');
});

inEachDirection(
  t,
  mesh,
  'a client that ended its side after the request gets its answer',
  async (t, path) => {
    const client = await path.client();
    client.send(get(path));
    client.end();
    const upstream = await path.backend.next();
    await upstream.request();
    upstream.send(OK);
    t.equal((await client.message()).body, 'ok');
    t.equal(await client.gone(), 'ended');
  },
);

inEachDirection(
  t,
  mesh,
  'a client that ended its side after several requests gets all answers',
  async (t, path) => {
    echoTargets(path);
    const client = await path.client();
    client.send(get(path, '/1') + get(path, '/2') + get(path, '/3'));
    client.end();
    for (const target of ['/1', '/2', '/3']) t.equal((await client.message()).body, target);
    t.equal(await client.gone(), 'ended');
  },
);

inEachDirection(
  t,
  mesh,
  'a client gone in the middle of its request cancels it upstream',
  async (t, path) => {
    for (const leave of ['end', 'destroy', 'reset'] as const) {
      const client = await path.client();
      client.sendMessage(['POST / HTTP/1.1', `Host: ${path.host}`, 'Content-Length: 10'], 'half ');
      const upstream = await path.backend.next();
      await upstream.receive('half ');
      client[leave]();
      t.equal(await upstream.gone(), 'broken', leave);
      t.equal(upstream.received, '', 'and nothing is made up');
    }
  },
);

inEachDirection(
  t,
  mesh,
  'a client gone in the middle of its response cancels it upstream',
  async (t, path) => {
    for (const leave of ['destroy', 'reset'] as const) {
      const client = await path.client();
      client.send(get(path));
      const upstream = await path.backend.next();
      await upstream.request();
      upstream.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 1000000'], 'a');
      await client.receive('\r\n\r\na');
      client[leave]();
      // A close without a reset is only seen by the next bytes that go there.
      await keepSending(upstream);
      t.equal(upstream.closed, true, leave);
    }
  },
);

inEachDirection(
  t,
  mesh,
  'a client that resets while it waits cancels its request at once',
  async (t, path) => {
    const client = await path.client();
    client.send(get(path));
    const upstream = await path.backend.next();
    await upstream.request();
    client.reset();
    t.equal(await upstream.gone(), 'broken', 'a mere end could be that of a client that waits');
  },
);

inEachDirection(
  t,
  mesh,
  'a head that does not come in time is 408',
  async (t, path) => {
    const client = await path.client();
    client.send('GET / HTTP/1.1\r\nHo');
    const response = await client.message();
    t.equal(response.line, 'HTTP/1.1 408 Request Timeout');
    t.equal(fieldOf(response.fields, 'x-roost-error'), 'slow-request');
    t.match(response.body, /^[^\n]+\n$/);
    t.equal(await client.gone(), 'ended');
  },
  { limits: { headTimeoutMs: 100 } },
);

inEachDirection(
  t,
  mesh,
  'a connection that brings nothing is ended',
  async (t, path) => {
    echoTargets(path);
    const never = await path.client();
    const once = await path.client();
    once.send(get(path, '/1'));
    t.equal((await once.message()).body, '/1');
    t.equal(await once.gone(), 'ended');
    t.equal(await never.gone(), 'ended');
    t.equal(once.received + never.received, '', 'without a word');
  },
  { limits: { clientIdleTimeoutMs: 500 } },
);

inEachDirection(
  t,
  mesh,
  'an exchange in which nothing moves ends: 504 before the response, cut off within it',
  async (t, path) => {
    const waiting = await path.client();
    waiting.send(get(path));
    const silent = await path.backend.next();
    await silent.request();
    const answered = await path.client();
    answered.send(get(path));
    const stuck = await path.backend.next();
    await stuck.request();
    stuck.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 10'], 'half ');
    const response = await waiting.message();
    t.equal(response.line, 'HTTP/1.1 504 Gateway Timeout');
    t.equal(fieldOf(response.fields, 'x-roost-error'), 'request-timeout');
    t.equal(await answered.gone(), 'broken');
    await silent.gone();
    await stuck.gone();
  },
  { limits: { streamIdleTimeoutMs: 500 } },
);

function take(path: Path, count: number): Promise<RawPeer[]> {
  return Promise.all(Array.from({ length: count }, () => path.backend.next()));
}

/** Sends until the connection is gone. */
async function keepSending(peer: RawPeer): Promise<void> {
  const timer = setInterval(() => peer.send('x'.repeat(100)), 5);
  try {
    await peer.until('the end', () => peer.closed);
  } finally {
    clearInterval(timer);
  }
}
