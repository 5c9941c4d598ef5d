import { percentile, sorted } from '../../measure/percentiles.js';
import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { type Lab, monotonicMs } from '../lab.js';
import type { StartedControlPlane } from '../started-control-plane.js';
import { fullName, startMesh } from './mesh.js';

const WARM_UPS = 2;
/** Goals of issue 5, in milliseconds, by the size of the fleet. */
const GOALS: Readonly<Record<number, number>> = { 1000: 120, 5000: 500, 10000: 1200 };

interface Round {
  readonly p50: number;
  readonly p99: number;
  readonly all: number;
  readonly serverCpuMs: number;
  readonly fleetCpuMs: number;
}

/** One weight change, pushed to fleets of several sizes. */
export async function measureChange(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
  const figures: SpecialFigure[] = [];
  let connected = 0;
  let changes = 0;
  for (const size of [...lab.options.sidecars].sort((a, b) => a - b)) {
    lab.progress.step(`change: connecting ${size} sidecars`);
    await fleet.connect(size - connected);
    connected = size;
    const rounds: Round[] = [];
    for (let i = 0; i < WARM_UPS + lab.options.rounds; i++) {
      lab.progress.step(`change: ${size} sidecars, round ${i + 1}`);
      rounds.push(await changeOnce(controlPlane, fleet, changes++));
    }
    figures.push(...figuresOf(size, rounds.slice(WARM_UPS)));
  }
  await fleet.stop();
  await controlPlane.stop();
  return figures;
}

async function changeOnce(controlPlane: StartedControlPlane, fleet: FleetProcess, i: number): Promise<Round> {
  await fleet.arm();
  const cpu = watchCpu(controlPlane.process, fleet.process);
  const change = await controlPlane.split(fullName(i), 90, 10);
  await controlPlane.settled(change);
  const all = monotonicMs() - change.atMs;
  const times = sorted((await fleet.reached(change.revision)).map((atMs) => atMs - change.atMs));
  const [serverCpuMs = 0, fleetCpuMs = 0] = cpu();
  return {
    p50: percentile(times, 50),
    p99: percentile(times, 99),
    all,
    serverCpuMs,
    fleetCpuMs,
  };
}

function figuresOf(size: number, rounds: readonly Round[]): SpecialFigure[] {
  const figure = figureMaker(`one weight change, ${size.toLocaleString('en-US')} sidecars`, rounds);
  return [
    figure('acknowledged, p99', 'ms', 'p99', GOALS[size]),
    figure('acknowledged, p50', 'ms', 'p50'),
    figure('the operator knows that all have', 'ms', 'all'),
    figure("CPU, control plane's", 'ms', 'serverCpuMs'),
    figure("CPU, simulated sidecars'", 'ms', 'fleetCpuMs'),
  ];
}
