import t, { type Test } from 'tap';
import type { ListResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { FastCaller, startBackends } from '../support/fast-traffic.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type RoostProcess, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout } from '../support/shop.js';

const PERSISTENT = { version: 'persistent', endpoint: 'persistent' };

/** Calls without a pause until told to stop, each session always on its own; collects everything that is not right. */
class SteadyLoad {
  requests = 0;
  readonly failures: string[] = [];
  /** Sessions that were answered by another release than before. */
  flips = 0;
  private running = true;
  private readonly releases = new Map<number, string>();
  private readonly workers: Promise<void>[];

  constructor(
    private readonly caller: FastCaller,
    width = 8,
  ) {
    this.workers = Array.from({ length: width }, (_, i) => this.work(i, width));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(first: number, step: number): Promise<void> {
    for (let user = first; this.running; user = (user + step) % 2000) {
      const { status, body, error } = await this.caller.one({
        host: 'checkout',
        headers: [['x-user-id', `user-${user}`]],
      });
      this.requests++;
      if (status !== 200) this.failures.push(`${status} ${error}: ${body}`);
      const release = body.split('-')[0] as string;
      if ((this.releases.get(user) ?? release) !== release) this.flips++;
      this.releases.set(user, release);
    }
  }
}

async function startWorld(t: Test, controlPlaneArgs: readonly string[] = []) {
  const backends = await startBackends(t, { v1: 2, v2: 2 });
  const versions = [...backends].map(([name, list]) => ({
    name,
    endpoints: list.map(({ address }) => ({ address })),
  }));
  const controlPlane = await startControlPlane(t, controlPlaneArgs);
  const client = new ControlPlaneClient(toAddress(controlPlane.grpc));
  t.teardown(() => client.close());
  const document = checkout({ affinity: PERSISTENT, split: { v1: 50, v2: 50 }, spec: { versions } });
  await client.call('Apply', { documents: [toStruct(document)] });
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', controlPlane.grpc]);
  await eventually(
    'the sidecar is ready',
    async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
  );
  return {
    controlPlane,
    client,
    sidecar,
    versions,
    load: new SteadyLoad(new FastCaller(t, sidecar.outbound)),
  };
}

t.test('28: 200 configuration changes under load: no failed request, no flip', async (t) => {
  const { client, load, versions } = await startWorld(t);
  for (let change = 1; change <= 200; change++) {
    // Weights stay as they are in effect; everything else moves: their scale, routes, a third release, endpoint weights.
    const scale = change % 7 === 0 ? 7 : 50;
    const routes =
      change % 3 === 0
        ? [
            {
              name: 'beta',
              match: [{ path: { prefix: `/beta-${change}` } }],
              split: [{ version: 'v2', weight: 1 }],
            },
          ]
        : [];
    const extra = change % 5 === 0 ? [{ name: `v${change}`, endpoints: [{ address: '127.0.0.1:9' }] }] : [];
    const spec = { versions: [...versions, ...extra] };
    const document = checkout({
      affinity: { ...PERSISTENT, ttl: `${change + 60}s` },
      split: { v1: scale, v2: scale },
      routes,
      spec,
    });
    const { revision } = await client.call<{ revision: number }>('Apply', {
      documents: [toStruct(document)],
    });
    for await (const { rejections } of client.stream<{ rejections: object[] }>('Await', {
      revision,
      timeoutMs: 10_000,
    }))
      if (rejections.length > 0) t.same(rejections, []);
    const { requests } = load;
    await eventually('traffic meets the change', () => load.requests > requests + 100);
  }
  await load.stop();
  t.comment(
    `${load.requests} requests during 200 changes: ${load.failures.length} failed, ${load.flips} flips`,
  );
  t.same(load.failures, []);
  t.equal(load.flips, 0);
  t.ok(load.requests > 10_000, `${load.requests} requests`);
});

t.test(
  'kill -9 of the control plane: traffic goes on, everything applied is back, sidecars reconnect',
  async (t) => {
    const dataDir = await temporaryFolder(t);
    const { controlPlane, client, load, sidecar } = await startWorld(t, ['--data-dir', dataDir]);
    await client.call('Split', {
      name: 'checkout.shop',
      split: [
        { version: 'v1', weight: 500 },
        { version: 'v2', weight: 500 },
      ],
    });
    const before = await client.call<ListResponse>('List', {});
    let process: RoostProcess = controlPlane.process;
    for (let round = 0; round < 3; round++) {
      await process.kill('SIGKILL');
      await eventually(
        'the sidecar has noticed',
        () =>
          sidecar.process.log.filter(({ msg }) => String(msg).startsWith('no control plane')).length > round,
      );
      const requests = load.requests;
      await eventually('traffic goes on without it', () => load.requests > requests + 200);
      ({ process } = await startControlPlane(t, ['--data-dir', dataDir, '--grpc', controlPlane.grpc]));
      const reconnected = new ControlPlaneClient(toAddress(controlPlane.grpc));
      t.teardown(() => reconnected.close());
      t.same(
        await reconnected.call<ListResponse>('List', {}),
        before,
        'every applied resource is back, at its revision',
      );
      await eventually('the sidecar is back in sync', async () => {
        const { clients } = await reconnected.call<{ clients: { inSync: boolean }[] }>('Status', {});
        return clients.length === 1 && clients[0]?.inSync === true;
      });
    }
    await load.stop();
    t.comment(`${load.requests} requests over 3 kills: ${load.failures.length} failed, ${load.flips} flips`);
    t.same(load.failures, []);
    t.equal(load.flips, 0);
  },
);

t.test('25: a restarted sidecar or control plane sends balanced sessions where they were', async (t) => {
  const dataDir = await temporaryFolder(t);
  const { client, controlPlane, versions, load } = await startWorld(t, ['--data-dir', dataDir]);
  await load.stop();
  const document = checkout({
    affinity: { version: 'balanced', endpoint: 'balanced' },
    split: { v1: 50, v2: 50 },
    spec: { versions },
  });
  await client.call('Apply', { documents: [toStruct(document)] });
  let { process } = controlPlane;
  const places: string[][] = [];
  for (let life = 0; life < 3; life++) {
    const args = ['--service', 'frontend.shop', '--control-plane', controlPlane.grpc];
    const sidecar = await startSidecar(t, args);
    await eventually(
      'the sidecar is ready',
      async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
    );
    const requests = Array.from({ length: 1000 }, (_, i) => ({
      host: 'checkout',
      headers: [['x-user-id', `user-${i}`]] as const,
    }));
    places.push((await new FastCaller(t, sidecar.outbound).all(requests)).map(({ body }) => body));
    t.equal(await sidecar.process.kill('SIGTERM'), 0);
    await process.kill('SIGKILL');
    ({ process } = await startControlPlane(t, ['--data-dir', dataDir, '--grpc', controlPlane.grpc]));
  }
  t.same(places[1], places[0]);
  t.same(places[2], places[0]);
});
