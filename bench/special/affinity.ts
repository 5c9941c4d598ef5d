import { join } from 'node:path';
import { type Backends, startBackends } from '../backends/backends.js';
import type { Bench } from '../comparison.js';
import { writeRequestPool } from '../load/request-pool.js';
import { measureSaturation, warmUp } from '../measure/cell.js';
import { type AffinityMode, startRoost } from '../peers/roost.js';
import type { SpecialFigure } from '../report/results.js';
import { workloadNamed } from '../workloads.js';

const WARM_UP_SECONDS = 3;
const GOAL_US = 2;
const MODES: readonly AffinityMode[] = ['none', 'balanced', 'persistent'];

/**
 * What sticky sessions cost: the same workload with and without them. Each round measures all modes in turn, and
 * the cost is the difference within the round, so that what the machine does to all of them cancels out.
 */
export async function measureAffinity(bench: Bench): Promise<SpecialFigure[]> {
  const { processes, placement, options } = bench;
  const backends = await startBackends(processes, { tls: false, cores: placement.loadCores });
  const rounds: Record<AffinityMode, number>[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const costs = { none: 0, balanced: 0, persistent: 0 };
    const order = MODES.map((_, i) => MODES[(i + round) % MODES.length] as AffinityMode);
    for (const mode of order) {
      bench.progress.step(`affinity: round ${round + 1} of ${options.rounds}, ${mode}`);
      costs[mode] = await cpuOf(bench, backends, mode);
    }
    rounds.push(costs);
  }
  const extra = (mode: AffinityMode): SpecialFigure => ({
    name: `affinity ${mode}, CPU a request more than without`,
    unit: 'µs',
    values: rounds.map((costs) => costs[mode] - costs.none),
    goal: GOAL_US,
  });
  return [extra('balanced'), extra('persistent')];
}

let starts = 0;

async function cpuOf(bench: Bench, backends: Backends, affinity: AffinityMode): Promise<number> {
  const { processes, placement, options } = bench;
  const workload = workloadNamed('small');
  const pool = join(processes.folder, 'affinity.requests');
  writeRequestPool(pool, workload);
  const folder = join(processes.folder, `affinity-${++starts}`);
  const context = { processes, backends, folder, ...placement };
  const peer = await startRoost(context, { affinity, config: [], nodeArgs: [] });
  try {
    const measurement = { processes, placement, peer, workload, pool, seconds: options.seconds };
    await warmUp(measurement, WARM_UP_SECONDS);
    const { cpuUs, errors } = await measureSaturation(measurement);
    if (errors > 0) throw new Error(`${errors} requests failed while affinity ${affinity} was measured`);
    return cpuUs;
  } finally {
    await peer.stop();
  }
}
