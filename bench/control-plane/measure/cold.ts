import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { type Lab, monotonicMs } from '../lab.js';
import { startMesh } from './mesh.js';

const SIDECARS = 200;

interface Round {
  readonly seconds: number;
  readonly cpuMs: number;
  readonly megabytes: number;
}

/** Sidecars that start from nothing are sent the whole mesh, which is the dearest thing that can happen. */
export async function measureCold(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const rounds: Round[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    lab.progress.step(`cold: ${SIDECARS} new sidecars, round ${i + 1}`);
    const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
    const cpu = watchCpu(controlPlane.process);
    const beganMs = monotonicMs();
    await fleet.connect(SIDECARS, 'cold');
    rounds.push({
      seconds: (monotonicMs() - beganMs) / 1000,
      cpuMs: (cpu()[0] as number) / SIDECARS,
      megabytes: (await fleet.counts()).bytes / SIDECARS / 1e6,
    });
    await fleet.stop();
  }
  await controlPlane.stop();
  const name = `${SIDECARS} new sidecars at once, ${lab.options.services} services`;
  const figure = figureMaker(name, rounds);
  return [
    figure('all have everything', 's', 'seconds'),
    figure('CPU of the control plane, each', 'ms', 'cpuMs'),
    figure('sent to each', 'MB', 'megabytes'),
  ];
}
