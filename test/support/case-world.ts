import type { Test } from 'tap';
import type { ChangeResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import {
  type FastAnswer,
  FastCaller,
  type FastRequest,
  type NamedBackend,
  startBackends,
} from './fast-traffic.js';
import { toAddress } from './mesh.js';
import { eventually, type StartedSidecar, startControlPlane, startSidecar } from './processes.js';
import { USER_KEY } from './shop.js';

export const balanced = { key: USER_KEY, version: 'balanced', endpoint: 'balanced' };
export const persistent = { key: USER_KEY, version: 'persistent', endpoint: 'persistent' };

/** A control plane and sidecars, each a process of its own, for cases of the semantics that have a service each. */
export class CaseWorld {
  private services = 0;

  private constructor(
    readonly client: ControlPlaneClient,
    readonly controlPlane: string,
    /** Where each sidecar takes calls. */
    readonly outbound: string[],
    private readonly callers: FastCaller[],
    readonly sidecars: StartedSidecar[],
  ) {}

  /** @param flags for every sidecar */
  static async start(
    t: Test,
    sidecars: number,
    flags: readonly string[] = [],
    programs: Programs = {},
  ): Promise<CaseWorld> {
    const { controlPlanes = [] } = programs;
    const first =
      programs.controlPlane ?? controlPlanes[0] ?? (await startControlPlane(t, ['--log-level', 'info'])).grpc;
    const client = new ControlPlaneClient(toAddress(first));
    t.teardown(() => client.close());
    const started = await Promise.all(
      Array.from({ length: sidecars }, async (_, i) => {
        const controlPlane = controlPlanes[i % controlPlanes.length] ?? first;
        const args = ['--service', `caller-${i + 1}.shop`, '--control-plane', controlPlane];
        const own = programs.flags?.[i] ?? [];
        const sidecar = await startSidecar(
          t,
          [...args, ...flags, ...own],
          programs.env,
          programs.sidecars?.[i],
        );
        await isReady(sidecar.admin);
        return sidecar;
      }),
    );
    const outbound = started.map((sidecar) => sidecar.outbound);
    const callers = outbound.map((address) => new FastCaller(t, address));
    return new CaseWorld(client, first, outbound, callers, started);
  }

  /** Another pod of a caller. @returns its number */
  async addSidecar(t: Test, flags: readonly string[]): Promise<number> {
    const sidecar = await startSidecar(t, ['--control-plane', this.controlPlane, ...flags]);
    await isReady(sidecar.admin);
    this.sidecars.push(sidecar);
    this.outbound.push(sidecar.outbound);
    return this.callers.push(new FastCaller(t, sidecar.outbound)) - 1;
  }

  /** Who calls through the sidecar of this number, from 0. */
  caller(sidecar = 0): FastCaller {
    const caller = this.callers[sidecar];
    if (caller === undefined) throw new Error(`no sidecar ${sidecar}`);
    return caller;
  }

  /** A service of its own with so many backends of each release, in force on every sidecar. */
  async service(t: Test, counts: Weights, split: Weights, shape: Shape = {}): Promise<CaseService> {
    const name = `checkout-${++this.services}`;
    const service = new CaseService(this, name, await startBackends(t, counts), shape);
    await service.apply(split);
    return service;
  }

  call<Response>(method: string, request: object): Promise<Response> {
    return this.client.call<Response>(method, request);
  }

  /** Changes the configuration, and returns when every sidecar has it. */
  async change(method: string, request: object): Promise<void> {
    const { revision } = await this.client.call<ChangeResponse>(method, request);
    for await (const { rejections } of this.client.stream<{ rejections: object[] }>('Await', {
      revision,
      timeoutMs: 20_000,
    })) {
      if (rejections.length > 0) throw new Error(JSON.stringify(rejections));
    }
  }
}

/** Where not everything is of this version. */
interface Programs {
  /** Address of one that runs already. */
  readonly controlPlane?: string;
  /** Replicas that run already; sidecars use them in turn, one each. */
  readonly controlPlanes?: readonly string[];
  /** The command of each sidecar, in order; undefined: this version's. */
  readonly sidecars?: readonly (string | undefined)[];
  /** Of each sidecar, in order. */
  readonly flags?: readonly (readonly string[])[];
  /** Of every sidecar. */
  readonly env?: NodeJS.ProcessEnv;
}

export async function isReady(admin: string): Promise<void> {
  await eventually('the sidecar is ready', async () => (await fetch(`http://${admin}/ready`)).status === 200);
}

type Weights = Readonly<Record<string, number>>;

interface Shape {
  readonly affinity?: object;
  /** Before the default route. */
  readonly routes?: readonly object[];
  readonly stable?: string;
  /** Of the default route. */
  readonly retries?: object;
  /** Each release that has one. */
  readonly lanes?: Readonly<Record<string, string>>;
  /** Whatever else the service is to have. */
  readonly spec?: object;
}

/** One service with its backends, called through the sidecars. */
export class CaseService {
  readonly host: string;

  constructor(
    private readonly world: CaseWorld,
    readonly name: string,
    readonly backends: Map<string, NamedBackend[]>,
    private shape: Shape,
  ) {
    this.host = `${name}.shop`;
  }

  /** Puts the service in force on every sidecar. */
  async apply(split: Weights, shape: Shape = this.shape): Promise<void> {
    this.shape = shape;
    const { affinity, stable, retries, lanes = {} } = shape;
    const versions = [...this.backends].map(([name, backends]) => ({
      name,
      endpoints: backends.map(({ address }) => ({ address })),
      ...(lanes[name] ? { lane: lanes[name] } : {}),
    }));
    const weights = Object.entries(split).map(([version, weight]) => ({ version, weight }));
    const routes = [
      ...(shape.routes ?? []),
      { name: 'default', split: weights, ...(retries ? { retries } : {}) },
    ];
    const document = {
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: this.name, namespace: 'shop' },
      spec: {
        port: 8080,
        versions,
        routes,
        ...(affinity ? { affinity } : {}),
        ...(stable ? { stable } : {}),
        ...shape.spec,
      },
    };
    await this.world.change('Apply', { documents: [toStruct(document)] });
  }

  async delete(): Promise<void> {
    await this.world.change('Delete', { name: this.host });
  }

  request(user: string | number, headers: readonly (readonly [string, string])[] = []): FastRequest {
    return { host: this.host, headers: [['x-user-id', `user-${user}`], ...headers] };
  }

  /** Every session calls once. @returns the backend that answered each. */
  async callAll(users: readonly (string | number)[], sidecar = 0): Promise<string[]> {
    const answers = await this.world.caller(sidecar).all(users.map((user) => this.request(user)));
    return answers.map(bodyOf);
  }

  async call(request: FastRequest, sidecar = 0): Promise<FastAnswer> {
    return this.world.caller(sidecar).one(request);
  }

  backend(name: string): NamedBackend {
    const found = [...this.backends.values()].flat().find((backend) => backend.name === name);
    if (found === undefined) throw new Error(`no backend ${name}`);
    return found;
  }
}

/** The backend that answered. @throws Error for any answer but 200 */
export function bodyOf({ status, body }: FastAnswer): string {
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return body;
}

export const releaseOf = (backend: string | undefined) => backend?.split('-')[0];

/** Share of the places that are in a release. */
export const share = (places: readonly string[], release: string) =>
  places.filter((place) => releaseOf(place) === release).length / places.length;

/** Indexes of the sessions that are somewhere else than before. */
export const moved = (before: readonly string[], after: readonly string[]) =>
  [...before.keys()].filter((i) => before[i] !== after[i]);

/** Indexes of the sessions that are in another release than before. */
export const flips = (before: readonly string[], after: readonly string[]) =>
  [...before.keys()].filter((i) => releaseOf(before[i]) !== releaseOf(after[i]));
