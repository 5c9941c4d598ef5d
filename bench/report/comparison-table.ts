import type { Spread } from '../measure/percentiles.js';
import { workloadNamed } from '../workloads.js';
import { formatNumber, formatRatio, MEBIBYTE } from './number-format.js';
import { type Cell, cellOf, type FigureName, figure, type PeerEntry, type RunResult } from './results.js';
import { markdownTable, textTable } from './text-table.js';

interface Column {
  readonly heading: string;
  readonly name: FigureName;
  /** What a value is divided by to be shown. */
  readonly unit: number;
}

const COLUMNS: readonly Column[] = [
  { heading: 'requests/s', name: 'requestsPerSecond', unit: 1 },
  { heading: 'CPU µs/req', name: 'cpuUs', unit: 1 },
  { heading: 'p50 ms', name: 'p50', unit: 1 },
  { heading: 'p90 ms', name: 'p90', unit: 1 },
  { heading: 'p99 ms', name: 'p99', unit: 1 },
  { heading: 'p99.9 ms', name: 'p999', unit: 1 },
  { heading: 'memory MB', name: 'residentBytes', unit: MEBIBYTE },
];
/** Below this share of a core the proxy was waiting for load: its requests a second are at least what was seen. */
const SATURATED_CORES = 0.9;
const BASE = 'haproxy';

/** What one proxy shows under one workload. */
interface Row {
  readonly name: string;
  /** Instead of figures. */
  readonly note: string;
  readonly values: readonly { readonly median: string; readonly ratio: string; readonly range: string }[];
}

/** The comparison for a terminal: each proxy's medians and ratios to HAProxy, and under them the rounds' range. */
export function formatComparison(run: RunResult): string {
  return workloadsOf(run)
    .map((workload) => {
      const rows = rowsOf(run, workload);
      const head = ['', ...COLUMNS.map(({ heading }) => heading)];
      const lines = rows.flatMap((row) => textLines(row, run.rounds > 1));
      const notes = rows.filter(({ note }) => note !== '').map(({ name, note }) => `${name}: ${note}\n`);
      return `${titleOf(run, workload)}\n${textTable([head, ...lines])}\n${notes.join('')}`;
    })
    .join('\n');
}

/** The same for the documentation. */
export function comparisonMarkdown(run: RunResult): string {
  return workloadsOf(run)
    .map((workload) => {
      const head = ['', ...COLUMNS.map(({ heading }) => heading)];
      const lines = rowsOf(run, workload).map(({ name, note, values }) => [
        name,
        ...(note === ''
          ? values.map(({ median, ratio, range }) =>
              [median, ratio, range && `(${range})`].filter(Boolean).join(' '),
            )
          : [note, ...COLUMNS.slice(1).map(() => '')]),
      ]);
      return `**${titleOf(run, workload)}**\n\n${markdownTable([head, ...lines])}\n`;
    })
    .join('\n');
}

function titleOf(run: RunResult, workload: string): string {
  const { title } = workloadNamed(workload);
  const rate = run.rates[workload] ?? 0;
  const basis = run.rateBasis === '' ? '' : `, half of what ${run.rateBasis} can do`;
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}; latency at ${formatNumber(rate)} requests/s${basis}`;
}

function workloadsOf(run: RunResult): readonly string[] {
  return [...new Set(run.cells.map(({ workload }) => workload))];
}

function rowsOf(run: RunResult, workload: string): readonly Row[] {
  const base = cellOf(run, BASE, workload);
  return run.peers.map((peer) => {
    const cell = cellOf(run, peer.name, workload);
    return { name: peer.name, note: noteOf(peer, cell), values: valuesOf(cell, base) };
  });
}

function noteOf(peer: PeerEntry, cell: Cell | undefined): string {
  if (peer.missing !== '') return peer.missing;
  if (cell !== undefined) return '';
  return 'not measured';
}

function valuesOf(cell: Cell | undefined, base: Cell | undefined): Row['values'] {
  const busy = figure(cell, 'busyCores')?.median ?? 0;
  const hasProxy = figure(cell, 'cpuUs') !== undefined;
  const failed = (figure(cell, 'errors')?.max ?? 0) > 0;
  return COLUMNS.map(({ name, unit }) => {
    const spread = figure(cell, name);
    if (spread === undefined || (name === 'residentBytes' && !hasProxy))
      return { median: '–', ratio: '', range: '' };
    const unsaturated = name === 'requestsPerSecond' && (busy < SATURATED_CORES || !hasProxy);
    const mark = `${failed ? '!' : ''}${unsaturated ? '≥' : ''}`;
    return {
      median: `${mark}${formatNumber(spread.median / unit)}`,
      ratio: formatRatio(spread.median, figure(base, name)?.median),
      range: rangeOf(spread, unit),
    };
  });
}

function rangeOf({ min, max }: Spread, unit: number): string {
  return min === max ? '' : `${formatNumber(min / unit)}–${formatNumber(max / unit)}`;
}

function textLines({ name, note, values }: Row, withRange: boolean): string[][] {
  if (note !== '') return [[name, '–']];
  const first = [name, ...values.map(({ median, ratio }) => (ratio === '' ? median : `${median} ${ratio}`))];
  return withRange ? [first, ['', ...values.map(({ range }) => range)]] : [first];
}

/** How to read the marks, and what the peers are. */
export function legendOf(run: RunResult): string[] {
  const peers = run.peers
    .filter(({ missing }) => missing === '')
    .map(
      ({ name, version, description }) => `${name}${version === '' ? '' : ` ${version}`}: ${description}.`,
    );
  return [
    'Medians of the rounds, ratio to HAProxy, range of the rounds.',
    '≥: the proxy was still waiting for load; this much it can do at least. !: some answers were wrong or missing.',
    ...peers,
  ];
}
