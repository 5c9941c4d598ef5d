import { usageOf } from '../../measure/process-usage.js';
import type { SpecialFigure } from '../../report/results.js';
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
  const name = `a sidecar with ${lab.options.services} services`;
  const figure = (what: string, unit: string, key: keyof Round, goal?: number): SpecialFigure => ({
    name: `${name}${what}`,
    unit,
    values: rounds.map((round) => round[key]),
    goal,
  });
  const changing = `, ${CHANGES_PER_SECOND} changes/s`;
  return [
    figure(`${changing}: CPU`, '% of a core', 'busyPercent', GOAL_CPU_PERCENT),
    figure(`${changing}: longest hold of the event loop`, 'ms', 'holdMs', GOAL_HOLD_MS),
    figure(', no changes: CPU', '% of a core', 'idlePercent'),
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

async function cpuDuring(
  { process: { pid } }: StartedSidecar,
  work: () => Promise<unknown>,
): Promise<number> {
  const [cpuMs, beganMs] = [usageOf(pid).cpuMs, monotonicMs()];
  await work();
  return ((usageOf(pid).cpuMs - cpuMs) / (monotonicMs() - beganMs)) * 100;
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
