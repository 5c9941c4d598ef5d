import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Backend, startReleases, versionsOf } from '../support/backend.js';
import { type Call, caller } from '../support/calls.js';
import { ENVOY, type EnvoyProcess, envoyStats, startPrintedEnvoy } from '../support/envoy.js';
import { temporaryFolder } from '../support/folder.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout, meshService } from '../support/shop.js';

/**
 * An Envoy under load while everything about its clusters changes: no request fails, and no cluster is left warming
 * for endpoints that do not come (go-control-plane#59, envoy#13910).
 */

/** Calls without a pause from several sides until it is stopped. */
class Load {
  requests = 0;
  readonly failed: string[] = [];
  private running = true;
  private readonly workers: Promise<void>[];

  constructor(
    private readonly call: Call,
    private readonly host: string,
    sides = 4,
  ) {
    this.workers = Array.from({ length: sides }, () => this.work());
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(): Promise<void> {
    while (this.running) {
      const headers = { 'x-user-id': String(this.requests++) };
      const { status, body } = await this.call(this.host, { headers });
      if (status !== 200) this.failed.push(`${status} ${body}`);
    }
  }
}

async function start(t: Test) {
  const backends = await startReleases(t, { v1: 2, v2: 2, v3: 1 });
  const [v1, v2, v3] = versionsOf(backends) as [Version, Version, Version];
  const mesh = await TestMesh.start(t, [checkout({ split: { v1: 1 }, spec: { versions: [v1, v2] } })], {
    lingerMs: 500,
  });
  const at = mesh.controlPlane.grpcAddress;
  const envoy = await startPrintedEnvoy(t, ['--control-plane', at, '--service', 'frontend.shop']);
  const call = caller(t, envoy.listeners.outbound as string);
  await eventually('envoy has the routes', async () => (await call('checkout.shop')).status === 200);
  return { mesh, envoy, call, v1, v2, v3, backends };
}

interface Version {
  readonly name: string;
  readonly endpoints: object[];
}

/** Clusters that wait for something before they take requests, and those that have waited in vain. */
async function warming(envoy: EnvoyProcess): Promise<number> {
  const { 'cluster_manager.warming_clusters': count } = await envoyStats(
    envoy,
    'cluster_manager.warming_clusters',
  );
  return count ?? Number.NaN;
}

t.test('clusters change in every way, and none stalls while it warms', { skip: ENVOY.skip }, async (t) => {
  const { mesh, envoy, call, v1, v2, v3 } = await start(t);
  const split = { v1: 50, v2: 50 };
  const both = { versions: [v1, v2] };
  const load = new Load(call, 'checkout.shop');
  const changes: readonly [what: string, resource: object][] = [
    ['a split', checkout({ split, spec: both })],
    ['another load balancer', checkout({ split, spec: { ...both, loadBalancer: 'round-robin' } })],
    ['hashing', checkout({ split, spec: { ...both, loadBalancer: 'maglev' } })],
    ['affinity', checkout({ split, affinity: { version: 'balanced', endpoint: 'balanced' }, spec: both })],
    ['outlier detection', checkout({ split, spec: { ...both, outlier: {} } })],
    ['active checks', checkout({ split, spec: { ...both, health: { path: '/', interval: '200ms' } } })],
    ['limits', checkout({ split, spec: { ...both, limits: { requests: 1000, connections: 500 } } })],
    ['a connect timeout', checkout({ split, spec: { ...both, timeouts: { connect: '3s' } } })],
    [
      'fewer endpoints',
      checkout({ split, spec: { versions: [{ ...v1, endpoints: v1.endpoints.slice(0, 1) }, v2] } }),
    ],
    [
      'cluster and endpoints at once',
      checkout({
        split,
        spec: { versions: [v1, { ...v2, endpoints: v2.endpoints.slice(0, 1) }], outlier: {} },
      }),
    ],
    ['one release more', checkout({ split: { v1: 1, v3: 1 }, spec: { versions: [v1, v2, v3] } })],
    ['and one less', checkout({ split: { v3: 1 }, spec: { versions: [v3] } })],
    ['others in its place', checkout({ split, spec: both })],
  ];
  for (const [what, resource] of changes) {
    const before = load.requests;
    await mesh.apply(resource);
    await eventually(`no cluster is warming: ${what}`, async () => (await warming(envoy)) === 0);
    await eventually('requests go on', () => load.requests > before + 20);
    t.same(load.failed, [], what);
  }
  await load.stop();
  const stats = await envoyStats(
    envoy,
    'cluster_manager.cluster_(added|modified|removed)|init_fetch_timeout',
  );
  t.ok((stats['cluster_manager.cluster_modified'] ?? 0) >= 8, 'clusters were changed');
  const stalled = Object.entries(stats).filter(
    ([name, value]) => name.endsWith('init_fetch_timeout') && value > 0,
  );
  t.same(stalled, [], 'none has waited in vain for its endpoints');
  t.comment(`${load.requests} requests, none failed`);
});

t.test(
  'a service is deleted and comes back: it is reached again, at once',
  { skip: ENVOY.skip },
  async (t) => {
    const { mesh, envoy, call, v1 } = await start(t);
    const till = meshService('till.shop', { v1: 1 }, { versions: [v1] });
    const reached = async (status: number) => (await call('till')).status === status;
    for (let round = 0; round < 3; round++) {
      await mesh.apply(till);
      await eventually('it is reached', () => reached(200));
      await mesh.change('Delete', { name: 'till.shop' });
      await eventually('it is not', () => reached(404));
      // The first time before its cluster is let go, then after.
      if (round > 0)
        await eventually('its cluster is gone', async () => {
          const clusters = await (await fetch(`http://${envoy.admin}/clusters`)).text();
          return !clusters.includes('shop/till/v1');
        });
    }
    t.equal(await warming(envoy), 0);
  },
);

t.test('the control plane goes away and comes back: requests go on', { skip: ENVOY.skip }, async (t) => {
  const { mesh, call, v1, v2, backends } = await start(t);
  const load = new Load(call, 'checkout.shop');
  const address = mesh.controlPlane.grpcAddress;
  await mesh.controlPlane.stop();
  const before = load.requests;
  await eventually('requests go on without it', () => load.requests > before + 50);
  const [host, port] = address.split(':');
  const grpc = { host: host as string, port: Number(port) };
  // It has its services as it begins to listen: an Envoy that finds none drops what it had.
  const file = join(await temporaryFolder(t), 'checkout.json');
  await writeFile(file, JSON.stringify(checkout({ split: { v2: 1 }, spec: { versions: [v1, v2] } })));
  const again = await TestMesh.start(t, [], { grpc, config: [file] });
  await eventually('what it says is done', async () => {
    const { backend } = await call('checkout.shop');
    return backend.startsWith('v2');
  });
  await load.stop();
  t.same(load.failed, []);
  t.equal(again.controlPlane.grpcAddress, address);
  t.ok((backends.get('v2') as Backend[]).some(({ requests }) => requests > 0));
});
