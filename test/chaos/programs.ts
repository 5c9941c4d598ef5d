import { metric } from '../support/exposition.js';
import type { Owner } from '../support/owner.js';
import { type RoostProcess, startControlPlane, startSidecar } from '../support/processes.js';

/** A control plane that is killed and started again, on the ports that it had. */
export class ControlPlaneProgram {
  grpc = '127.0.0.1:0';
  http = '127.0.0.1:0';
  private process: RoostProcess | undefined;

  /** @param env of the process */
  constructor(
    readonly name: string,
    private readonly owner: Owner,
    private readonly args: () => readonly string[],
    private readonly env: NodeJS.ProcessEnv = {},
  ) {}

  get isRunning(): boolean {
    return this.process !== undefined;
  }

  async start(): Promise<void> {
    const args = [...this.args(), '--replica', this.name];
    const ports = ['--grpc', this.grpc, '--http', this.http];
    const started = await startControlPlane(this.owner, [...ports, ...args], this.env);
    Object.assign(this, { process: started.process, grpc: started.grpc, http: started.http });
  }

  async kill(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    await process?.kill('SIGKILL');
  }

  /** Ends in good order. @returns the exit code */
  async stop(): Promise<number | null> {
    const { process } = this;
    this.process = undefined;
    return process === undefined ? 0 : process.kill('SIGTERM');
  }

  metric(name: string): Promise<number | undefined> {
    return readMetric(this.http, name);
  }
}

/** A sidecar that is killed and started again, on the ports that it had. */
export class SidecarProgram {
  outbound = '127.0.0.1:0';
  inbound = '127.0.0.1:0';
  admin = '127.0.0.1:0';
  private process: RoostProcess | undefined;

  constructor(
    readonly name: string,
    private readonly owner: Owner,
    private readonly args: readonly string[],
  ) {}

  async start(): Promise<void> {
    const ports = ['--outbound', this.outbound, '--inbound', this.inbound, '--admin', this.admin];
    const started = await startSidecar(this.owner, [...ports, ...this.args]);
    const { process, outbound, inbound, admin } = started;
    Object.assign(this, { process, outbound, inbound, admin });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { process } = this;
    this.process = undefined;
    await process?.kill(signal);
  }

  metric(name: string): Promise<number | undefined> {
    return readMetric(this.admin, name);
  }

  async ready(): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://${this.admin}/ready`);
    return { status: response.status, text: await response.text() };
  }
}

/** @returns undefined where nobody answers, or there is no such metric */
async function readMetric(address: string, name: string): Promise<number | undefined> {
  const value = await metric(address, name).catch(() => Number.NaN);
  return Number.isNaN(value) ? undefined : value;
}
