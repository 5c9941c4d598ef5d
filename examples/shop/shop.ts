import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pod, type PodName } from './pods.js';
import { type PortReservation, ReservedPort } from './ports.js';
import { type Child, DemoError, type Processes, ROOST, ROOT } from './processes.js';

/** Relative to the project's folder; the Compose file mounts the same one. */
export const MESH_FOLDER = 'examples/shop/mesh';

const PODS: readonly PodName[] = [
  { service: 'frontend', version: 'v1', replica: 1 },
  { service: 'frontend', version: 'v1', replica: 2 },
  { service: 'checkout', version: 'v1', replica: 1 },
  { service: 'checkout', version: 'v1', replica: 2 },
  { service: 'checkout', version: 'v2', replica: 1 },
  { service: 'checkout', version: 'v2', replica: 2 },
  { service: 'payments', version: 'v1', replica: 1 },
];
const START_ATTEMPTS = 3;
const READMISSION_TIMEOUT_MS = 20_000;

export interface ShopOptions {
  readonly names?: readonly PodName[];
  /** Finds a port for what must be known before its process runs. */
  readonly takePort?: () => Promise<PortReservation>;
  /** Called with what the start is waiting for. */
  readonly progress?: (text: string) => void;
}

/** The running shop: a control plane, and apps with a sidecar each, all separate processes. */
export class Shop {
  private constructor(
    private readonly processes: Processes,
    readonly controlPlane: { readonly grpc: string; readonly http: string },
    readonly pods: readonly Pod[],
  ) {}

  static async start(processes: Processes, options: ShopOptions = {}): Promise<Shop> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Shop.startOnce(processes, options);
      } catch (error) {
        // Another process took a port between its release and its use.
        const portTaken = error instanceof DemoError && /in use|EADDRINUSE/.test(error.message);
        if (!portTaken || attempt === START_ATTEMPTS) throw error;
        await processes.stop();
      }
    }
  }

  private static async startOnce(processes: Processes, options: ShopOptions): Promise<Shop> {
    const { names = PODS, takePort = () => ReservedPort.take(), progress = () => {} } = options;
    const pods: Pod[] = [];
    for (const name of names) pods.push(new Pod(name, await takePort(), await takePort(), processes));
    progress('starting the control plane');
    const shop = new Shop(processes, await startControlPlane(processes), pods);
    await shop.roost(['apply', '-f', join(ROOT, MESH_FOLDER)]);
    await together(
      pods,
      (pod) => pod.startSidecar(shop.controlPlane.grpc, shop.resolveFlags),
      (n) => progress(`starting sidecars: ${n} of ${pods.length} listen`),
    );
    await together(
      pods,
      (pod) => pod.startApp().then(() => pod.ready()),
      (n) => progress(`starting apps: ${n} of ${pods.length} are up`),
    );
    return shop;
  }

  /** Where the shop's customers come in: the sidecars of the frontend's pods, inbound. */
  get entrances(): readonly string[] {
    return this.frontends.map(({ inbound }) => `http://${inbound}`);
  }

  private get frontends(): readonly Pod[] {
    return this.pods.filter(({ name }) => name.startsWith('frontend-'));
  }

  pod(name: string): Pod {
    const found = this.pods.find((pod) => pod.name === name);
    if (found === undefined) throw new DemoError(`there is no pod ${name}`);
    return found;
  }

  /** Runs `roost` against this shop. @returns what it printed */
  roost(args: readonly string[]): Promise<string> {
    return this.processes.run(ROOST, args, { ROOST_CONTROL_PLANE: this.controlPlane.grpc });
  }

  /** A file of this run, in place of a shell's redirection. */
  file(name: string): string {
    return join(this.processes.folder, name);
  }

  /** Starts a killed pod again at the same address, and waits until the frontend's sidecars use it. */
  async revive(pod: Pod): Promise<void> {
    await pod.startSidecar(this.controlPlane.grpc, this.resolveFlags);
    await pod.startApp();
    await pod.ready();
    const deadline = Date.now() + READMISSION_TIMEOUT_MS;
    for (const { name, admin } of this.frontends) {
      while (!(await isUsable(admin, pod.inbound))) {
        if (Date.now() > deadline)
          throw new DemoError(`${pod.name} is back, but ${name} sends it no requests`);
        await sleep(100);
      }
    }
  }

  /** The laptop's stand-in for DNS: every release's name, answered with its pods. */
  private get resolveFlags(): readonly string[] {
    const names = [...new Set(this.pods.map(({ endpointName }) => endpointName))];
    return names.flatMap((name) => {
      const addresses = this.pods.filter((pod) => pod.endpointName === name).map(({ inbound }) => inbound);
      return ['--resolve', `${name}=${addresses.join('+')}`];
    });
  }
}

async function startControlPlane(processes: Processes): Promise<{ grpc: string; http: string }> {
  const dataDir = join(processes.folder, 'control-plane');
  const ports = ['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const args = ['control-plane', '--data-dir', dataDir, ...ports];
  const child: Child = processes.start('control plane', ROOST, args);
  const [line] = await child.says(/^.*"control plane is ready".*$/m);
  return JSON.parse(line) as { grpc: string; http: string };
}

/** Runs `work` for all pods at once and reports progress. @throws the first error, after all have ended */
async function together(
  pods: readonly Pod[],
  work: (pod: Pod) => Promise<void>,
  progress: (done: number) => void,
): Promise<void> {
  let done = 0;
  progress(done);
  const outcomes = await Promise.allSettled(pods.map((pod) => work(pod).then(() => progress(++done))));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/** Whether the sidecar with this admin port sends requests to an endpoint. */
async function isUsable(admin: string, address: string): Promise<boolean> {
  const response = await fetch(`http://${admin}/clusters`);
  const { clusters } = (await response.json()) as {
    clusters: { endpoints: { address: string; healthy: boolean }[] }[];
  };
  return clusters.some(({ endpoints }) =>
    endpoints.some((endpoint) => endpoint.address === address && endpoint.healthy),
  );
}
