import { readFileSync, writeFileSync } from 'node:fs';
import { median } from '../measure/percentiles.js';
import { comparisonMarkdown, legendOf } from './comparison-table.js';
import { evaluateGoals, goalRows } from './goals.js';
import { formatNumber } from './number-format.js';
import { describeGoal, type RunResult } from './results.js';
import { markdownTable } from './text-table.js';

const START =
  '<!-- results: written by `npm run bench -- --record NAME`; edits between these marks are lost -->';
const END = '<!-- end of results -->';
/** More than this many cores busy with something else, and the figures are for orientation only. */
const QUIET_CORES = 0.1;

/** Replaces the results in a page of documentation, leaving the rest of it alone. */
export function replaceResults(file: string, run: RunResult, kept: string): void {
  replaceBetween(file, START, END, resultsMarkdown(run, kept));
}

/** Replaces what is between two lines of a page. @throws Error where the page does not have them */
export function replaceBetween(file: string, start: string, end: string, content: string): void {
  const page = readFileSync(file, 'utf8');
  const [before, rest] = page.split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error(`${file} has no place for results: it needs the lines "${start}" and "${end}"`);
  writeFileSync(file, `${before}${start}\n\n${content}\n${end}${after}`);
}

/** @param kept where the run's figures are, for readers who want all of them */
export function resultsMarkdown(run: RunResult, kept: string): string {
  const special = run.special.map((figure) => [
    figure.name,
    `${formatNumber(median(figure.values))} ${figure.unit}`,
    describeGoal(figure),
  ]);
  return [
    `${describeRun(run)} All figures: \`${kept}\`.`,
    comparisonMarkdown(run).trimEnd(),
    legendOf(run).join('  \n'),
    ...(special.length === 0 ? [] : [markdownTable([['', 'measured', 'goal'], ...special])]),
    markdownTable(goalRows(evaluateGoals(run))),
    '',
  ].join('\n\n');
}

/** When, where, with what, and how quiet it was. */
export function describeRun(run: RunResult): string {
  const { machine, tools, othersCores } = run;
  return (
    `${run.date.slice(0, 10)}, commit ${run.commit}: ${machine.cores} cores of ${machine.cpu}, ` +
    `${machine.memoryGiB} GiB, ${machine.system}, Node ${tools.node}, wrk ${tools.wrk}, ${run.rounds} rounds of ${run.seconds} s.${describeNoise(othersCores)}`
  );
}

/** How much of the machine others used meanwhile; empty where that is not known. */
export function describeNoise(othersCores: number | undefined): string {
  if (othersCores === undefined) return '';
  const cores = othersCores.toFixed(2);
  return othersCores > QUIET_CORES
    ? ` **Noisy: other processes kept ${cores} cores busy meanwhile; read the ratios, not the figures.**`
    : ` Quiet: other processes used ${cores} cores.`;
}
