import type { SocketAddress } from '../../src/model/formats.js';
import { freePorts } from '../free-ports.js';
import { ROOST, ready } from '../peers/roost.js';
import type { RunningProcess } from '../processes.js';
import type { Lab } from './lab.js';

const STALL_PROBE = new URL('stall-probe.js', import.meta.url).href;

export interface SidecarSetup {
  readonly controlPlane: SocketAddress;
  /** Further flags of `roost sidecar`. */
  readonly flags: readonly string[];
  /** Watch for how long its event loop is held; the probe costs about 0.2 % of a core. */
  readonly probe: boolean;
}

/** A real sidecar in a process of its own, on the simulated sidecars' core. */
export class StartedSidecar {
  /** How long the event loop was held at most since {@link resetHolds}, in milliseconds; needs the probe. */
  longestHoldMs = 0;

  private constructor(
    private readonly lab: Lab,
    readonly process: RunningProcess,
    readonly outbound: number,
  ) {
    process.child.on('message', (longestMs) => {
      this.longestHoldMs = Math.max(this.longestHoldMs, Number(longestMs));
    });
  }

  static async start(lab: Lab, { controlPlane, flags, probe }: SidecarSetup): Promise<StartedSidecar> {
    const [outbound, inbound, admin] = (await freePorts(3)) as [number, number, number];
    const addresses = Object.entries({ outbound, inbound, admin }).flatMap(([name, port]) => [
      `--${name}`,
      `127.0.0.1:${port}`,
    ]);
    const process_ = lab.processes.start(
      process.execPath,
      [
        ...(probe ? ['--import', STALL_PROBE] : []),
        ROOST,
        'sidecar',
        ...['--service', 'frontend.shop', '--control-plane', `${controlPlane.host}:${controlPlane.port}`],
        ...addresses,
        ...flags,
      ],
      { name: 'the sidecar', cores: lab.placement.loadCores, ipc: probe },
    );
    await process_.listening(admin);
    await ready(admin, process_);
    return new StartedSidecar(lab, process_, outbound);
  }

  resetHolds(): void {
    this.longestHoldMs = 0;
  }

  stop(): Promise<void> {
    return this.lab.processes.stop(this.process);
  }
}
