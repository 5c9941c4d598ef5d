import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { AwaitProgress, ChangeResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { freePorts } from '../free-ports.js';
import { ROOST } from '../peers/roost.js';
import type { RunningProcess } from '../processes.js';
import { type Lab, monotonicMs } from './lab.js';

/** A change, as its operator saw it. */
export interface MadeChange {
  readonly revision: number;
  /** When it was asked for. */
  readonly atMs: number;
}

/** A control plane in a process of its own, with its data on disk, as operators run it; and an operator. */
export class StartedControlPlane {
  private operator: ControlPlaneClient;

  private constructor(
    private readonly lab: Lab,
    private readonly dataDir: string,
    readonly address: SocketAddress,
    private readonly httpPort: number,
    public process: RunningProcess,
  ) {
    this.operator = new ControlPlaneClient(address);
  }

  static async start(lab: Lab): Promise<StartedControlPlane> {
    const [grpc, http] = (await freePorts(2)) as [number, number];
    const dataDir = mkdtempSync(join(lab.processes.folder, 'control-plane-'));
    const process = spawn(lab, dataDir, grpc, http);
    await process.listening(grpc);
    return new StartedControlPlane(lab, dataDir, { host: '127.0.0.1', port: grpc }, http, process);
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    this.operator.close();
    await this.lab.processes.stop(this.process, 'SIGKILL');
  }

  /** Another one, on the same data and ports. */
  async startAgain(): Promise<void> {
    this.process = spawn(this.lab, this.dataDir, this.address.port, this.httpPort);
    await this.process.listening(this.address.port);
    this.operator = new ControlPlaneClient(this.address);
  }

  async stop(): Promise<void> {
    this.operator.close();
    await this.lab.processes.stop(this.process);
  }

  apply(...documents: readonly object[]): Promise<MadeChange> {
    return this.change('Apply', { documents: documents.map(toStruct) });
  }

  /** @param name with its namespace */
  split(name: string, v1: number, v2: number): Promise<MadeChange> {
    const split = [
      { version: 'v1', weight: v1 },
      { version: 'v2', weight: v2 },
    ];
    return this.change('Split', { name, split });
  }

  /** Returns once every connected client has answered, as `roost split` does. */
  async settled({ revision }: MadeChange): Promise<void> {
    let last: AwaitProgress | undefined;
    const events = this.operator.stream<AwaitProgress>('Await', { revision, timeoutMs: 60_000 });
    for await (const progress of events) last = progress;
    if (last?.done !== true)
      throw new Error(`only ${last?.settled} of ${last?.connected} clients have answered`);
  }

  private async change(method: string, request: object): Promise<MadeChange> {
    const atMs = monotonicMs();
    const { revision, changed } = await this.operator.call<ChangeResponse>(method, request);
    if (!changed) throw new Error(`${method} changed nothing`);
    return { revision, atMs };
  }
}

function spawn({ processes, placement, options }: Lab, dataDir: string, grpc: number, http: number) {
  const profile = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const addresses = ['--grpc', `127.0.0.1:${grpc}`, '--http', `127.0.0.1:${http}`];
  return processes.start(
    process.execPath,
    [...profile, ROOST, 'control-plane', ...addresses, '--data-dir', dataDir, '--log-level', 'warn'],
    { name: 'the control plane', cores: placement.proxyCores },
  );
}
