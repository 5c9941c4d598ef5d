import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RunningProcess } from '../../processes.js';
import type { SpecialFigure } from '../../report/results.js';
import { figureMaker, watchCpu } from '../figures.js';
import type { Ages } from '../fleet/fleet.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import type { Lab } from '../lab.js';
import type { LiveRequest } from '../live/live-program.js';

const PROGRAM = fileURLToPath(new URL('../live/live-program.js', import.meta.url));
const SIDECARS = 5000;
const CHANGES_PER_MINUTE = 10_000;
const GOAL_P99_MS = 500;
const SETTLE_MS = 3000;

interface Round extends Ages {
  readonly busyPercent: number;
  readonly fleetBusyPercent: number;
  /** Of the control plane, for a change. */
  readonly cpuMsEach: number;
  /** Of every change that was made, those that a sidecar was told of. */
  readonly toldOfOne: number;
}

/** Live endpoints change all the time, among many sidecars that hold what they use. */
export async function measureLive(lab: Lab): Promise<SpecialFigure[]> {
  const { processes, placement, options, progress } = lab;
  const server = processes.start(process.execPath, [PROGRAM], {
    name: 'the control plane with live endpoints',
    cores: placement.proxyCores,
    ipc: true,
  });
  const port = await ask<number>(server, { do: 'listen', services: options.services });
  const fleet = await FleetProcess.start(processes, { host: '127.0.0.1', port }, placement.loadCores);
  progress.step(`live: connecting ${SIDECARS} sidecars`);
  await fleet.connect(SIDECARS, 'sparse');
  const figures: SpecialFigure[] = [];
  for (const everyone of [true, false]) {
    const rounds: Round[] = [];
    for (let i = 0; i < options.rounds; i++) {
      progress.step(`live: ${everyone ? 'visiting everyone' : 'by the index'}, round ${i + 1}`);
      rounds.push(await changeForAWhile(server, fleet, options.seconds, everyone));
    }
    figures.push(...figuresOf(rounds, everyone));
  }
  await fleet.stop();
  await processes.stop(server);
  return figures;
}

function figuresOf(rounds: readonly Round[], everyone: boolean): SpecialFigure[] {
  const changes = `${CHANGES_PER_MINUTE.toLocaleString('en-US')} live endpoint changes a minute`;
  const sidecars = `${SIDECARS.toLocaleString('en-US')} sidecars`;
  const how = everyone ? ' (rounds that visit every sidecar, for comparison)' : '';
  const figure = figureMaker(`${changes}, ${sidecars}${how}`, rounds);
  return [
    figure('delay to the sidecar, p99', 'ms', 'p99', ...(everyone ? [] : [GOAL_P99_MS])),
    figure('delay to the sidecar, p50', 'ms', 'p50'),
    figure('CPU of the control plane for a change', 'ms', 'cpuMsEach'),
    figure("the control plane's core", '% busy', 'busyPercent'),
    figure("the simulated sidecars' core", '% busy', 'fleetBusyPercent'),
    figure('sidecars that one change is sent to', 'sidecars', 'toldOfOne'),
  ];
}

async function changeForAWhile(
  server: RunningProcess,
  fleet: FleetProcess,
  seconds: number,
  everyone: boolean,
): Promise<Round> {
  await fleet.watchAges();
  const perSecond = CHANGES_PER_MINUTE / 60;
  const cpu = watchCpu(server, fleet.process);
  const changes = await ask<number>(server, { do: 'change', perSecond, seconds, everyone });
  // What is on its way is a part of it.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const [cpuMs = 0, fleetCpuMs = 0] = cpu();
  const ages = await fleet.ages();
  return {
    ...ages,
    cpuMsEach: cpuMs / changes,
    busyPercent: cpuMs / seconds / 10,
    fleetBusyPercent: fleetCpuMs / seconds / 10,
    toldOfOne: ages.count / changes,
  };
}

async function ask<T>({ child, name }: RunningProcess, request: LiveRequest): Promise<T> {
  const answered = once(child, 'message');
  child.send(request);
  const [answer] = (await answered) as [{ readonly value: T } | { readonly error: string }];
  if ('error' in answer) throw new Error(`${name}: ${answer.error}`);
  return answer.value;
}
