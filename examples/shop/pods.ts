import { fileURLToPath } from 'node:url';
import type { PortReservation } from './ports.js';
import { type Child, DemoError, type Processes, ROOST } from './processes.js';
import type { Role } from './settings.js';

const APP = fileURLToPath(new URL('./app.js', import.meta.url));
/** Port of the release endpoints' names in `mesh/*.yaml`. */
const NAMED_PORT = 15_006;

/** The service, release and replica of a pod. */
export interface PodName {
  readonly service: Role;
  readonly version: string;
  readonly replica: number;
}

/** An app and the sidecar beside it. */
export class Pod {
  readonly name: string;
  /** Where the app's calls go. */
  outbound = '';
  admin = '';
  private appChild: Child | undefined;
  private sidecarChild: Child | undefined;

  constructor(
    private readonly of: PodName,
    private readonly inboundPort: PortReservation,
    private readonly appPort: PortReservation,
    private readonly processes: Processes,
  ) {
    this.name = `${of.service}-${of.version}-${of.replica}`;
  }

  /** The DNS name that stands for the pod in the mesh's configuration. */
  get endpointName(): string {
    return `${this.of.service}-${this.of.version}:${NAMED_PORT}`;
  }

  /** Where other pods reach this one: its sidecar's inbound port. */
  get inbound(): string {
    return this.inboundPort.address;
  }

  get pids(): { readonly app: number; readonly sidecar: number } {
    return { app: this.appChild?.pid ?? 0, sidecar: this.sidecarChild?.pid ?? 0 };
  }

  /** @param resolve `--resolve` flags that stand in for the cluster's DNS */
  async startSidecar(controlPlane: string, resolve: readonly string[]): Promise<void> {
    const { service, version } = this.of;
    await this.inboundPort.release();
    const args = [
      ...['sidecar', '--service', `${service}.shop`, '--release', version, '--control-plane', controlPlane],
      ...['--inbound', this.inbound, '--app', this.appPort.address],
      // All pods of the demo end at once: no caller is left that would have to switch to another pod.
      ...['--outbound', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--drain-grace', '0s', ...resolve],
    ];
    this.sidecarChild = this.processes.start(`${this.name} sidecar`, ROOST, args);
    const [line] = await this.sidecarChild.says(/^.*"sidecar is listening".*$/m);
    const { outbound, admin } = JSON.parse(line) as { outbound: string; admin: string };
    this.outbound = outbound;
    this.admin = admin;
  }

  /** The app knows only its port, the service that it calls, and a proxy. */
  async startApp(): Promise<void> {
    const { service, version } = this.of;
    await this.appPort.release();
    this.appChild = this.processes.start(`${this.name} app`, APP, [service], {
      PORT: String(this.appPort.port),
      VERSION: version,
      POD: this.name,
      HTTP_PROXY: `http://${this.outbound}`,
    });
    await this.appChild.says(/listens on/);
  }

  /** Waits until the sidecar has its first configuration. */
  async ready(): Promise<void> {
    if (this.sidecarChild === undefined) throw new DemoError(`${this.name} has no sidecar`);
    await this.sidecarChild.says(/first configuration is in force/);
  }

  /** `kill -9` of both, as when a node goes away. */
  async kill(): Promise<void> {
    const both = [this.sidecarChild, this.appChild];
    for (const child of both) child?.signal('SIGKILL');
    await Promise.all(both.map((child) => child?.ended));
  }
}
