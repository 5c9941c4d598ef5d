import { join } from 'node:path';
import type { Backends } from '../backends/backends.js';
import type { Bench } from '../comparison.js';
import { writeRequestPool } from '../load/request-pool.js';
import { measureSaturation, warmUp } from '../measure/cell.js';
import { type RoostOptions, startRoost } from '../peers/roost.js';
import type { Workload } from '../workloads.js';

const WARM_UP_SECONDS = 3;

let starts = 0;

/**
 * CPU of a sidecar for a request at saturation, in microseconds: a sidecar and a control plane of its own, warmed up.
 *
 * @throws Error where requests fail
 */
export async function sidecarCpu(
  { processes, placement, options }: Bench,
  backends: Backends,
  workload: Workload,
  roost: Pick<RoostOptions, 'affinity' | 'programs'>,
): Promise<number> {
  const pool = join(processes.folder, `${workload.name}.requests`);
  writeRequestPool(pool, workload);
  const folder = join(processes.folder, `cpu-${++starts}`);
  const context = { processes, backends, folder, ...placement };
  const peer = await startRoost(context, { config: [], nodeArgs: [], ...roost });
  try {
    const measurement = { processes, placement, peer, workload, pool, seconds: options.seconds };
    await warmUp(measurement, WARM_UP_SECONDS);
    const { cpuUs, errors } = await measureSaturation(measurement);
    if (errors > 0)
      throw new Error(`${errors} requests failed: ${workload.name}, affinity ${roost.affinity}`);
    return cpuUs;
  } finally {
    await peer.stop();
  }
}
