import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { loadXds, startGrpcBackend, WAIT, which } from '../support/grpc-xds.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout, meshService } from '../support/shop.js';

/**
 * A grpc-js-xds client while everything changes: its known faults (`docs/other-xds-clients.md`) are worked round by
 * what our control plane sends. One control plane address for all: the client reads its bootstrap once.
 */

const LINGER_MS = 300;

/** Calls without a pause, from several sides, until it is stopped. */
class Load {
  calls = 0;
  readonly failed: string[] = [];
  private running = true;
  private readonly workers: Promise<void>[];

  constructor(private readonly client: Client) {
    this.workers = [1, 2, 3, 4].map(() => this.work());
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(): Promise<void> {
    while (this.running) {
      const headers = { 'x-user-id': String(this.calls++) };
      await which(this.client, headers).catch((error: Error) => this.failed.push(error.message));
    }
  }
}

let mesh: TestMesh;
let pods: string[];
t.before(async () => {
  mesh = await TestMesh.start(t, [], { lingerMs: LINGER_MS });
  await loadXds(mesh.controlPlane.grpcAddress, 'shop');
  pods = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((n) => startGrpcBackend(t, n <= 3 ? `v1-${n}` : `v2-${n}`)),
  );
});

function dial(t: Test, target: string): Client {
  const client = new Client(`xds:///${target}`, credentials.createInsecure());
  t.teardown(() => client.close());
  return client;
}

const version = (name: string, from: number, to: number) => ({
  name,
  endpoints: pods.slice(from, to).map((address) => ({ address })),
});

/** Who has answered so many calls. */
async function answering(client: Client, calls = 40): Promise<Set<string>> {
  const answers = Array.from({ length: calls }, (_, i) => which(client, { 'x-user-id': `u${i}` }));
  return new Set(await Promise.all(answers));
}

t.test('weights, endpoints and policies change under load, and no call fails', async (t) => {
  const resource = (split: Record<string, number>, counts: readonly [number, number], spec: object = {}) =>
    checkout({
      split,
      affinity: { version: 'balanced', endpoint: 'balanced' },
      spec: { versions: [version('v1', 0, counts[0]), version('v2', 3, 3 + counts[1])], ...spec },
    });
  await mesh.apply(resource({ v1: 1, v2: 1 }, [3, 3]));
  const client = dial(t, 'checkout.shop');
  await which(client);
  const load = new Load(client);
  const steps: readonly [object, number][] = [
    [resource({ v1: 90, v2: 10 }, [3, 3]), 6],
    // Endpoints that leave two clusters at once would end the process, came they in one response.
    [resource({ v1: 50, v2: 50 }, [2, 2]), 4],
    [resource({ v1: 50, v2: 50 }, [3, 3]), 6],
    [resource({ v1: 50, v2: 50 }, [1, 3]), 4],
    [resource({ v1: 50, v2: 50 }, [3, 1], { outlier: {} }), 4],
    [resource({ v1: 1 }, [3, 3]), 3],
    [resource({ v2: 1 }, [3, 2], { limits: { requests: 5000 } }), 2],
    [resource({ v1: 1, v2: 1 }, [3, 3], { affinity: undefined, loadBalancer: 'round-robin' }), 6],
  ];
  for (const [change, expected] of steps) {
    await mesh.apply(change);
    await eventually(
      `${expected} endpoints answer`,
      async () => (await answering(client, 120)).size === expected,
    );
  }
  await load.stop();
  t.same(load.failed, []);
  t.comment(`${load.calls} calls, none failed`);
});

t.test('a service that is deleted and made again is reached again, by the same client', async (t) => {
  const till = meshService('till.shop', { v1: 1 }, { versions: [version('v1', 0, 1)] });
  await mesh.apply(till);
  const clients = ['till', 'till.shop:8080', 'till.shop.svc.cluster.local'].map((target) => dial(t, target));
  for (const client of clients) t.equal(await which(client), 'v1-1');
  for (const waitMs of [0, LINGER_MS * 4]) {
    await mesh.change('Delete', { name: 'till.shop' });
    for (const client of clients)
      await eventually('it is not reached', () =>
        which(client).then(
          () => false,
          ({ code }: ServiceError) => code === status.UNAVAILABLE,
        ),
      );
    // Its clusters are served a while longer: made again before, and after, they are let go.
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await mesh.apply(till);
    for (const client of clients)
      await eventually('it is reached', () =>
        which(client).then(
          () => true,
          () => false,
        ),
      );
  }
});

t.test('the time that a route gives a request bounds a call', async (t) => {
  const split = [{ version: 'v1', weight: 1 }];
  await mesh.apply(
    meshService(
      'slow.shop',
      { v1: 1 },
      {
        versions: [version('v1', 0, 1)],
        routes: [{ name: 'default', split, timeout: '400ms' }],
      },
    ),
  );
  const client = dial(t, 'slow.shop');
  t.equal(await which(client), 'v1-1');
  await t.rejects(which(client, { [WAIT]: '5000' }), { code: status.DEADLINE_EXCEEDED });
});

t.test('the control plane goes and comes back, with its data and without: calls go on', async (t) => {
  const resource = (split: Record<string, number>) =>
    checkout({ split, spec: { versions: [version('v1', 0, 2), version('v2', 3, 5)] } });
  await mesh.apply(resource({ v1: 1 }));
  const client = dial(t, 'checkout.shop');
  await eventually('v1 answers', async () =>
    [...(await answering(client))].every((name) => name.startsWith('v1')),
  );
  const [host, port] = mesh.controlPlane.grpcAddress.split(':');
  const grpc = { host: host as string, port: Number(port) };
  const load = new Load(client);
  const goesOn = async () => {
    const before = load.calls;
    await eventually('calls go on', () => load.calls > before + 100);
  };
  let current = mesh;
  for (const [round, split] of [{ v1: 1 }, { v2: 1 }].entries()) {
    await current.controlPlane.stop();
    await goesOn();
    current = await TestMesh.start(t, [resource(split)], { grpc, lingerMs: LINGER_MS });
    await goesOn();
    const release = round === 0 ? 'v1' : 'v2';
    await eventually(`${release} answers`, async () =>
      [...(await answering(client))].every((name) => name.startsWith(release)),
    );
  }
  await load.stop();
  t.same(load.failed, []);
  // One that has lost everything says that there is no such service, and later that there is, as it was.
  await current.controlPlane.stop();
  current = await TestMesh.start(t, [], { grpc, lingerMs: LINGER_MS });
  await eventually('it is told that there is none', () =>
    which(client).then(
      () => false,
      () => true,
    ),
  );
  await current.apply(resource({ v2: 1 }));
  await eventually('it is there again', () =>
    which(client).then(
      () => true,
      () => false,
    ),
  );
});
