import { usageOf } from '../../measure/process-usage.js';
import type { SpecialFigure } from '../../report/results.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { type Lab, monotonicMs } from '../lab.js';
import { startMesh } from './mesh.js';

const SIDECARS = 200;

/** Sidecars that start from nothing are sent the whole mesh, which is the dearest thing that can happen. */
export async function measureCold(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const rounds: { readonly seconds: number; readonly cpuMs: number; readonly megabytes: number }[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    lab.progress.step(`cold: ${SIDECARS} new sidecars, round ${i + 1}`);
    const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
    const cpuMs = usageOf(controlPlane.process.pid).cpuMs;
    const beganMs = monotonicMs();
    await fleet.connect(SIDECARS, 'cold');
    rounds.push({
      seconds: (monotonicMs() - beganMs) / 1000,
      cpuMs: (usageOf(controlPlane.process.pid).cpuMs - cpuMs) / SIDECARS,
      megabytes: (await fleet.counts()).bytes / SIDECARS / 1e6,
    });
    await fleet.stop();
  }
  await controlPlane.stop();
  const name = `${SIDECARS} new sidecars at once, ${lab.options.services} services`;
  return [
    {
      name: `${name}: all have everything`,
      unit: 's',
      values: rounds.map((r) => r.seconds),
      goal: undefined,
    },
    {
      name: `${name}: CPU of the control plane, each`,
      unit: 'ms',
      values: rounds.map((r) => r.cpuMs),
      goal: undefined,
    },
    { name: `${name}: sent to each`, unit: 'MB', values: rounds.map((r) => r.megabytes), goal: undefined },
  ];
}
