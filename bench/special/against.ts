import { startBackends } from '../backends/backends.js';
import { type Bench, chosenWorkloads } from '../comparison.js';
import { buildEarlier } from '../earlier-command.js';
import { ROOST } from '../peers/roost.js';
import type { SpecialFigure } from '../report/results.js';
import { sidecarCpu } from './sidecar-cpu.js';

const GOAL_RATIO = 1.02;

/**
 * CPU a request of this version as a multiple of an earlier commit's. Each round measures both, one right after the
 * other and in turns first, each with fresh processes and a control plane of its own version; the ratio is the round's,
 * so that what the machine does to both cancels out. With persistent affinity all sessions are known after the warm-up.
 */
export async function measureAgainst(bench: Bench): Promise<SpecialFigure[]> {
  const { processes, placement, options, progress } = bench;
  progress.step(`against ${options.base}: building it`);
  const versions = { base: await buildEarlier({ commit: options.base }), here: ROOST };
  const backends = await startBackends(processes, { tls: false, cores: placement.loadCores });
  const figures: SpecialFigure[] = [];
  for (const workload of chosenWorkloads(options)) {
    const ratios: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      progress.step(`against ${options.base}: ${workload.name}, round ${round + 1} of ${options.rounds}`);
      const cpu = { base: 0, here: 0 };
      for (const which of round % 2 === 0 ? (['base', 'here'] as const) : (['here', 'base'] as const))
        cpu[which] = await sidecarCpu(bench, backends, workload, {
          affinity: options.affinity,
          programs: { sidecar: versions[which], controlPlane: versions[which] },
        });
      ratios.push(cpu.here / cpu.base);
    }
    const name = `${workload.name}, ${options.affinity}: CPU a request against ${options.base}`;
    figures.push({ name, unit: '×', values: ratios, goal: GOAL_RATIO });
  }
  return figures;
}
