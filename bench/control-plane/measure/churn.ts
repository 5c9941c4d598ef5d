import { bigMesh } from '../../micro/big-mesh.js';
import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import type { Lags } from '../fleet/fleet.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { type Lab, monotonicMs } from '../lab.js';
import type { MadeChange, StartedControlPlane } from '../started-control-plane.js';
import { ENDPOINTS_EACH, startMesh } from './mesh.js';

const SIDECARS = 1000;
const CHANGES_PER_SECOND = 100;
const GOAL_LAG_MS = 500;
/** Of one core: what is busier than this is as good as saturated. */
const GOAL_BUSY_PERCENT = 90;

interface Round extends Lags {
  readonly busyPercent: number;
  readonly fleetBusyPercent: number;
  /** Pushes that a sidecar got, of {@link CHANGES_PER_SECOND} changes. */
  readonly pushesPerSecond: number;
}

/** Pods come and go all over the mesh. */
export async function measureChurn(lab: Lab): Promise<SpecialFigure[]> {
  const controlPlane = await startMesh(lab);
  const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
  lab.progress.step(`churn: connecting ${SIDECARS} sidecars`);
  await fleet.connect(SIDECARS);
  const pods = new Pods(controlPlane, lab.options.services);
  const rounds: Round[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    lab.progress.step(`churn: ${CHANGES_PER_SECOND} changes/s for ${lab.options.seconds} s, round ${i + 1}`);
    rounds.push(await changeForAWhile(controlPlane, fleet, pods, lab.options.seconds));
  }
  await fleet.stop();
  await controlPlane.stop();
  const name = `${CHANGES_PER_SECOND} endpoint changes/s, ${SIDECARS.toLocaleString('en-US')} sidecars`;
  const figure = figureMaker(name, rounds);
  return [
    figure('lag to the ACK, p99', 'ms', 'p99', GOAL_LAG_MS),
    figure('lag to the ACK, p50', 'ms', 'p50'),
    figure('longest lag', 'ms', 'max'),
    figure('pushes to each sidecar', 'a second', 'pushesPerSecond'),
    figure("the control plane's core", '% busy', 'busyPercent', GOAL_BUSY_PERCENT),
    figure("the simulated sidecars' core", '% busy', 'fleetBusyPercent'),
  ];
}

/** Replaces one pod of one service after the other. */
export class Pods {
  private changes = 0;
  private readonly mesh: object[];

  constructor(
    private readonly controlPlane: StartedControlPlane,
    private readonly services: number,
  ) {
    this.mesh = bigMesh({ services, endpointsEach: ENDPOINTS_EACH, routesEach: 1 });
  }

  replaceOne(): Promise<MadeChange> {
    const i = this.changes++;
    const service = structuredClone(this.mesh[i % this.services]) as {
      spec: { versions: { endpoints: { address: string }[] }[] };
    };
    const endpoints = service.spec.versions[0]?.endpoints as { address: string }[];
    endpoints[0] = { address: `192.168.${(i >> 8) & 255}.${i & 255}:${8080 + (i >> 16)}` };
    return this.controlPlane.apply(service);
  }
}

async function changeForAWhile(
  controlPlane: StartedControlPlane,
  fleet: FleetProcess,
  pods: Pods,
  seconds: number,
): Promise<Round> {
  await fleet.arm();
  const cpu = watchCpu(controlPlane.process, fleet.process);
  const beganMs = monotonicMs();
  const changes = await atRate(CHANGES_PER_SECOND, seconds, () => pods.replaceOne());
  const [serverCpuMs = 0, fleetCpuMs = 0] = cpu();
  const tookMs = monotonicMs() - beganMs;
  await fleet.reached(Math.max(...changes.map(({ revision }) => revision)));
  const { responses } = await fleet.counts();
  return {
    ...(await fleet.lags(changes)),
    busyPercent: (serverCpuMs / tookMs) * 100,
    fleetBusyPercent: (fleetCpuMs / tookMs) * 100,
    pushesPerSecond: responses / SIDECARS / (tookMs / 1000),
  };
}

/** Does something so many times a second, whether the time before is done or not. @returns what each led to */
export async function atRate<T>(perSecond: number, seconds: number, work: () => Promise<T>): Promise<T[]> {
  const started: Promise<T>[] = [];
  const beganMs = monotonicMs();
  while (started.length < perSecond * seconds) {
    const due = ((monotonicMs() - beganMs) / 1000) * perSecond;
    while (started.length < Math.min(due, perSecond * seconds)) started.push(work());
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return Promise.all(started);
}
