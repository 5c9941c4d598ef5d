import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../bench/simulate/random.js';
import type { AwaitProgress, StatusResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { startBackends } from '../support/fast-traffic.js';
import { toAddress } from '../support/mesh.js';
import type { Owner } from '../support/owner.js';
import { eventually } from '../support/processes.js';
import { meshService } from '../support/shop.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { Operators } from './operators.js';
import { type ControlPlaneProgram, SidecarProgram } from './programs.js';
import { Traffic } from './traffic.js';

/** Services whose weights change all the time. */
const CHANGING = 6;
/** Everything has recovered by then, without anybody's help, or it counts as broken. */
export const RECOVERY_MS = 90_000;

export interface WorldOptions {
  readonly owner: Owner;
  readonly random: Random;
  /** For files; removed by whoever made it. */
  readonly folder: string;
  /** `redis://…`, for the sidecars; undefined: they share pins by way of the control plane alone. */
  readonly sessionStore?: string;
  /** Started already. */
  readonly controlPlanes: readonly ControlPlaneProgram[];
  /** What is going on, for reports of failures. */
  during(): string;
}

/** A small mesh of real processes, with calls through it and an operator who changes it. */
export class World {
  private added = 0;

  private constructor(
    private readonly options: WorldOptions,
    /** The network between sidecars and each control plane. */
    readonly networks: readonly TcpProxy[],
    readonly sidecars: readonly SidecarProgram[],
    readonly traffic: Traffic,
    readonly operator: Operators,
    private readonly versions: readonly object[],
  ) {}

  static async start(options: WorldOptions): Promise<World> {
    const { owner, random, folder, controlPlanes, during, sessionStore } = options;
    const store = sessionStore === undefined ? [] : ['--session-store', sessionStore];
    const networks = await Promise.all(controlPlanes.map(({ grpc }) => TcpProxy.start(owner, grpc)));
    const changing = Array.from({ length: CHANGING }, (_, i) => `changing-${i}.shop`);
    const versions = await startReleases(owner);
    await applyServices(controlPlanes[0] as ControlPlaneProgram, versions, changing);
    const addresses = networks.map(({ text }) => text).join(',');
    const sidecar = (name: string, ...args: string[]) =>
      new SidecarProgram(name, owner, [
        ...['--service', `${name}.shop`, '--control-plane', addresses],
        ...store,
        ...args,
      ]);
    const sidecars = [
      sidecar('delta'),
      sidecar('sotw', '--xds-mode', 'sotw'),
      sidecar('disk', '--state-dir', `${folder}/state`),
    ];
    await Promise.all(sidecars.map((one) => one.start()));
    const called = [
      { host: 'steady', releases: ['v1'] },
      ...changing.map((name) => ({ host: name.split('.')[0] as string, releases: ['v1', 'v2'] })),
    ];
    const traffic = new Traffic(owner, called, during);
    const operator = new Operators(
      controlPlanes.map(({ grpc }) => toAddress(grpc)),
      changing,
      random,
    );
    const world = new World(options, networks, sidecars, traffic, operator, versions);
    await world.readyAll();
    for (const { name, outbound } of sidecars) traffic.through(name, outbound);
    operator.start();
    return world;
  }

  get owner(): Owner {
    return this.options.owner;
  }

  get random(): Random {
    return this.options.random;
  }

  get folder(): string {
    return this.options.folder;
  }

  get controlPlanes(): readonly ControlPlaneProgram[] {
    return this.options.controlPlanes;
  }

  /** One of several, by chance. */
  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }

  /** Lets things go on for a while, by chance. */
  async dwell(leastMs: number, mostMs: number): Promise<void> {
    await wait(this.random.between(leastMs, mostMs));
  }

  /** Adds a service that was never there before, and waits until every sidecar has it. @returns its host */
  async addService(): Promise<string> {
    const host = `late-${++this.added}`;
    const document = meshService(`${host}.shop`, { v1: 1 }, { versions: this.versions });
    const client = new ControlPlaneClient(toAddress((this.controlPlanes[0] as ControlPlaneProgram).grpc));
    const { revision } = await client.call<{ revision: number }>('Apply', {
      documents: [toStruct(document)],
    });
    for await (const _ of client.stream('Await', { revision, timeoutMs: RECOVERY_MS }, RECOVERY_MS));
    client.close();
    return host;
  }

  /** Waits until every sidecar has a control plane that answers. */
  connectedAll(): Promise<void> {
    return this.allSay('roost_control_plane_connected');
  }

  /** Waits until every sidecar shares pins again, over the relay and, where there is one, in the store. */
  private async sharingAll(): Promise<void> {
    await this.allSay('roost_session_sharing_connected');
    if (this.options.sessionStore !== undefined) await this.allSay('roost_session_store_available');
  }

  /** Waits until a metric of every sidecar is 1. */
  private async allSay(metric: string): Promise<void> {
    for (const sidecar of this.sidecars)
      await eventually(
        `${metric} of the sidecar ${sidecar.name} is 1 again`,
        async () => (await sidecar.metric(metric)) === 1,
        RECOVERY_MS,
      );
  }

  /**
   * Waits until everything is as it should be: a change is acknowledged and in force everywhere, nothing that was
   * acknowledged before is missing, and every control plane agrees.
   *
   * @returns what is wrong nevertheless
   */
  async settle(): Promise<string[]> {
    await this.operator.pause();
    const problems: string[] = [];
    await this.connectedAll();
    await this.sharingAll();
    const revision = await this.changeOnce();
    for (const controlPlane of this.controlPlanes) {
      const client = new ControlPlaneClient(toAddress(controlPlane.grpc));
      await eventually(
        `${controlPlane.name} is at revision ${revision} and all of its clients too`,
        () => isInForce(client, revision, this.sidecars.length),
        RECOVERY_MS,
      ).catch((error: Error) => problems.push(error.message));
      for (const problem of await this.operator.verify(client))
        problems.push(`${controlPlane.name}: ${problem}`);
      client.close();
    }
    this.operator.start();
    return problems;
  }

  /** Until a change is acknowledged. */
  private async changeOnce(): Promise<number> {
    let revision: number | undefined;
    await eventually(
      'a change is acknowledged',
      async () => {
        revision = await this.operator.writeNow().catch(() => undefined);
        return revision !== undefined;
      },
      RECOVERY_MS,
    );
    return revision as number;
  }

  private async readyAll(): Promise<void> {
    for (const sidecar of this.sidecars)
      await eventually(`${sidecar.name} is ready`, async () => (await sidecar.ready()).status === 200);
  }
}

