import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { usageOf } from '../../measure/process-usage.js';
import { bigMesh } from '../../micro/big-mesh.js';
import { ROOST } from '../../peers/roost.js';
import type { SpecialFigure } from '../../report/results.js';
import { type Lab, monotonicMs } from '../lab.js';
import { StartedControlPlane } from '../started-control-plane.js';
import { StartedSidecar } from '../started-sidecar.js';
import { ENDPOINTS_EACH, fullName } from './mesh.js';

const ROUTES_EACH = 20;
const CHANGES = 10;
const GOALS = { applyS: 8, peakMb: 400, changeMs: 300 } as const;

/** What one round has measured. */
interface Round {
  readonly applyS: number;
  readonly commandCpuS: number;
  readonly controlPlaneCpuS: number;
  readonly peakMb: number;
  readonly changesMs: readonly number[];
}

/** A whole mesh of many routes in one `roost apply`, and single changes with all of it in force on a real sidecar. */
export async function measureLarge(lab: Lab): Promise<SpecialFigure[]> {
  const { services, rounds } = lab.options;
  const file = join(lab.processes.folder, 'mesh.yaml');
  const mesh = bigMesh({ services, endpointsEach: ENDPOINTS_EACH, routesEach: ROUTES_EACH });
  writeFileSync(file, mesh.map((document) => stringify(document)).join('---\n'));
  const measured: Round[] = [];
  for (let i = 0; i < rounds; i++) {
    lab.progress.step(`large: ${services} services of ${ROUTES_EACH} routes, round ${i + 1}`);
    measured.push(await measureRound(lab, file));
  }
  const what = `${services} services of ${ROUTES_EACH} routes in one apply`;
  const figure = (name: string, unit: string, read: (round: Round) => number, goal?: number) => ({
    name,
    unit,
    values: measured.map(read),
    goal,
  });
  return [
    figure(`${what}: until the command is done`, 's', ({ applyS }) => applyS, GOALS.applyS),
    figure(`${what}: CPU, the command's`, 's', ({ commandCpuS }) => commandCpuS),
    figure(`${what}: CPU, control plane's`, 's', ({ controlPlaneCpuS }) => controlPlaneCpuS),
    figure(`${what}: most memory of the control plane`, 'MB', ({ peakMb }) => peakMb, GOALS.peakMb),
    {
      name: `one weight change among ${services * ROUTES_EACH} routes: in force on a sidecar`,
      unit: 'ms',
      values: measured.flatMap(({ changesMs }) => changesMs),
      goal: GOALS.changeMs,
    },
  ];
}

async function measureRound(lab: Lab, file: string): Promise<Round> {
  const controlPlane = await StartedControlPlane.start(lab);
  const { pid } = controlPlane.process;
  const before = {
    ms: monotonicMs(),
    cpuMs: usageOf(pid).cpuMs,
    childrenMs: usageOf(process.pid).endedChildrenMs,
  };
  await apply(lab, controlPlane, file);
  const applyS = (monotonicMs() - before.ms) / 1000;
  const controlPlaneCpuS = (usageOf(pid).cpuMs - before.cpuMs) / 1000;
  const commandCpuS = (usageOf(process.pid).endedChildrenMs - before.childrenMs) / 1000;
  const sidecar = await StartedSidecar.start(lab, {
    controlPlane: controlPlane.address,
    flags: [],
    probe: false,
  });
  const changesMs: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const change = await controlPlane.split(fullName(i), 70 - i, 30 + i);
    await controlPlane.settled(change);
    changesMs.push(monotonicMs() - change.atMs);
  }
  const peakMb = peakBytes(pid) / 2 ** 20;
  await sidecar.stop();
  await controlPlane.stop();
  return { applyS, commandCpuS, controlPlaneCpuS, peakMb, changesMs };
}

async function apply(
  { processes, placement }: Lab,
  { address }: StartedControlPlane,
  file: string,
): Promise<void> {
  const target = `${address.host}:${address.port}`;
  await processes.run(process.execPath, [ROOST, 'apply', '-f', file, '--control-plane', target], {
    name: 'roost apply',
    cores: placement.loadCores,
  });
}

/** The most resident memory that a process ever had; where the system does not tell, what it has. */
function peakBytes(pid: number): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    if (found !== null) return Number(found[1]) * 1024;
  } catch {
    // No /proc here.
  }
  return usageOf(pid).residentBytes;
}
