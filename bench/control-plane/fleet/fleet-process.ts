import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SocketAddress } from '../../../src/model/formats.js';
import type { ProcessGroup, RunningProcess } from '../../processes.js';
import type { Ages, Change, Counts, Holding, Lags } from './fleet.js';
import type { FleetAnswer, FleetRequest } from './fleet-program.js';

const PROGRAM = fileURLToPath(new URL('fleet-program.js', import.meta.url));

/** A fleet of simulated sidecars in a process of its own. */
export class FleetProcess {
  private readonly gone: Promise<never>;

  private constructor(
    private readonly processes: ProcessGroup,
    readonly process: RunningProcess,
  ) {
    this.gone = once(process.child, 'exit').then(() => {
      throw new Error(`${process.name} ended: ${process.output.trim()}`);
    });
    // Whoever asks next hears of it.
    this.gone.catch(() => {});
  }

  static async start(
    processes: ProcessGroup,
    address: SocketAddress,
    cores: string | undefined,
  ): Promise<FleetProcess> {
    const nodeArgs = ['--max-old-space-size=8192', PROGRAM];
    const options = { name: 'the simulated sidecars', cores, ipc: true };
    const fleet = new FleetProcess(processes, processes.start(process.execPath, nodeArgs, options));
    await fleet.ask({ do: 'explore', address });
    return fleet;
  }

  async connect(count: number, holding: Holding = 'warm'): Promise<void> {
    await this.ask({ do: 'connect', count, holding });
  }

  async arm(): Promise<void> {
    await this.ask({ do: 'arm' });
  }

  /** @param listener of the service that the revision is about, where it is not everybody's matter */
  reached(revision: number, listener?: string): Promise<readonly number[]> {
    return this.ask({ do: 'reached', revision, listener });
  }

  lags(changes: readonly Change[]): Promise<Lags> {
    return this.ask({ do: 'lags', changes });
  }

  async watchAges(): Promise<void> {
    await this.ask({ do: 'watchAges' });
  }

  ages(): Promise<Ages> {
    return this.ask({ do: 'ages' });
  }

  counts(): Promise<Counts> {
    return this.ask({ do: 'counts' });
  }

  stop(): Promise<void> {
    return this.processes.stop(this.process);
  }

  private async ask<T>(request: FleetRequest): Promise<T> {
    const { child } = this.process;
    const answered = once(child, 'message');
    child.send(request);
    const [answer] = (await Promise.race([answered, this.gone])) as [FleetAnswer];
    if ('error' in answer) throw new Error(`${this.process.name}: ${answer.error}`);
    return answer.value as T;
  }
}
