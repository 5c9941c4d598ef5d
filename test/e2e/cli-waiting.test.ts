import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { OUTBOUND_ROUTES } from '../../src/xds/resource-names.js';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually, type Finished, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout } from '../support/shop.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { XdsClient } from '../support/xds-client.js';

/** Each command is a process, which takes a while where the processor is shared. */
t.setTimeout(120_000);

/** What the command does while sidecars do not answer, or the control plane goes away meanwhile. */

const SERVICE = stringify(checkout({ split: { v1: 1 } }));

function run(controlPlane: string, args: string, input = ''): Promise<Finished> {
  return roost(args.split(' '), { env: { ROOST_CONTROL_PLANE: controlPlane }, input });
}

async function isStored(controlPlane: string, revision: number): Promise<boolean> {
  const { stdout } = await run(controlPlane, 'status');
  return stdout.startsWith(`revision ${revision},`);
}

/** A client that has everything so far. */
async function connect(t: Test, address: string, id: string): Promise<XdsClient> {
  const client = XdsClient.delta(t, address, { id, metadata: { namespace: 'shop' } });
  client.subscribe('route', OUTBOUND_ROUTES);
  client.ack(await client.next('route'));
  return client;
}

t.test('a client that never answers is named, and stops nobody once it is late', async (t) => {
  const { grpc } = await startControlPlane(t);
  t.equal((await run(grpc, 'apply -f -', SERVICE)).code, 0);
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', grpc]);
  await eventually('ready', async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200);
  const silent = XdsClient.delta(t, grpc, { id: 'silent-1', metadata: { namespace: 'shop' } });
  silent.subscribe('cluster', '*');
  await silent.next('cluster');
  const first = await run(grpc, 'split checkout.shop v1=9 v2=1 --timeout 5s');
  t.match(first, {
    code: 4,
    stderr:
      /^silent-1: has not answered for \ds\nroost: stored as revision 2, 1 of 2 clients have it; see "roost status"\n$/,
  });
  const startedAt = performance.now();
  const second = await run(grpc, 'abort checkout.shop -o json');
  t.ok(performance.now() - startedAt < 20_000, 'that does not wait for 30 s');
  t.equal(second.code, 4);
  t.match(
    second.stderr,
    /^silent-1: has not answered for \d+s; it was late before this change, and is not waited for\nroost: stored as revision 3, 1 of 2 clients have it/,
  );
  t.match(JSON.parse(second.stdout), {
    revision: 3,
    clients: { connected: 2, settled: 1, known: true, late: [{ client: 'silent-1', lateBefore: true }] },
  });
  silent.close();
  await eventually('it has left', async () => /1 client /.test((await run(grpc, 'status')).stdout));
  t.match(await run(grpc, 'split checkout.shop v1=1 v2=1'), { code: 0, stdout: /in force on 1 client/ });
});

t.test('a control plane that ends during the wait, and comes back, is asked again', async (t) => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const dataDir = await temporaryFolder(t);
    const first = await startControlPlane(t, ['--data-dir', dataDir]);
    const { grpc } = first;
    t.equal((await run(grpc, 'apply -f -', SERVICE)).code, 0);
    await connect(t, grpc, 'slow');
    const splitting = run(grpc, 'split checkout.shop v1=9 v2=1');
    await eventually('the change is stored', () => isStored(grpc, 2));
    await first.process.kill(signal);
    await startControlPlane(t, ['--data-dir', dataDir, '--grpc', grpc]);
    await connect(t, grpc, 'slow');
    t.same(
      await splitting,
      { code: 0, stdout: 'checkout.shop split v1=9 v2=1: revision 2, in force on 1 client\n', stderr: '' },
      signal,
    );
  }
});

t.test('a control plane that is killed during the wait for good: stored, and not known where', async (t) => {
  const { grpc, process } = await startControlPlane(t);
  t.equal((await run(grpc, 'apply -f -', SERVICE)).code, 0);
  await connect(t, grpc, 'slow');
  const splitting = run(grpc, 'split checkout.shop v1=9 v2=1 --timeout 3s');
  await eventually('the change is stored', () => isStored(grpc, 2));
  await process.kill('SIGKILL');
  const { code, stderr } = await splitting;
  t.equal(code, 4);
  t.match(
    stderr,
    /stored as revision 2, but it is not known which clients have it, of 1 client 0 had it before: the control plane at /,
  );
  t.notMatch(stderr, /TLS|--ca/);
});

t.test('behind a load balancer, the other control plane answers', { skip: ETCD.skip }, async (t) => {
  const etcd = await EtcdCluster.start(t);
  const start = (name: string) => startControlPlane(t, ['--store', etcd.store(), '--replica', name]);
  const [a, b] = [await start('a'), await start('b')];
  const balancer = await TcpProxy.start(t, a.grpc);
  t.equal((await run(balancer.text, 'apply -f -', SERVICE)).code, 0);
  const slow = await connect(t, b.grpc, 'slow');
  const splitting = run(balancer.text, 'split checkout.shop v1=9 v2=1');
  const change = await slow.next('route');
  await eventually('the change is stored', () => isStored(b.grpc, 2));
  await a.process.kill('SIGKILL');
  balancer.turnTo(b.grpc);
  slow.ack(change);
  t.match(await splitting, { code: 0, stdout: /revision 2, in force on 1 client/, stderr: '' });
});
