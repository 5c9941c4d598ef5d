import { startBackends } from '../backends/backends.js';
import type { Bench } from '../comparison.js';
import type { AffinityMode } from '../peers/roost.js';
import type { SpecialFigure } from '../report/results.js';
import { workloadNamed } from '../workloads.js';
import { sidecarCpu } from './sidecar-cpu.js';

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
      costs[mode] = await sidecarCpu(bench, backends, workloadNamed('small'), { affinity: mode });
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
