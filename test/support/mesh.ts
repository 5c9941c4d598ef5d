import type { Test } from 'tap';
import {
  ControlPlane,
  type ControlPlaneOptions,
  type ControlPlaneTiming,
} from '../../control-plane/control-plane.js';
import type { SidecarOptions } from '../../sidecar/assembly/sidecar-options.js';
import { DEFAULT_LIMITS } from '../../sidecar/http/limits.js';
import { Sidecar } from '../../sidecar/sidecar.js';
import type { AwaitProgress, ChangeResponse, SessionsResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import { LogOutput } from '../../src/telemetry/log-output.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { eventually, WORKERS } from './processes.js';

const FREE: SocketAddress = { host: '127.0.0.1', port: 0 };
const silent = createLogger('test', 'silent');
const NOWHERE = new LogOutput((_text, taken) => void setImmediate(taken));

export function toAddress(text: string): SocketAddress {
  const address = splitHostPort(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

/** A control plane and sidecars in this process, over real sockets; for what does not need processes of its own. */
export class TestMesh {
  constructor(
    private readonly t: Test,
    readonly controlPlane: ControlPlane,
    readonly client: ControlPlaneClient,
  ) {}

  static async start(
    t: Test,
    resources: readonly object[] = [],
    options: Partial<ControlPlaneOptions & ControlPlaneTiming> = {},
  ): Promise<TestMesh> {
    const controlPlane = await ControlPlane.start(
      { grpc: FREE, http: FREE, config: [], dataDir: '', ...options },
      silent,
      options,
    );
    const client = new ControlPlaneClient(toAddress(controlPlane.grpcAddress));
    t.teardown(async () => {
      client.close();
      await controlPlane.stop();
    });
    const mesh = new TestMesh(t, controlPlane, client);
    if (resources.length > 0) await mesh.apply(...resources);
    return mesh;
  }

  /** Starts a sidecar and waits until it is ready. */
  async sidecar(options: Partial<SidecarOptions> = {}, output = NOWHERE): Promise<Sidecar> {
    const sidecar = await this.startSidecar(options, output);
    await eventually(
      'the sidecar is ready',
      async () => (await fetch(`http://${sidecar.addresses.admin}/ready`)).status === 200,
    );
    return sidecar;
  }

  /** @param output where its access log goes */
  async startSidecar(options: Partial<SidecarOptions> = {}, output = NOWHERE): Promise<Sidecar> {
    const sidecar = await Sidecar.start(
      {
        service: { name: 'frontend', namespace: 'shop' },
        release: '',
        controlPlanes: [toAddress(this.controlPlane.grpcAddress)],
        xdsMode: 'delta',
        dependencies: undefined,
        ignoresDeletion: false,
        stateDir: '',
        workers: WORKERS,
        intercept: false,
        opaquePorts: [3306],
        sniffTimeoutMs: 100,
        outbound: FREE,
        inbound: FREE,
        app: { host: '127.0.0.1', port: 1 },
        admin: FREE,
        metrics: undefined,
        passthrough: true,
        resolve: new Map(),
        sessionTableSize: 100_000,
        drainGraceMs: 0,
        drainTimeoutMs: 1000,
        limits: DEFAULT_LIMITS,
        accessLog: 'off',
        debugSample: 1,
        ...options,
      },
      silent,
      output,
    );
    this.t.teardown(() => sidecar.stop());
    return sidecar;
  }

  /** Applies resources and waits until every connected sidecar has them. */
  async apply(...resources: readonly object[]): Promise<ChangeResponse> {
    return this.settled(
      await this.client.call<ChangeResponse>('Apply', { documents: resources.map(toStruct) }),
    );
  }

  async split(name: string, weights: Readonly<Record<string, number>>): Promise<ChangeResponse> {
    const split = Object.entries(weights).map(([version, weight]) => ({ version, weight }));
    return this.settled(await this.client.call<ChangeResponse>('Split', { name, split }));
  }

  /**
   * Waits until a session's shared pins name other endpoints than this address: the sidecar may first ask others what
   * they find (docs/semantics.md, views that differ).
   *
   * @param name the service, as `shop/checkout`
   */
  async pinLeaves(name: string, key: string, address: string): Promise<void> {
    await eventually(`the pin of ${key} has left ${address}`, async () => {
      const { sessions } = await this.client.call<SessionsResponse>('Sessions', { name, key });
      return sessions.length > 0 && sessions.every(({ endpoint }) => endpoint !== address);
    });
  }

  /** Any other operation of the API that changes something. */
  async change(method: string, request: object): Promise<ChangeResponse> {
    return this.settled(await this.client.call<ChangeResponse>(method, request));
  }

  private async settled(change: ChangeResponse): Promise<ChangeResponse> {
    const { revision } = change;
    for await (const { rejections } of this.client.stream<AwaitProgress>('Await', {
      revision,
      timeoutMs: 10_000,
    })) {
      if (rejections.length > 0) throw new Error(JSON.stringify(rejections));
    }
    return change;
  }
}
