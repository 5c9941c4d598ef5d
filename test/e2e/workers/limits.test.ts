import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { toStruct } from '../../../src/api/struct.js';
import { type ClusterStatus, clusterStatus } from '../../support/cluster-status.js';
import { eventually } from '../../support/processes.js';
import { meshService } from '../../support/shop.js';
import { LINUX_ONLY } from '../../support/two-workers.js';
import { WorkerWorld } from '../../support/worker-world.js';

/** Limits are a sidecar's, not a worker's: what all workers send together never exceeds them. */

let world: WorkerWorld;
t.before(async () => {
  if (!('skip' in LINUX_ONLY)) world = await WorkerWorld.start(t);
});

/** Answers after a moment, and watches how much it has in hand. */
class Watchful {
  busy = 0;
  mostBusy = 0;
  answered = 0;
  mostConnections = 0;
  readonly sockets = new Set<Socket>();
  /** Status to answer with. */
  status = 200;
  private server!: Server;

  static async start(t: Test, delayMs: number): Promise<Watchful> {
    const watchful = new Watchful();
    watchful.server = createServer((socket) => watchful.serve(socket, delayMs));
    await new Promise<void>((listening) => watchful.server.listen(0, '127.0.0.1', listening));
    t.teardown(() => {
      for (const socket of watchful.sockets) socket.destroy();
      watchful.server.close();
    });
    return watchful;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private serve(socket: Socket, delayMs: number): void {
    this.sockets.add(socket);
    this.mostConnections = Math.max(this.mostConnections, this.sockets.size);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', () => {
      this.mostBusy = Math.max(this.mostBusy, ++this.busy);
      setTimeout(() => {
        this.busy--;
        this.answered++;
        socket.write(`HTTP/1.1 ${this.status} X\r\nContent-Length: 2\r\n\r\nok`);
      }, delayMs);
    });
  }
}

let services = 0;

async function serve(backends: readonly Watchful[], spec: object): Promise<string> {
  const host = `limited-${++services}.shop`;
  const endpoints = backends.map(({ address }) => ({ address }));
  const document = meshService(host, { v1: 1 }, { versions: [{ name: 'v1', endpoints }], ...spec });
  await world.cases.change('Apply', { documents: [toStruct(document)] });
  return host;
}

const callMany = (host: string, count: number) => world.all(Array.from({ length: count }, () => ({ host })));
const statuses = (answers: readonly { status: number }[]) => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

function clusterOf(host: string): Promise<ClusterStatus> {
  return clusterStatus(world.sidecar.admin, `shop/${host.split('.')[0]}/v1`);
}

t.test(
  'requests in flight: as many as the limit says, over all workers, and no place is lost',
  LINUX_ONLY,
  async (t) => {
    const backend = await Watchful.start(t, 20);
    const host = await serve([backend], { limits: { requests: 5 } });
    const counts = statuses(await callMany(host, 1500));
    t.ok(backend.mostBusy <= 5, `${backend.mostBusy} at once`);
    t.equal(backend.mostBusy, 5, 'all places are used');
    t.equal(counts[200], backend.answered);
    t.equal((counts[200] ?? 0) + (counts[503] ?? 0), 1500);
    const { requests, pending, shed } = await clusterOf(host);
    t.strictSame([requests, pending], [0, 0]);
    t.equal(shed.requests, counts[503], 'every refusal is counted once');
    const after = await Promise.all(Array.from({ length: 5 }, () => world.one({ host })));
    t.strictSame(statuses(after), { 200: 5 }, 'and there is room again');
  },
);

t.test('requests in flight at one endpoint, likewise', LINUX_ONLY, async (t) => {
  const backends = [await Watchful.start(t, 20), await Watchful.start(t, 20)];
  const host = await serve(backends, { limits: { perEndpoint: { requests: 3 } } });
  await callMany(host, 1500);
  t.strictSame(
    backends.map(({ mostBusy }) => mostBusy),
    [3, 3],
  );
});

t.test(
  'connections: never more, and an idle one of another worker gives way instead of a 503',
  LINUX_ONLY,
  async (t) => {
    for (const limits of [{ connections: 4 }, { perEndpoint: { connections: 4 } }]) {
      const backend = await Watchful.start(t, 1);
      const host = await serve([backend], { limits });
      // One at a time: each worker in turn needs one, when another has them all.
      const answers = [];
      for (let i = 0; i < 200; i++) answers.push(await world.one({ host }));
      t.strictSame(statuses(answers), { 200: 200 }, JSON.stringify(limits));
      await callMany(host, 500);
      await eventually('what is closed is closed at the backend, too', () => backend.sockets.size <= 4);
      t.ok(backend.mostConnections <= 5, `${backend.mostConnections} at once`);
      const { connections, requests } = await clusterOf(host);
      t.ok(connections <= 4 && requests === 0, `${connections} connections, ${requests} requests`);
    }
  },
);

t.test('the bound on retries is one for all workers', LINUX_ONLY, async (t) => {
  const backend = await Watchful.start(t, 20);
  backend.status = 503;
  const retries = { attempts: 1, on: ['503'] };
  const routes = [{ name: 'default', split: [{ version: 'v1', weight: 1 }], retries }];
  const limits = { retries: 2 };
  const host = await serve([backend, await Watchful.start(t, 20)], { routes, limits });
  let most = 0;
  let watching = true;
  const watch = (async () => {
    while (watching) most = Math.max(most, (await clusterOf(host)).retries);
  })();
  await callMany(host, 600);
  watching = false;
  await watch;
  t.ok(most <= 2, `${most} retries at once`);
  const { retries: left, retriesRefused } = await clusterOf(host);
  t.equal(left, 0);
  t.ok(retriesRefused > 0);
});

t.test(
  'errors in a row are counted over all workers, an ejection is one, and holds for all',
  LINUX_ONLY,
  async (t) => {
    const [ill, well] = [await Watchful.start(t, 1), await Watchful.start(t, 1)] as [Watchful, Watchful];
    ill.status = 500;
    const host = await serve([ill, well], {
      outlier: { consecutiveErrors: 12, baseEjectionTime: '1h', maxEjectionPercent: 50 },
      loadBalancer: 'round-robin',
    });
    // Of 20 errors, 4 workers have 5 each: none of them has 12.
    await callMany(host, 40);
    await eventually('it is ejected', async () =>
      (await clusterOf(host)).endpoints.some(({ ejected }) => ejected),
    );
    const { answered } = ill;
    t.strictSame(statuses(await callMany(host, 400)), { 200: 400 });
    t.equal(ill.answered, answered, 'no worker has asked it since');
    const { endpoints } = await clusterOf(host);
    t.strictSame(endpoints.map(({ ejections }) => ejections).sort(), [0, 1]);
  },
);
