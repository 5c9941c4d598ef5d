import t, { type Test } from 'tap';
import { MAX_COPIES } from '../../sidecar/cluster/cluster-load.js';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { FastCaller } from '../support/fast-traffic.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf, type PlainMessage } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

let mesh: TestMesh;
let sidecar: Sidecar;
t.before(async () => {
  mesh = await TestMesh.start(t);
  sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
});

interface World {
  readonly host: string;
  readonly main: RawBackend;
  readonly shadow: RawBackend;
  readonly client: RawPeer;
  counts(): Promise<Record<string, number>>;
}

/** v1 answers, v2 is sent copies. */
async function world(t: Test, route: object = {}): Promise<World> {
  const [main, shadow] = [await RawBackend.start(t), await RawBackend.start(t)];
  const service = newService([], {
    versions: [
      { name: 'v1', endpoints: [{ address: main.address }] },
      { name: 'v2', lane: 'canary', endpoints: [{ address: shadow.address }] },
    ],
    routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }], mirror: { version: 'v2' }, ...route }],
  });
  await mesh.apply(service);
  const host = service.metadata.name;
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  return { host, main, shadow, client, counts: () => countsOf(host) };
}

async function countsOf(service: string): Promise<Record<string, number>> {
  const text = await (await fetch(`http://${sidecar.addresses.admin}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('roost_route_actions_total{'));
  const own = lines.filter((line) => line.includes(`service="${service}.shop"`));
  return Object.fromEntries(
    own.map((line) => [/action="([^"]*)"/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]),
  );
}

const reply = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

t.test('a copy is the whole request, as its route changes it, and its answer goes nowhere', async (t) => {
  const { host, main, shadow, client, counts } = await world(t, {
    rewrite: { prefix: '/x' },
    headers: { request: { set: { 'x-a': '1' } } },
  });
  main.answerAll(({ line }) => (line.startsWith('HEAD') ? reply('from v1').slice(0, -7) : reply('from v1')));
  const copies: PlainMessage[] = [];
  shadow.answerAll((request) => {
    copies.push(request);
    const body = request.line.startsWith('HEAD') ? '' : 's'.repeat(300_000);
    return `HTTP/1.1 500 Oops\r\nX-Shadow: 1\r\nContent-Length: 300000\r\n\r\n${body}`;
  });
  const requests: readonly (readonly [lines: string[], body: string])[] = [
    [['GET /a?b HTTP/1.1'], ''],
    [['POST /a HTTP/1.1', 'Content-Length: 60000'], 'p'.repeat(60_000)],
    [['PUT /a HTTP/1.1', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\nT: 1\r\n\r\n'],
    [['HEAD /a HTTP/1.1'], ''],
  ];
  for (const [[line, ...fields], body] of requests) {
    client.sendMessage([line as string, `Host: ${host}`, ...fields], body);
    const head = line?.startsWith('HEAD');
    const answer = await client.message(head ? 'response to HEAD' : 'response');
    t.equal(answer.line, 'HTTP/1.1 200 OK');
    t.equal(fieldOf(answer.fields, 'x-shadow'), undefined);
    t.equal(answer.body, head ? '' : 'from v1');
  }
  await eventually('all copies are answered', async () => (await counts()).mirrored === requests.length);
  t.strictSame(
    copies.map(({ line }) => line),
    ['GET /x/a?b HTTP/1.1', 'POST /x/a HTTP/1.1', 'PUT /x/a HTTP/1.1', 'HEAD /x/a HTTP/1.1'],
  );
  t.equal(copies[1]?.body, 'p'.repeat(60_000));
  t.match(copies[2], { body: 'hello', trailers: ['T: 1'] });
  for (const { fields } of copies) {
    t.equal(fieldOf(fields, 'host'), host);
    t.equal(fieldOf(fields, 'x-a'), '1');
    t.equal(fieldOf(fields, 'baggage'), 'roost-lane=canary', 'the lane of where it goes');
  }
});

t.test('as many are copied as the route says', async (t) => {
  const { host, main, shadow } = await world(t, { mirror: { version: 'v2', percent: 25 } });
  main.answerAll(() => reply('ok'));
  let copies = 0;
  shadow.answerAll(() => {
    copies++;
    return reply('ok');
  });
  const caller = new FastCaller(t, sidecar.addresses.outbound);
  const answers = await caller.all(Array.from({ length: 800 }, () => ({ host })));
  t.ok(answers.every(({ status }) => status === 200));
  const counted = async () => Object.values(await countsOf(host)).reduce((sum, n) => sum + n, 0);
  await eventually('every copy has arrived', async () => copies === (await counted()));
  // Six standard deviations either way.
  t.ok(copies > 126 && copies < 274, `${copies} of 800`);
});

t.test('a mirror that does not answer holds up nothing, and is not sent more than so many', async (t) => {
  const { host, main, counts } = await world(t);
  main.answerAll(() => reply('ok'));
  const caller = new FastCaller(t, sidecar.addresses.outbound);
  const total = 3 * MAX_COPIES;
  const answers = await caller.all(Array.from({ length: total }, () => ({ host })));
  t.ok(answers.every(({ status }) => status === 200));
  t.same(await counts(), { 'mirror-skipped': total - MAX_COPIES });
});

t.test('a mirror that reads nothing, or is gone, holds up nothing', async (t) => {
  const { host, main, shadow, client, counts } = await world(t);
  main.answerAll(() => reply('ok'));
  const body = 'x'.repeat(65_000);
  const post = async () => {
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, `Content-Length: ${body.length}`], body);
    t.equal((await client.message()).body, 'ok');
  };
  await post();
  (await shadow.next()).socket.pause();
  for (let i = 0; i < 20; i++) await post();
  shadow.stop();
  await eventually('those under way fail', async () => (await counts())['mirror-failed'] === 21);
  for (let i = 0; i < 10; i++) await post();
  t.equal((await counts()).mirrored, undefined);
});

t.test('a body that is too long, and one answered before its end, are not copied', async (t) => {
  const { host, main, shadow, client, counts } = await world(t);
  const send = (length: number, sent: number) =>
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, `Content-Length: ${length}`], 'x'.repeat(sent));
  send(100_000, 100_000);
  const upstream = await main.next();
  await upstream.request();
  upstream.send(reply('long'));
  t.equal((await client.message()).body, 'long');
  t.same(await counts(), { 'mirror-skipped': 1 });
  send(10, 5);
  await upstream.receive('xxxxx');
  upstream.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked']);
  await client.receive('\r\n\r\n');
  client.send('yyyyy');
  await upstream.receive('yyyyy');
  t.same(await counts(), { 'mirror-skipped': 2 });
  t.equal(shadow.accepted, 0);
});

t.test('a copy is given up when its time is over; the request is not', async (t) => {
  const { host, main, shadow, client, counts } = await world(t, { timeout: '200ms' });
  main.answerAll(() => reply('ok'));
  client.sendMessage(['GET / HTTP/1.1', `Host: ${host}`]);
  t.equal((await client.message()).body, 'ok');
  const copy = await shadow.next();
  await copy.request();
  await copy.gone();
  await eventually('it is counted', async () => (await counts())['mirror-failed'] === 1);
});

t.test('a delayed request is copied after its delay; one that is aborted is not', async (t) => {
  const { host, main, shadow, client } = await world(t, { fault: { delay: { duration: '60ms' } } });
  main.answerAll(() => reply('ok'));
  for (const [fields, body] of [
    [[], ''],
    [['Content-Length: 5'], 'hello'],
  ] as const) {
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, ...fields], body);
    t.equal((await client.message()).body, 'ok');
    const copy = shadow.peers[0] ?? (await shadow.next());
    t.equal((await copy.request()).body, body);
    copy.send(reply('ignored'));
  }
  const aborted = await world(t, { fault: { abort: { status: 500 } } });
  aborted.client.sendMessage(['GET / HTTP/1.1', `Host: ${aborted.host}`]);
  t.match((await aborted.client.message()).line, /500/);
  t.same(await aborted.counts(), { aborted: 1 });
  t.equal(aborted.shadow.accepted, 0);
});

t.test('an upgrade is not copied, and is counted', async (t) => {
  const { host, main, shadow, client, counts } = await world(t);
  client.sendMessage(['GET / HTTP/1.1', `Host: ${host}`, 'Connection: upgrade', 'Upgrade: websocket']);
  const upstream = await main.next();
  await upstream.request();
  upstream.sendMessage(['HTTP/1.1 101 Switching Protocols', 'Connection: upgrade', 'Upgrade: websocket']);
  await client.receive('\r\n\r\n');
  t.same(await counts(), { 'mirror-skipped': 1 });
  t.equal(shadow.accepted, 0);
});

t.test('an upgrade that is only offered is copied like any other request, without the offer', async (t) => {
  const { host, main, shadow, client, counts } = await world(t);
  main.answerAll(() => reply('as ever'));
  const copies: PlainMessage[] = [];
  shadow.answerAll((request) => {
    copies.push(request);
    return reply('s');
  });
  const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAA'];
  const offers = [
    ['GET /java HTTP/1.1', ...h2c],
    ['POST /java HTTP/1.1', ...h2c, 'Content-Length: 2'],
    ['GET /apache HTTP/1.1', 'Connection: Upgrade', 'Upgrade: TLS/1.2'],
    ['GET /chat HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket'],
    ['GET /none HTTP/1.1'],
  ] as const;
  for (const [line, ...fields] of offers) {
    client.sendMessage([line, `Host: ${host}`, ...fields], line.startsWith('POST') ? 'ab' : '');
    t.equal((await client.message()).body, 'as ever', line);
  }
  await eventually('all are copied', () => copies.length === offers.length);
  t.strictSame(copies.map(({ line }) => line).sort(), offers.map(([line]) => line).sort());
  for (const { line, fields } of copies)
    for (const name of ['connection', 'upgrade', 'http2-settings'])
      t.equal(fieldOf(fields, name), undefined, `${line}: ${name}`);
  await eventually('and counted', async () => (await counts()).mirrored === offers.length);
});

t.test('an upgrade that nobody answers is copied', async (t) => {
  const { host, main, shadow, client } = await world(t, { timeout: '100ms' });
  client.sendMessage(['GET / HTTP/1.1', `Host: ${host}`, 'Connection: upgrade', 'Upgrade: TLS/1.2']);
  await (await main.next()).request();
  t.match(await client.message(), { line: 'HTTP/1.1 504 Gateway Timeout' });
  t.match(await (await shadow.next()).request(), { line: 'GET / HTTP/1.1' });
});
