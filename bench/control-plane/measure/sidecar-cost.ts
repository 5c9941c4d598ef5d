import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import { type Lab, monotonicMs } from '../lab.js';
import type { StartedControlPlane } from '../started-control-plane.js';
import { StartedSidecar } from '../started-sidecar.js';
import { atRate, Pods } from './churn.js';
import { fullName, startMesh } from './mesh.js';

const CHANGES_PER_SECOND = 10;
const SECONDS = 20;
const SETTLE_MS = 3000;
const GOAL_CPU_PERCENT = 2;
const GOAL_HOLD_MS = 20;

interface Round {
  readonly idlePercent: number;
  readonly busyPercent: number;
  readonly holdMs: number;
}

/** What a real sidecar spends on a large mesh that keeps changing. */
export async function measureSidecarCost(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const makeChange = changeMaker(lab, controlPlane);
  const rounds: Round[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    lab.progress.step(`sidecar: ${CHANGES_PER_SECOND} changes/s for ${SECONDS} s, round ${i + 1}`);
    rounds.push(await measureOne(lab, controlPlane, makeChange));
  }
  await controlPlane.stop();
  const figure = figureMaker(`a sidecar with ${lab.options.services} services`, rounds);
  const changing = `${CHANGES_PER_SECOND} changes/s`;
  return [
    figure(`CPU, ${changing}`, '% of a core', 'busyPercent', GOAL_CPU_PERCENT),
    figure(`longest hold of the event loop, ${changing}`, 'ms', 'holdMs', GOAL_HOLD_MS),
    figure('CPU, no changes', '% of a core', 'idlePercent'),
  ];
}

async function measureOne(
  lab: Lab,
  { address }: StartedControlPlane,
  makeChange: () => Promise<unknown>,
): Promise<Round> {
  const setup = { controlPlane: address, flags: [], probe: false };
  const changing = () => atRate(CHANGES_PER_SECOND, SECONDS, makeChange);
  const plain = await StartedSidecar.start(lab, setup);
  await settle();
  const idlePercent = await cpuDuring(plain, settle);
  const busyPercent = await cpuDuring(plain, changing);
  await plain.stop();
  const probed = await StartedSidecar.start(lab, { ...setup, probe: true });
  await settle();
  probed.resetHolds();
  await changing();
  await probed.stop();
  return { idlePercent, busyPercent, holdMs: probed.longestHoldMs };
}

/** A pod replaced and weights changed in turns, each time of another service. */
function changeMaker({ options }: Lab, controlPlane: StartedControlPlane): () => Promise<unknown> {
  const pods = new Pods(controlPlane, options.services);
  let i = 0;
  return () => {
    const n = i++;
    if (n % 2 === 0) return pods.replaceOne();
    const weight = 1 + Math.floor(n / options.services);
    return controlPlane.split(fullName(n % options.services), weight, 100 - weight);
  };
}

async function cpuDuring(sidecar: StartedSidecar, work: () => Promise<unknown>): Promise<number> {
  const cpu = watchCpu(sidecar.process);
  const beganMs = monotonicMs();
  await work();
  return ((cpu()[0] as number) / (monotonicMs() - beganMs)) * 100;
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
