import t, { type Test } from 'tap';
import { newService } from '../support/http1/paths.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

const CLOSED = '127.0.0.1:1';

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

/** A CONNECT to a service, in which the client sends bytes that are not HTTP. */
async function tunnel(t: Test, outbound: string, name: string): Promise<RawPeer> {
  const client = await RawPeer.connect(t, outbound);
  client.sendMessage([`CONNECT ${name}:80 HTTP/1.1`, `Host: ${name}:80`]);
  await client.message('response to HEAD');
  client.send('\x16\x03\x01hello');
  return client;
}

const metricsOf = async (admin: string) => (await fetch(`http://${admin}/metrics`)).text();

t.test('a tunnel tries the other endpoints of its release, and is counted', async (t) => {
  const backend = await RawBackend.start(t);
  const service = newService([CLOSED, backend.address]);
  await mesh.apply(service);
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  for (let n = 0; n < 6; n++) {
    const client = await tunnel(t, addresses.outbound, service.metadata.name);
    const upstream = await backend.next();
    await upstream.receive('\x16\x03\x01hello');
    upstream.send('bye');
    await client.receive('bye');
    client.end();
    upstream.end();
    t.equal(await client.gone(), 'ended');
  }
  const labels = `direction="outbound",service="${service.metadata.name}.shop",release="v1"`;
  await eventually('all are counted', async () =>
    (await metricsOf(addresses.admin)).includes(`roost_tcp_connections_total{${labels},result="ended"} 6`),
  );
  const text = await metricsOf(addresses.admin);
  t.match(text, `roost_tcp_bytes_total{${labels},flow="sent"} 48`);
  t.match(text, `roost_tcp_bytes_total{${labels},flow="received"} 18`);
  t.match(
    text,
    /roost_upstream_connect_failures_total\{[^}]*endpoint="127\.0\.0\.1:1"\} [1-9]/,
    'health counts',
  );
});

t.test('a tunnel takes its place among the requests that a service may have', async (t) => {
  const backend = await RawBackend.start(t);
  const service = newService([backend.address], { limits: { requests: 1 } });
  await mesh.apply(service);
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  const first = await tunnel(t, addresses.outbound, service.metadata.name);
  const upstream = await backend.next();
  await upstream.receive('\x16\x03\x01hello');
  const second = await tunnel(t, addresses.outbound, service.metadata.name);
  t.equal(await second.gone(), 'broken', 'nobody takes it for an end of the stream');
  first.end();
  upstream.end();
  await first.gone();
  await eventually('there is room again', async () => {
    const third = await tunnel(t, addresses.outbound, service.metadata.name);
    const reached = await Promise.race([backend.next().then(() => true), third.gone().then(() => false)]);
    third.destroy();
    return reached;
  });
});

t.test('a tunnel whose endpoints all refuse breaks', async (t) => {
  const service = newService([CLOSED, '127.0.0.1:2']);
  await mesh.apply(service);
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  const client = await tunnel(t, addresses.outbound, service.metadata.name);
  t.equal(await client.gone(), 'broken');
  t.match(await metricsOf(addresses.admin), /roost_tcp_connections_total\{[^}]*result="connect-failure"\} 1/);
});
