import { join } from 'node:path';
import { versionAt } from '../../test/support/earlier-version.js';
import { type Backends, startBackends } from '../backends/backends.js';
import { type Bench, chosenWorkloads } from '../comparison.js';
import { writeRequestPool } from '../load/request-pool.js';
import { measureSaturation, warmUp } from '../measure/cell.js';
import { ROOST, startRoost } from '../peers/roost.js';
import type { SpecialFigure } from '../report/results.js';
import type { Workload } from '../workloads.js';

const WARM_UP_SECONDS = 3;
const GOAL_RATIO = 1.02;

/**
 * CPU a request of this version as a multiple of an earlier commit's. Each round measures both, one right after the
 * other and in turns first, each with fresh processes and a control plane of its own version; the ratio is the round's,
 * so that what the machine does to both cancels out. With persistent affinity all sessions are known after the warm-up.
 */
export async function measureAgainst(bench: Bench): Promise<SpecialFigure[]> {
  const { processes, placement, options, progress } = bench;
  progress.step(`against ${options.base}: building it`);
  const earlier = versionAt(options.base);
  if (earlier.skip !== false) throw new Error(earlier.skip);
  const teardown = (undo: () => unknown) => process.once('beforeExit', () => void undo());
  const versions = { base: await earlier.build({ teardown }), here: ROOST };
  const backends = await startBackends(processes, { tls: false, cores: placement.loadCores });
  const figures: SpecialFigure[] = [];
  for (const workload of chosenWorkloads(options)) {
    const ratios: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      progress.step(`against ${options.base}: ${workload.name}, round ${round + 1} of ${options.rounds}`);
      const cpu = { base: 0, here: 0 };
      for (const which of round % 2 === 0 ? (['base', 'here'] as const) : (['here', 'base'] as const))
        cpu[which] = await cpuOf(bench, backends, workload, versions[which]);
      ratios.push(cpu.here / cpu.base);
    }
    const name = `${workload.name}, ${options.affinity}: CPU a request against ${options.base}`;
    figures.push({ name, unit: '×', values: ratios, goal: GOAL_RATIO });
  }
  return figures;
}

let starts = 0;

async function cpuOf(bench: Bench, backends: Backends, workload: Workload, command: string): Promise<number> {
  const { processes, placement, options } = bench;
  const pool = join(processes.folder, `${workload.name}.requests`);
  writeRequestPool(pool, workload);
  const folder = join(processes.folder, `against-${++starts}`);
  const context = { processes, backends, folder, ...placement };
  const programs = { sidecar: command, controlPlane: command };
  const { affinity } = options;
  const peer = await startRoost(context, { affinity, config: [], nodeArgs: [], programs });
  try {
    const measurement = { processes, placement, peer, workload, pool, seconds: options.seconds };
    await warmUp(measurement, WARM_UP_SECONDS);
    const { cpuUs, errors } = await measureSaturation(measurement);
    if (errors > 0) throw new Error(`${errors} requests failed under ${workload.name} through ${command}`);
    return cpuUs;
  } finally {
    await peer.stop();
  }
}
