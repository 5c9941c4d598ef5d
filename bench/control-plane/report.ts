import { fileURLToPath } from 'node:url';
import { median } from '../measure/percentiles.js';
import { figureRows } from '../report/figure-rows.js';
import { describeNoise, replaceBetween } from '../report/markdown.js';
import type { MachineDescription, SpecialFigure } from '../report/results.js';
import { markdownTable } from '../report/text-table.js';

/** Everything about one run, as `--json` writes it. */
export interface ScaleRun {
  readonly schema: 'control-plane-1';
  readonly date: string;
  readonly commit: string;
  readonly machine: MachineDescription;
  readonly node: string;
  readonly rounds: number;
  readonly services: number;
  readonly figures: readonly SpecialFigure[];
  /** Cores that processes other than the benchmark's kept busy meanwhile; undefined: unknown. */
  readonly othersCores: number | undefined;
}

const PAGE = fileURLToPath(new URL('../../../docs/scale.md', import.meta.url));
const START =
  '<!-- results: written by `npm run bench:control-plane -- --record NAME`; edits between these marks are lost -->';
const END = '<!-- end of results -->';

/** @param kept where the run's figures are */
export function putIntoDocs(run: ScaleRun, kept: string, page = PAGE): void {
  replaceBetween(page, START, END, scaleMarkdown(run, kept));
}

export function scaleMarkdown(run: ScaleRun, kept: string): string {
  return `${describeScaleRun(run)} All figures: \`${kept}\`.\n\n${markdownTable(scaleRows(run))}\n`;
}

export function describeScaleRun({ date, commit, machine, node, rounds, othersCores }: ScaleRun): string {
  return (
    `${date.slice(0, 10)}, commit ${commit}: ${machine.cores} cores of ${machine.cpu}, ` +
    `${machine.memoryGiB} GiB, ${machine.system}, Node ${node}; medians of ${rounds}.${describeNoise(othersCores)}`
  );
}

/** The figures, and whether each goal is met. */
export function scaleRows({ figures }: Pick<ScaleRun, 'figures'>): string[][] {
  return figureRows(figures).map((row, i) => [...row, i === 0 ? '' : verdictOf(figures[i - 1])]);
}

function verdictOf(figure: SpecialFigure | undefined): string {
  if (figure?.goal === undefined) return '';
  return median(figure.values) <= figure.goal ? 'met' : 'NOT MET';
}
