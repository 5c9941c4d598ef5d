import { usageOf } from '../../measure/process-usage.js';
import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { type Lab, monotonicMs } from '../lab.js';
import type { StartedControlPlane } from '../started-control-plane.js';
import { fullName, startMesh } from './mesh.js';

const SIDECARS = 5000;
const GOAL_SECONDS = 10;

interface Round {
  readonly seconds: number;
  readonly startSeconds: number;
  readonly sentAgain: number;
  readonly serverCpuSeconds: number;
  readonly fleetCpuSeconds: number;
}

/** The control plane is killed and started anew; every sidecar comes back at once. */
export async function measureReconnect(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
  lab.progress.step(`reconnect: connecting ${SIDECARS} sidecars`);
  await fleet.connect(SIDECARS);
  const rounds: Round[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    lab.progress.step(`reconnect: ${SIDECARS} sidecars come back, round ${i + 1}`);
    rounds.push(await restart(controlPlane, fleet, i));
  }
  await fleet.stop();
  await controlPlane.stop();
  const name = `${SIDECARS.toLocaleString('en-US')} sidecars come back after a restart`;
  const figure = figureMaker(name, rounds);
  return [
    figure('a change made at once has reached all', 's', 'seconds', GOAL_SECONDS),
    figure('until the port was open', 's', 'startSeconds'),
    figure('unchanged resources sent again', 'resources', 'sentAgain', 0),
    figure("CPU, control plane's, its start included", 's', 'serverCpuSeconds'),
    figure("CPU, simulated sidecars'", 's', 'fleetCpuSeconds'),
  ];
}

async function restart(controlPlane: StartedControlPlane, fleet: FleetProcess, i: number): Promise<Round> {
  await fleet.arm();
  const fleetCpu = watchCpu(fleet.process);
  await controlPlane.kill();
  const beganMs = monotonicMs();
  await controlPlane.startAgain();
  const listeningMs = monotonicMs();
  const { revision } = await controlPlane.split(fullName(i), 90, 10);
  const times = await fleet.reached(revision);
  const { resources } = await fleet.counts();
  return {
    seconds: (Math.max(...times) - beganMs) / 1000,
    startSeconds: (listeningMs - beganMs) / 1000,
    // Each has to be sent the one route configuration that has changed.
    sentAgain: resources - SIDECARS,
    serverCpuSeconds: usageOf(controlPlane.process.pid).cpuMs / 1000,
    fleetCpuSeconds: (fleetCpu()[0] as number) / 1000,
  };
}
