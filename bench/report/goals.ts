import { median } from '../measure/percentiles.js';
import { formatNumber } from './number-format.js';
import { type Cell, cellOf, describeGoal, type FigureName, figure, type RunResult } from './results.js';

export interface Verdict {
  readonly goal: string;
  /** What was measured; says why where it was not. */
  readonly measured: string;
  /** Undefined: not measured. */
  readonly met: boolean | undefined;
}

const ROOST = 'roost';
const SMALL = 'small';
const BLOB = 'blob';

/** What the project has promised, and whether this run keeps it. */
export function evaluateGoals(run: RunResult): readonly Verdict[] {
  return [
    atMost(run, 'CPU a request, small GET, 64 connections', 'cpuUs', 'haproxy', 1.3),
    atMost(run, 'CPU a request, small GET, 64 connections', 'cpuUs', 'envoy', 1),
    atMost(run, 'CPU a request, small GET, 64 connections', 'cpuUs', 'node+undici', 0.4),
    latencyGoal(run),
    throughputGoal(run),
    ...run.special
      .filter(({ goal }) => goal !== undefined)
      .map((figure) => {
        const { name, unit, values, goal, moreIsBetter } = figure;
        const measured = median(values);
        return {
          goal: `${name} ${describeGoal(figure)}`,
          measured: `${formatNumber(measured)} ${unit}`,
          met: moreIsBetter ? measured >= (goal as number) : measured <= (goal as number),
        };
      }),
  ];
}

function atMost(run: RunResult, what: string, name: FigureName, peer: string, factor: number): Verdict {
  const ratio = ratioTo(run, name, peer, SMALL);
  const goal = factor === 1 ? `${what} < ${peer}` : `${what} ≤ ${factor} × ${peer}`;
  if (ratio === undefined) return { goal, measured: 'not measured', met: undefined };
  return { goal, measured: `${ratio.toFixed(2)} ×`, met: factor === 1 ? ratio < 1 : ratio <= factor };
}

/** At half of Envoy's saturation: only a run that could measure that can tell. */
function latencyGoal(run: RunResult): Verdict {
  const goal = 'p99 at half of envoy’s saturation, small GET ≤ envoy';
  const ratio = ratioTo(run, 'p99', 'envoy', SMALL);
  if (run.rateBasis !== 'envoy' || ratio === undefined)
    return { goal, measured: 'not measured', met: undefined };
  return { goal, measured: `${ratio.toFixed(2)} ×`, met: ratio <= 1 };
}

function throughputGoal(run: RunResult): Verdict {
  const goal = '100 KB responses, MB/s of a core ≥ 0.8 × haproxy';
  const own = bytesPerCpuSecond(cellOf(run, ROOST, BLOB));
  const base = bytesPerCpuSecond(cellOf(run, 'haproxy', BLOB));
  if (own === undefined || base === undefined) return { goal, measured: 'not measured', met: undefined };
  const megabytes = (bytes: number) => formatNumber(bytes / 1e6);
  return {
    goal,
    measured: `${(own / base).toFixed(2)} × (${megabytes(own)} to ${megabytes(base)})`,
    met: own / base >= 0.8,
  };
}

function bytesPerCpuSecond(cell: Cell | undefined): number | undefined {
  const cpuUs = figure(cell, 'cpuUs')?.median;
  const requests = figure(cell, 'requestsPerSecond')?.median;
  const bytes = figure(cell, 'bytesPerSecond')?.median;
  if (cpuUs === undefined || requests === undefined || bytes === undefined) return undefined;
  return bytes / requests / (cpuUs / 1e6);
}

function ratioTo(run: RunResult, name: FigureName, peer: string, workload: string): number | undefined {
  const own = figure(cellOf(run, ROOST, workload), name)?.median;
  const other = figure(cellOf(run, peer, workload), name)?.median;
  return own === undefined || other === undefined || other === 0 ? undefined : own / other;
}

export function goalRows(verdicts: readonly Verdict[]): string[][] {
  const word = (met: boolean | undefined) => (met === undefined ? '–' : met ? 'met' : 'NOT MET');
  return [
    ['goal', 'measured', ''],
    ...verdicts.map(({ goal, measured, met }) => [goal, measured, word(met)]),
  ];
}
