import type { Placement } from '../machine.js';
import type { ProcessGroup } from '../processes.js';
import type { Progress } from '../progress.js';
import type { ScaleOptions } from './options.js';

/** What every measurement works with. */
export interface Lab {
  readonly options: ScaleOptions;
  readonly processes: ProcessGroup;
  /** The control plane has one core, simulated sidecars the others. */
  readonly placement: Placement;
  readonly progress: Progress;
}

/** Milliseconds of the machine's monotonic clock, the same in every process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
