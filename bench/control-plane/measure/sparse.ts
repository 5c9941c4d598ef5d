import { percentile, sorted } from '../../measure/percentiles.js';
import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import { SERVICES_OF_SPARSE } from '../fleet/fleet.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import type { Lab } from '../lab.js';
import type { StartedControlPlane } from '../started-control-plane.js';
import { fullName, startMesh } from './mesh.js';
import { settledMemory } from './settled-memory.js';

const SIDECARS = 5000;
const WARM_UPS = 2;

interface Round {
  readonly told: number;
  readonly p99: number;
  readonly cpuMs: number;
}

/** Sidecars that hold what they use: what one costs, and what a change to one service costs among many of them. */
export async function measureSparse(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
  const before = await settledMemory(controlPlane.process);
  const cpu = watchCpu(controlPlane.process);
  lab.progress.step(`sparse: connecting ${SIDECARS} sidecars with ${SERVICES_OF_SPARSE} services each`);
  await fleet.connect(SIDECARS, 'sparse');
  const connectMs = (cpu()[0] as number) / SIDECARS;
  const after = await settledMemory(controlPlane.process);
  const rounds: Round[] = [];
  for (let i = 0; i < WARM_UPS + lab.options.rounds; i++) {
    lab.progress.step(`sparse: a change to one service, round ${i + 1}`);
    rounds.push(await changeOnce(controlPlane, fleet, i));
  }
  await fleet.stop();
  await controlPlane.stop();
  const fleetName = `${SIDECARS.toLocaleString('en-US')} sidecars of ${SERVICES_OF_SPARSE} services each`;
  const each = figureMaker(fleetName, [{ memoryKb: (after - before) / SIDECARS / 1024, connectMs }]);
  const figure = figureMaker(fleetName, rounds.slice(WARM_UPS));
  return [
    each('memory of the control plane, each', 'KB', 'memoryKb'),
    each('CPU of the control plane to connect one', 'ms', 'connectMs'),
    figure('sidecars that one weight change is sent to', 'sidecars', 'told'),
    figure('acknowledged by all of these, p99', 'ms', 'p99'),
    figure('CPU of the control plane for the change', 'ms', 'cpuMs'),
  ];
}

async function changeOnce(controlPlane: StartedControlPlane, fleet: FleetProcess, i: number): Promise<Round> {
  await fleet.arm();
  const cpu = watchCpu(controlPlane.process);
  const { revision, atMs } = await controlPlane.split(fullName(i), 90, 10);
  const times = sorted((await fleet.reached(revision, fullName(i))).map((time) => time - atMs));
  return {
    told: times.length,
    p99: percentile(times, 99),
    cpuMs: cpu()[0] as number,
  };
}
