import t, { type Test } from 'tap';
import type { SidecarOptions } from '../../sidecar/assembly/sidecar-options.js';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

const HOUR = 3_600_000;
const LAST = 'close, roost-leaving';

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = ['GET / HTTP/1.1', 'Host: app'];

/** A sidecar beside an app, and a service that the app calls. */
async function pod(t: Test, drain: Pick<SidecarOptions, 'drainGraceMs' | 'drainTimeoutMs'>) {
  const [app, upstream] = [await RawBackend.start(t), await RawBackend.start(t)];
  const service = newService([upstream.address]);
  await mesh.apply(service);
  const sidecar = await mesh.sidecar({ app: toAddress(app.address), ...drain });
  return { app, upstream, sidecar, called: service.metadata.name };
}

const connectTo = (t: Test, sidecar: Sidecar, where: 'inbound' | 'outbound') =>
  RawPeer.connect(t, sidecar.addresses[where]);
const drain = (sidecar: Sidecar) => fetch(`http://${sidecar.addresses.admin}/drain`, { method: 'POST' });
const ready = async (sidecar: Sidecar) => (await fetch(`http://${sidecar.addresses.admin}/ready`)).status;

/** Whether a listener takes no connection any more. */
async function refuses(t: Test, sidecar: Sidecar, where: 'inbound' | 'outbound'): Promise<boolean> {
  try {
    (await connectTo(t, sidecar, where)).destroy();
    return false;
  } catch (error) {
    // One that came in the very moment that the port was closed has been reset.
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
  }
}

t.test('a sidecar that drains is not ready, and its callers learn to go elsewhere', async (t) => {
  const { app, upstream, sidecar, called } = await pod(t, { drainGraceMs: HOUR, drainTimeoutMs: 0 });
  app.answerAll(() => OK);
  upstream.answerAll(() => OK);
  const idle = await connectTo(t, sidecar, 'inbound');
  idle.sendMessage(GET);
  t.equal(fieldOf((await idle.message()).fields, 'connection'), undefined);
  await drain(sidecar);
  t.equal(await ready(sidecar), 503);
  for (const client of [idle, await connectTo(t, sidecar, 'inbound')]) {
    client.sendMessage(GET);
    const answer = await client.message();
    t.equal(answer.body, 'ok', 'an old connection and a new one are served');
    t.equal(fieldOf(answer.fields, 'connection'), LAST, 'for the last time');
    t.equal(await client.gone(), 'ended');
  }
  const own = await connectTo(t, sidecar, 'outbound');
  for (let i = 0; i < 2; i++) {
    own.sendMessage(['GET / HTTP/1.1', `Host: ${called}`]);
    t.equal(fieldOf((await own.message()).fields, 'connection'), undefined, 'the app’s own calls go on');
  }
});

t.test('an answer that is under way when drain begins says that it is the last', async (t) => {
  const { app, sidecar } = await pod(t, { drainGraceMs: HOUR, drainTimeoutMs: 0 });
  const [waiting, reading] = [await connectTo(t, sidecar, 'inbound'), await connectTo(t, sidecar, 'inbound')];
  waiting.sendMessage(GET);
  const slow = await app.next();
  await slow.request();
  reading.sendMessage(GET);
  const fast = await app.next();
  await fast.request();
  fast.sendMessage(['HTTP/1.1 200 OK', 'Content-Length: 4'], 'ab');
  await reading.receive('ab');
  await drain(sidecar);
  slow.send(OK);
  const answer = await waiting.message();
  t.equal(fieldOf(answer.fields, 'connection'), LAST);
  t.equal(await waiting.gone(), 'ended');
  // This one was told that its connection goes on, so it does, for one request more.
  fast.send('cd');
  await reading.receive('cd');
  reading.sendMessage(GET);
  await fast.request();
  fast.send(OK);
  t.equal(fieldOf((await reading.message()).fields, 'connection'), LAST);
});

t.test('after its grace it takes no connections, and ends those that nobody uses', async (t) => {
  const { app, sidecar } = await pod(t, { drainGraceMs: 100, drainTimeoutMs: 0 });
  const [idle, busy] = [await connectTo(t, sidecar, 'inbound'), await connectTo(t, sidecar, 'inbound')];
  for (const client of [idle, busy]) client.sendMessage(GET);
  const peers = [await app.next(), await app.next()];
  for (const peer of peers) {
    await peer.request();
    peer.send(OK);
  }
  for (const client of [idle, busy]) await client.message();
  busy.sendMessage(GET);
  const peer = await Promise.race(peers.map(async (each) => each.request().then(() => each)));
  await drain(sidecar);
  await eventually('connections are refused', () => refuses(t, sidecar, 'inbound'));
  t.notOk(await refuses(t, sidecar, 'outbound'));
  t.notOk(idle.ended, 'not while somebody may still come back');
  peer.send(OK);
  t.equal((await busy.message()).body, 'ok');
  t.equal(await idle.gone(), 'ended');
});

