import { currentCommit, describeMachine, placeOnCores } from '../machine.js';
import { MachineLoad } from '../measure/machine-load.js';
import { ProcessGroup } from '../processes.js';
import { Progress } from '../progress.js';
import { keepRun, readRun } from '../report/recorded-run.js';
import type { SpecialFigure } from '../report/results.js';
import { textTable } from '../report/text-table.js';
import { checkDescriptors } from './descriptor-limit.js';
import type { Lab } from './lab.js';
import { MEASURE } from './measurements.js';
import { HELP, readOptions, type ScaleOptions, ScaleUsageError } from './options.js';
import { describeScaleRun, putIntoDocs, type ScaleRun, scaleRows } from './report.js';

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) print(HELP);
  else if (options.render !== undefined)
    putIntoDocs(readRun<ScaleRun>(options.render, 'control-plane-1'), options.render);
  else await measure(options);
}

async function measure(options: ScaleOptions): Promise<void> {
  checkDescriptors(options);
  const processes = new ProcessGroup();
  const progress = new Progress();
  const placement = placeOnCores();
  const others = MachineLoad.watch();
  try {
    const figures = await measureAll({ options, processes, progress, placement });
    progress.end();
    const run: ScaleRun = {
      schema: 'control-plane-1',
      date: new Date().toISOString(),
      commit: currentCommit(),
      machine: describeMachine(),
      node: process.versions.node,
      rounds: options.rounds,
      services: options.services,
      figures,
      othersCores: others?.othersCores(),
    };
    print(`\n${describeScaleRun(run).replaceAll('**', '')}\n\n${textTable(scaleRows(run))}\n`);
    keep(run, options);
  } finally {
    progress.end();
    await processes.stopAll();
  }
}

async function measureAll(lab: Lab): Promise<SpecialFigure[]> {
  const figures: SpecialFigure[] = [];
  for (const name of lab.options.only) figures.push(...(await MEASURE[name](lab)));
  return figures;
}

function keep(run: ScaleRun, options: ScaleOptions): void {
  const kept = keepRun(run, options, putIntoDocs);
  if (kept !== undefined) print(`\nkept as ${kept}; its table is in docs/scale.md\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof ScaleUsageError;
  process.stderr.write(
    `bench:control-plane: ${(error as Error).message}\n${isUsage ? '(see --help)\n' : ''}`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