/** Pins of sessions that no cookie carries: sidecars share them all the time. */
const PERSISTENT = {
  key: [{ header: 'x-user-id' }],
  version: 'persistent',
  endpoint: 'persistent',
} as const;

/** Releases v1 and v2, with two endpoints each. */
async function startReleases(owner: Owner): Promise<object[]> {
  const backends = await startBackends(owner, { v1: 2, v2: 2 });
  return [...backends].map(([name, list]) => ({
    name,
    endpoints: list.map(({ address }) => ({ address })),
  }));
}

async function applyServices(
  controlPlane: ControlPlaneProgram,
  versions: readonly object[],
  changing: readonly string[],
): Promise<void> {
  const documents = [
    meshService('steady.shop', { v1: 1 }, { versions, affinity: PERSISTENT }),
    ...changing.map((name) => meshService(name, { v1: 1, v2: 1 }, { versions, affinity: PERSISTENT })),
  ];
  const client = new ControlPlaneClient(toAddress(controlPlane.grpc));
  await client.call('Apply', { documents: documents.map(toStruct) });
  client.close();
}

/** Whether a control plane, and those that share its store, have a revision on all of so many sidecars. */
async function isInForce(client: ControlPlaneClient, revision: number, sidecars: number): Promise<boolean> {
  try {
    const status = await client.call<StatusResponse>('Status', {});
    const connected = status.clients.filter(({ agent }) => agent === 'roost').length;
    const elsewhere = status.others.reduce((sum, { clients }) => sum + clients, 0);
    if (status.revision < revision || connected + elsewhere < sidecars || status.storeProblem !== '')
      return false;
    let last: AwaitProgress | undefined;
    for await (const progress of client.stream<AwaitProgress>('Await', { revision, timeoutMs: 5000 }, 10_000))
      last = progress;
    return last?.done === true && last.rejections.length === 0;
  } catch {
    // It does not answer yet: whoever waits asks again.
    return false;
  }
}
