import { median } from '../measure/percentiles.js';
import { formatNumber } from './number-format.js';
import { cellOf, type FigureName, figure, type RunResult } from './results.js';

/** One figure in two runs. */
export interface Change {
  readonly what: string;
  readonly before: number;
  readonly after: number;
  readonly verdict: 'better' | 'worse' | 'same';
}

interface Compared {
  readonly name: FigureName;
  readonly label: string;
  readonly moreIsBetter: boolean;
}

const COMPARED: readonly Compared[] = [
  { name: 'requestsPerSecond', label: 'requests/s', moreIsBetter: true },
  { name: 'cpuUs', label: 'CPU µs/req', moreIsBetter: false },
  { name: 'p50', label: 'p50 ms', moreIsBetter: false },
  { name: 'p99', label: 'p99 ms', moreIsBetter: false },
  { name: 'residentBytes', label: 'memory', moreIsBetter: false },
];
const LATENCIES: readonly FigureName[] = ['p50', 'p99'];
/** Smaller changes of the median are noise on any machine. */
const THRESHOLD = 0.05;
/** Latencies at rates further apart than this are not the same figure. */
const RATE_TOLERANCE = 0.1;

/**
 * What changed from one run to another. A change counts where the medians are apart by more than
 * {@link THRESHOLD} and the rounds' ranges do not overlap, for the rounds say how far chance goes.
 */
export function compareRuns(before: RunResult, after: RunResult): readonly Change[] {
  return [...cellChanges(before, after), ...specialChanges(before, after)];
}

function cellChanges(before: RunResult, after: RunResult): Change[] {
  return after.cells.flatMap(({ peer, workload }) =>
    COMPARED.flatMap(({ name, label, moreIsBetter }) => {
      if (LATENCIES.includes(name) && !sameRate(before.rates[workload], after.rates[workload])) return [];
      const a = figure(cellOf(before, peer, workload), name);
      const b = figure(cellOf(after, peer, workload), name);
      if (a === undefined || b === undefined) return [];
      const apart = b.min > a.max || b.max < a.min;
      const verdict = apart ? verdictOf(a.median, b.median, moreIsBetter) : 'same';
      return [{ what: `${peer}, ${workload}: ${label}`, before: a.median, after: b.median, verdict }];
    }),
  );
}

function specialChanges(before: RunResult, after: RunResult): Change[] {
  return after.special.flatMap(({ name, unit, values, moreIsBetter = false }) => {
    const known = before.special.find((figure) => figure.name === name);
    if (known === undefined || known.values.length === 0 || values.length === 0) return [];
    const a = median(known.values);
    const b = median(values);
    return [{ what: `${name}, ${unit}`, before: a, after: b, verdict: verdictOf(a, b, moreIsBetter) }];
  });
}

function sameRate(a: number | undefined, b: number | undefined): boolean {
  return a !== undefined && b !== undefined && Math.abs(a - b) <= RATE_TOLERANCE * a;
}

function verdictOf(before: number, after: number, moreIsBetter: boolean): Change['verdict'] {
  const change = (after - before) / before;
  if (!(Math.abs(change) > THRESHOLD)) return 'same';
  return change > 0 === moreIsBetter ? 'better' : 'worse';
}

export function changeRows(changes: readonly Change[]): string[][] {
  const percent = ({ before, after }: Change) => {
    const change = ((after - before) / before) * 100;
    return `${change > 0 ? '+' : ''}${change.toFixed(1)} %`;
  };
  return [
    ['', 'before', 'after', 'change', ''],
    ...changes.map((change) => [
      change.what,
      formatNumber(change.before),
      formatNumber(change.after),
      percent(change),
      change.verdict === 'same' ? '' : change.verdict,
    ]),
  ];
}
