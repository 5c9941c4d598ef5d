import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { ChangeResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { bodyOf, isReady, moved, persistent } from '../support/case-world.js';
import { CutOff } from '../support/cut-off.js';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import { metric } from '../support/exposition.js';
import { FastCaller, startBackends } from '../support/fast-traffic.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type RoostProcess, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout } from '../support/shop.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** SEMANTICS S6 with sidecars at two control planes over one etcd, and case 33: what is between them breaks. */

t.setTimeout(180_000);

const SESSIONS = 2000;
const ids = Array.from({ length: SESSIONS }, (_, i) => i);

interface Replica {
  readonly process: RoostProcess;
  readonly grpc: string;
  readonly http: string;
  /** What the other control plane reaches it by. */
  readonly network: TcpProxy;
}

async function startReplica(t: Test, name: string, store: string): Promise<Replica> {
  const network = await TcpProxy.start(t, '127.0.0.1:1');
  const args = ['--store', store, '--replica', name, '--advertise', network.text];
  const started = await startControlPlane(t, args);
  network.turnTo(started.grpc);
  return { ...started, network };
}

t.test(
  '29, 33: pins reach sidecars of another control plane, and agree after a break',
  { skip: ETCD.skip },
  async (t) => {
    const etcd = await EtcdCluster.start(t);
    const network = new CutOff(t);
    const replicas = await Promise.all(['a', 'b'].map((name) => startReplica(t, name, etcd.store())));
    const sidecars = await Promise.all(
      replicas.map(({ grpc }, i) => {
        const args = ['--service', 'frontend.shop', '--control-plane', grpc];
        return startSidecar(t, args, i === 0 ? network.env : {});
      }),
    );
    await Promise.all(sidecars.map(({ admin }) => isReady(admin)));
    const callers = sidecars.map(({ outbound }) => new FastCaller(t, outbound));
    const backends = await startBackends(t, { v1: 3, v2: 3 });
    const client = new ControlPlaneClient(toAddress(replicas[0]?.grpc as string));
    t.teardown(() => client.close());
    const versions = [...backends].map(([name, list]) => ({
      name,
      endpoints: list.map(({ address }) => ({ address })),
    }));
    const apply = async (split: Record<string, number>) =>
      put(checkout({ affinity: persistent, split, spec: { versions } }));
    const put = async (document: object) => {
      const { revision } = await client.call<ChangeResponse>('Apply', { documents: [toStruct(document)] });
      for await (const progress of client.stream<{ done: boolean }>('Await', { revision, timeoutMs: 20_000 }))
        if (progress.done) break;
    };
    const callAll = async (pod: number, users: readonly (string | number)[], host = 'checkout.shop') => {
      const requests = users.map((user) => ({
        host,
        headers: [['x-user-id', `user-${user}`]] as [string, string][],
      }));
      return (await (callers[pod] as FastCaller).all(requests)).map(bodyOf);
    };
    const knows = (pod: number, sessions: number) =>
      eventually(
        `pod ${pod} knows ${sessions} sessions`,
        async () => (await metric(sidecars[pod]?.admin as string, 'roost_sessions')) >= sessions,
      );

    await apply({ v1: 90, v2: 10 });
    const first = await callAll(0, ids);
    await knows(1, SESSIONS);
    await apply({ v1: 50, v2: 50 });
    t.same(moved(first, await callAll(1, ids)), [], '29, through another control plane');

    // 33: control planes do not reach each other; configuration still comes, by way of etcd.
    for (const { network } of replicas) network.cut();
    const fresh = ids.map((i) => `fresh-${i}`);
    const throughA = await callAll(0, fresh);
    await apply({ v1: 20, v2: 80 });
    const throughB = await callAll(1, fresh);
    t.ok(moved(throughA, throughB).length > 0, 'the two do not know of each other');
    t.same([moved(first, await callAll(0, ids)), moved(first, await callAll(1, ids))], [[], []]);
    for (const { network } of replicas) network.restore();
    await eventually('both agree', async () => {
      const [a, b] = [await callAll(0, fresh), await callAll(1, fresh)];
      return moved(a, b).length === 0;
    });
    const agreed = await callAll(0, fresh);
    t.same(moved(throughA, agreed), [], 'the pin of the older revision wins: whoever moved, moved once');
    t.same(moved(agreed, await callAll(1, fresh)), [], 'and back never');

    // A sidecar at one control plane cannot reach a pod that a sidecar at the other can.
    const pods = (await startBackends(t, { v1: 3 })).get('v1') ?? [];
    network.from(pods[0]?.address as string);
    const endpoints = pods.map(({ address }) => ({ address }));
    const orders = checkout({
      affinity: persistent,
      split: { v1: 1 },
      spec: { versions: [{ name: 'v1', endpoints }] },
    });
    await put({ ...orders, metadata: { name: 'orders', namespace: 'shop' } });
    const some = ids.slice(0, 200);
    await callAll(0, ['first'], 'orders.shop');
    const before = await metric(sidecars[0]?.admin as string, 'roost_sessions');
    const places = await callAll(1, some, 'orders.shop');
    await knows(0, before + some.length);
    for (let round = 0; round < 10; round++) {
      await callAll(0, some, 'orders.shop');
      t.same(moved(places, await callAll(1, some, 'orders.shop')), [], 'its trouble moves no shared pin');
      await pause(200);
    }
    t.ok(moved(places, await callAll(0, some, 'orders.shop')).length > 0, 'it fails over for itself');
  },
);