t.test('stopping finishes what is under way, and the app’s calls for it', async (t) => {
  const { app, upstream, sidecar, called } = await pod(t, { drainGraceMs: 0, drainTimeoutMs: HOUR });
  const client = await connectTo(t, sidecar, 'inbound');
  client.sendMessage(GET);
  const serving = await app.next();
  await serving.request();
  let stopped = false;
  const stopping = sidecar.stop().then(() => {
    stopped = true;
  });
  await eventually('connections are refused', () => refuses(t, sidecar, 'inbound'));
  const call = await connectTo(t, sidecar, 'outbound');
  for (let i = 0; i < 3; i++) {
    call.sendMessage(['GET / HTTP/1.1', `Host: ${called}`]);
    const callee = upstream.peers[0] ?? (await upstream.next());
    await callee.request();
    callee.send(OK);
    const { body, fields } = await call.message();
    t.equal(body, 'ok');
    t.equal(fieldOf(fields, 'connection'), undefined);
  }
  t.notOk(stopped);
  serving.send(OK);
  const answer = await client.message();
  t.equal(answer.body, 'ok');
  t.equal(fieldOf(answer.fields, 'connection'), LAST);
  client.end();
  await stopping;
  t.ok(await refuses(t, sidecar, 'outbound'));
  t.equal(await call.gone(), 'ended', 'in good order');
});

t.test('stopping waits for what is under way no longer than it is told', async (t) => {
  const { app, upstream, sidecar, called } = await pod(t, { drainGraceMs: HOUR, drainTimeoutMs: 200 });
  const client = await connectTo(t, sidecar, 'inbound');
  client.sendMessage(GET);
  await (await app.next()).request();
  const call = await connectTo(t, sidecar, 'outbound');
  call.sendMessage(['GET / HTTP/1.1', `Host: ${called}`]);
  await (await upstream.next()).request();
  await sidecar.stop();
  t.equal(await client.gone(), 'broken');
  t.equal(await call.gone(), 'broken');
});

t.test('a sidecar that nobody has called has nobody to give grace to', async (t) => {
  const { sidecar } = await pod(t, { drainGraceMs: HOUR, drainTimeoutMs: HOUR });
  await sidecar.stop();
  t.ok(await refuses(t, sidecar, 'inbound'));
});

t.test('callers leave a pod that is about to stop alone, unless there is no other', async (t) => {
  const pods = [
    await pod(t, { drainGraceMs: HOUR, drainTimeoutMs: 0 }),
    await pod(t, { drainGraceMs: HOUR, drainTimeoutMs: 0 }),
  ];
  for (const { app } of pods) app.answerAll(() => OK);
  const service = newService(pods.map(({ sidecar }) => sidecar.addresses.inbound));
  await mesh.apply(service);
  const caller = await mesh.sidecar({ drainTimeoutMs: 0 });
  const client = await connectTo(t, caller, 'outbound');
  const requests = ({ app }: (typeof pods)[number]) =>
    app.peers.reduce((sum, peer) => sum + peer.requests, 0);
  const call = async (times: number) => {
    const before = pods.map(requests);
    for (let i = 0; i < times; i++) {
      client.sendMessage(['GET / HTTP/1.1', `Host: ${service.metadata.name}`]);
      const { body, fields } = await client.message();
      t.equal(body, 'ok');
      t.equal(fieldOf(fields, 'connection'), undefined, 'which is between the two sidecars');
    }
    return pods.map((each, i) => requests(each) - (before[i] as number));
  };
  t.notOk((await call(40)).includes(0), 'both are called');
  await drain((pods[0] as (typeof pods)[number]).sidecar);
  await call(40);
  t.strictSame(await call(10), [0, 10]);
  await drain((pods[1] as (typeof pods)[number]).sidecar);
  t.equal(
    (await call(20)).reduce((sum, n) => sum + n, 0),
    20,
    'where both are, both serve',
  );
});

t.test('an endpoint that leaves the configuration finishes its requests', async (t) => {
  const [leaving, staying] = [await RawBackend.start(t), await RawBackend.start(t)];
  const service = newService([leaving.address]);
  await mesh.apply(service);
  const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
  const host = service.metadata.name;
  const clients = [await connectTo(t, sidecar, 'outbound'), await connectTo(t, sidecar, 'outbound')] as const;
  const upstreams: RawPeer[] = [];
  for (const client of clients) {
    client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 4'], 'ab');
    const upstream = await leaving.next();
    await upstream.receive('\r\n\r\nab');
    upstreams.push(upstream);
  }
  const [answering, waiting] = upstreams as [RawPeer, RawPeer];
  answering.sendMessage(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], '2\r\nab\r\n');
  await clients[0].receive('ab\r\n');
  const versions = [{ name: 'v1', endpoints: [{ address: staying.address }] }];
  await mesh.apply({ ...service, spec: { ...service.spec, versions } });
  const other = await connectTo(t, sidecar, 'outbound');
  other.sendMessage(['GET / HTTP/1.1', `Host: ${host}`]);
  const next = await staying.next();
  await next.request();
  next.send(OK);
  t.equal((await other.message()).body, 'ok', 'what is new goes elsewhere');
  for (const client of clients) client.send('cd');
  answering.send('2\r\ncd\r\n0\r\n\r\n');
  await clients[0].receive('cd\r\n0\r\n\r\n');
  await waiting.receive('cd');
  waiting.send(OK);
  t.equal((await clients[1].message()).body, 'ok');
  for (const upstream of upstreams) t.equal(await upstream.gone(), 'ended', 'and then its connections go');
});
