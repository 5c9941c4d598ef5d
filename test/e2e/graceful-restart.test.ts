import { request } from 'node:http';
import t, { type Test } from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { Backend, type Handler } from '../support/backend.js';
import { type Call, caller } from '../support/calls.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type StartedSidecar, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

t.setTimeout(300_000);

/** Calls without a pause until told to stop, GETs and POSTs in turn; collects everything that is not right. */
class MixedLoad {
  answered = 0;
  readonly failures: string[] = [];
  private running = true;
  private readonly workers: Promise<void>[];

  constructor(
    private readonly call: Call,
    width: number,
  ) {
    this.workers = Array.from({ length: width }, (_, i) => this.work(i));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(first: number): Promise<void> {
    for (let i = first; this.running; i++) {
      const options = i % 2 === 0 ? {} : { method: 'POST', body: 'x'.repeat(1000) };
      try {
        const { status, body } = await this.call('checkout', options);
        if (status !== 200) this.failures.push(`${status} ${body}`);
      } catch (error) {
        this.failures.push((error as Error).message);
      }
      this.answered++;
    }
  }
}

interface Pod {
  readonly app: Backend;
  readonly inbound: string;
  sidecar: StartedSidecar;
}

class World {
  private constructor(
    private readonly t: Test,
    private readonly controlPlane: string,
    readonly pods: Pod[],
    readonly caller: StartedSidecar,
  ) {}

  /** Two pods of checkout, and somebody who calls it. */
  static async start(t: Test, handler: Handler): Promise<World> {
    const controlPlane = (await startControlPlane(t)).grpc;
    const pods: Pod[] = [];
    for (const name of ['v1-1', 'v1-2']) {
      const app = await Backend.start(t, name, handler);
      const sidecar = await startPodSidecar(t, controlPlane, app, '127.0.0.1:0');
      pods.push({ app, inbound: sidecar.inbound, sidecar });
    }
    const client = new ControlPlaneClient(toAddress(controlPlane));
    t.teardown(() => client.close());
    const endpoints = pods.map(({ inbound }) => ({ address: inbound }));
    const document = meshService('checkout.shop', { v1: 1 }, { versions: [{ name: 'v1', endpoints }] });
    await client.call('Apply', { documents: [toStruct(document)] });
    const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', controlPlane]);
    await isReady(sidecar);
    return new World(t, controlPlane, pods, sidecar);
  }

  /** Starts the sidecar of a pod anew, at its old port, and waits until its callers have found out. */
  async startAgain(pod: Pod): Promise<void> {
    pod.sidecar = await startPodSidecar(this.t, this.controlPlane, pod.app, pod.inbound);
    const { requests } = pod.app;
    // Callers look less and less often whether it is back.
    await eventually('the pod is called again', () => pod.app.requests > requests + 10, 60_000);
  }
}

async function startPodSidecar(t: Test, controlPlane: string, app: Backend, inbound: string) {
  const sidecar = await startSidecar(t, [
    ...['--service', 'checkout.shop', '--release', 'v1', '--control-plane', controlPlane],
    ...['--inbound', inbound, '--app', app.address, '--drain-grace', '300ms'],
  ]);
  await isReady(sidecar);
  return sidecar;
}

const isReady = (sidecar: StartedSidecar) =>
  eventually(
    'the sidecar is ready',
    async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
  );

/** Lets go of the calls of `/slow`. */
let finishSlow = () => {};
const slowMayFinish = new Promise<void>((resolve) => {
  finishSlow = resolve;
});
let slowArrived = '';

/** `/slow` is answered when the test says so, with what the app learns from a call of its own, through its sidecar. */
const app: Handler = (incoming, response, backend) => {
  if (incoming.url !== '/slow') {
    incoming.resume().on('end', () => response.end(backend.name));
    return;
  }
  slowArrived = backend.name;
  void slowMayFinish.then(() => {
    const pod = world.pods.find((each) => each.app === backend) as Pod;
    const { host, port } = toAddress(pod.sidecar.outbound);
    request({ host, port, headers: { host: 'checkout.shop' }, agent: false }, (answer) => {
      answer.setEncoding('utf8');
      answer.on('data', (text: string) => response.end(`learned from ${text}`));
    }).end();
  });
};

let world: World;
t.before(async () => {
  world = await World.start(t, app);
});

t.test('pods restart one after the other under load, and no request fails', async (t) => {
  const load = new MixedLoad(caller(t, world.caller.outbound, 6), 6);
  t.teardown(() => load.stop());
  await eventually('traffic flows', () => load.answered > 200);
  for (const pod of world.pods) {
    t.equal(await pod.sidecar.process.kill('SIGTERM'), 0);
    const { answered } = load;
    await eventually('traffic goes on without the pod', () => load.answered > answered + 50);
    await world.startAgain(pod);
  }
  await load.stop();
  t.comment(`${load.answered} requests over 2 restarts: ${load.failures.length} failed`);
  t.same(load.failures, []);
});

t.test('what is under way when a pod is told to end is finished, the app’s own calls included', async (t) => {
  const call = caller(t, world.caller.outbound);
  const slow = call('checkout', { path: '/slow', method: 'POST', body: 'x' });
  await eventually('the call has reached an app', () => slowArrived !== '');
  const pod = world.pods.find(({ app }) => app.name === slowArrived) as Pod;
  const ended = pod.sidecar.process.kill('SIGTERM');
  await eventually('it is not ready any more', async () => {
    const { status } = await fetch(`http://${pod.sidecar.admin}/ready`);
    return status === 503;
  });
  for (let i = 0; i < 20; i++) t.equal((await call('checkout')).status, 200);
  finishSlow();
  t.match(await slow, { status: 200, body: /^learned from v1-[12]$/ });
  t.equal(await ended, 0);
  t.equal((await call('checkout')).status, 200);
});
