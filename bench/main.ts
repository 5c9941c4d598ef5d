import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Bench, compareProxies } from './comparison.js';
import { currentCommit, describeMachine, placeOnCores, toolVersions } from './machine.js';
import { MachineLoad } from './measure/machine-load.js';
import { measureMicro } from './micro/micro.js';
import { type BenchOptions, BenchUsageError, HELP, readOptions } from './options.js';
import { ProcessGroup } from './processes.js';
import { Progress } from './progress.js';
import { changeRows, compareRuns } from './report/compare.js';
import { formatComparison, legendOf } from './report/comparison-table.js';
import { figureRows } from './report/figure-rows.js';
import { evaluateGoals, goalRows } from './report/goals.js';
import { describeRun, replaceResults } from './report/markdown.js';
import { keepRun, readRun } from './report/recorded-run.js';
import type { RunResult, SpecialFigure } from './report/results.js';
import { textTable } from './report/text-table.js';
import { measureAffinity } from './special/affinity.js';
import { measureAgainst } from './special/against.js';
import { measureMemory } from './special/memory.js';
import { profileSidecar } from './special/profile.js';
import { measureWorkers } from './special/workers.js';
import { measureStickiness, stickinessTable } from './stickiness/stickiness.js';

const ROOT = new URL('../../', import.meta.url);
const PAGE = fileURLToPath(new URL('docs/performance.md', ROOT));

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) print(HELP);
  else if (options.compare) compareFiles(...options.compare);
  else if (options.render !== undefined)
    replaceResults(PAGE, readRun<RunResult>(options.render, 1), options.render);
  else await measure(options);
}

async function measure(options: BenchOptions): Promise<void> {
  const processes = new ProcessGroup();
  const placement = placeOnCores();
  const bench: Bench = { options, processes, placement, progress: new Progress() };
  try {
    if (options.command === 'profile') {
      const report = await profileSidecar(bench);
      bench.progress.end();
      print(report);
      return;
    }
    if (options.command === 'stickiness') {
      await reportStickiness(bench);
      return;
    }
    const run = await measureRun(bench);
    bench.progress.end();
    report(run, placement.note);
    keep(run, options);
  } finally {
    bench.progress.end();
    await processes.stopAll();
  }
}

async function reportStickiness({ options, progress }: Bench): Promise<void> {
  const { seeds, only, envoyPath, jsonFile } = options;
  const onStep = (text: string) => progress.step(text);
  const report = await measureStickiness({ seeds, only, envoyPath, onStep });
  progress.end();
  print(stickinessTable(report));
  if (report.failures.length > 0) process.exitCode = 1;
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(report, undefined, 2)}\n`);
}

async function measureRun(bench: Bench): Promise<RunResult> {
  const { options } = bench;
  const others = MachineLoad.watch();
  const compares = options.command === 'compare-proxies';
  const comparison = compares
    ? await compareProxies(bench)
    : { peers: [], cells: [], rates: {}, rateBasis: '' };
  const special = await measureSpecial(bench);
  return {
    schema: 1,
    date: new Date().toISOString(),
    commit: currentCommit(),
    machine: describeMachine(),
    tools: toolVersions(),
    seconds: options.seconds,
    rounds: options.rounds,
    ...comparison,
    special,
    othersCores: others?.othersCores(),
  };
}

/** All of them after a full comparison; one where one was asked for. */
async function measureSpecial(bench: Bench): Promise<SpecialFigure[]> {
  const { command, only, workloads } = bench.options;
  const isPart = only.length > 0 || workloads.length > 0;
  const wanted = (name: string) => command === name || (command === 'compare-proxies' && !isPart);
  const figures: SpecialFigure[] = [];
  if (wanted('memory')) figures.push(...(await measureMemory(bench)));
  if (wanted('affinity')) figures.push(...(await measureAffinity(bench)));
  // Only where it is asked for: it takes minutes, and on most machines has too few cores to tell.
  if (command === 'workers') figures.push(...(await measureWorkers(bench)));
  if (command === 'against') figures.push(...(await measureAgainst(bench)));
  if (wanted('micro')) {
    bench.progress.step('micro: decision, session table, ring');
    figures.push(...(await measureMicro(bench.processes, bench.placement.proxyCores)));
  }
  return figures;
}

function report(run: RunResult, note: string): void {
  print(`\n${describeRun(run).replaceAll('**', '')}\nOn this machine: ${note}.\n\n`);
  if (run.cells.length > 0 || run.peers.length > 0)
    print(`${formatComparison(run)}\n${legendOf(run).join('\n')}\n\n`);
  if (run.special.length > 0) print(`${textTable(figureRows(run.special))}\n\n`);
  print(`${textTable(goalRows(evaluateGoals(run)))}\n`);
}

function keep(run: RunResult, options: BenchOptions): void {
  const kept = keepRun(run, options, (recorded, kept) => replaceResults(PAGE, recorded, kept));
  if (kept !== undefined) print(`\nkept as ${kept}; its tables are in docs/performance.md\n`);
}

function compareFiles(before: string, after: string): void {
  const [a, b] = [readRun<RunResult>(before, 1), readRun<RunResult>(after, 1)];
  print(`before: ${describeRun(a)}\nafter:  ${describeRun(b)}\n\n`);
  if (JSON.stringify(a.machine) !== JSON.stringify(b.machine))
    print('Two machines: read the ratios of peers only.\n\n');
  const changes = compareRuns(a, b);
  print(`${textTable(changeRows(changes))}\n`);
  const worse = changes.filter(({ verdict }) => verdict === 'worse');
  print(worse.length === 0 ? '\nNothing got worse.\n' : `\n${worse.length} got worse.\n`);
  if (worse.length > 0) process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(text);
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof BenchUsageError || error instanceof RangeError;
  process.stderr.write(`bench: ${(error as Error).message}\n${isUsage ? '(see --help)\n' : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}
