import { describeMachine, placeOnCores } from '../machine.js';
import { MachineLoad } from '../measure/machine-load.js';
import { ProcessGroup } from '../processes.js';
import { Progress } from '../progress.js';
import { textTable } from '../report/text-table.js';
import { measureCpu } from './cpu.js';
import type { SessionFigure, SessionLab } from './lab.js';
import { HELP, readOptions, type SessionMeasurement, SessionUsageError } from './options.js';
import { measureRelay } from './relay.js';

/** How soon the sidecars of a fleet know each other's pins, and what that costs a request: `npm run bench:sessions`. */
const MEASURE: Readonly<Record<SessionMeasurement, (lab: SessionLab) => Promise<SessionFigure[]>>> = {
  relay: measureRelay,
  cpu: measureCpu,
};

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const processes = new ProcessGroup();
  const progress = new Progress();
  const others = MachineLoad.watch();
  try {
    const lab = { options, processes, progress, placement: placeOnCores() };
    const figures: SessionFigure[] = [];
    for (const name of options.only) figures.push(...(await MEASURE[name](lab)));
    progress.end();
    const { cpu, cores } = describeMachine();
    const load = others?.othersCores();
    const busy = load === undefined ? '' : `; other work kept ${load.toFixed(1)} cores busy`;
    process.stdout.write(`\n${cpu}, ${cores} cores, Node ${process.versions.node}${busy}\n\n`);
    const rows = figures.map(({ name, figure, goal }) => [name, figure, goal ?? '']);
    process.stdout.write(`${textTable([['what', 'figure', 'goal'], ...rows])}\n`);
  } finally {
    progress.end();
    await processes.stopAll();
  }
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof SessionUsageError;
  process.stderr.write(`bench:sessions: ${(error as Error).message}\n${isUsage ? '(see --help)\n' : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}
