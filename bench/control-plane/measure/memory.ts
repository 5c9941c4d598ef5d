import type { SpecialFigure } from '../../report/results.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import type { Lab } from '../lab.js';
import { fullName, startMesh } from './mesh.js';
import { settledMemory } from './settled-memory.js';

const SIDECARS = 5000;
const GOAL_KB = 60;
/** What a connected sidecar costs the control plane in memory. */
export async function measureMemory(lab: Lab): Promise<SpecialFigure[]> {
  const each: number[] = [];
  const empty: number[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    lab.progress.step(`memory: ${SIDECARS} sidecars, round ${i + 1}`);
    const [before, after] = await growth(lab);
    empty.push(before / 2 ** 20);
    each.push((after - before) / SIDECARS / 1024);
  }
  return [
    { name: 'memory of the control plane, a connected sidecar', unit: 'KB', values: each, goal: GOAL_KB },
    {
      name: `memory of the control plane, ${lab.options.services} services and one sidecar`,
      unit: 'MB',
      values: empty,
      goal: undefined,
    },
  ];
}

/** Resident memory with one client, and with thousands that have been sent a change and have answered. */
async function growth(lab: Lab): Promise<readonly [number, number]> {
  const controlPlane = await startMesh(lab);
  const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
  const before = await settledMemory(controlPlane.process);
  await fleet.connect(SIDECARS);
  const { revision } = await controlPlane.split(fullName(0), 90, 10);
  await fleet.reached(revision);
  const after = await settledMemory(controlPlane.process);
  await fleet.stop();
  await controlPlane.stop();
  return [before, after];
}
