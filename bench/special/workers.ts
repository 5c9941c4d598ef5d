import { cpus } from 'node:os';
import { join } from 'node:path';
import { type Backends, startBackends } from '../backends/backends.js';
import type { Bench } from '../comparison.js';
import { writeRequestPool } from '../load/request-pool.js';
import type { Placement } from '../machine.js';
import { measureSaturation, type Saturation, warmUp } from '../measure/cell.js';
import { median } from '../measure/percentiles.js';
import { shareWithWork, type ThreadWork, threadWorkOf } from '../measure/thread-work.js';
import { startRoost } from '../peers/roost.js';
import { onPath } from '../processes.js';
import { formatNumber } from '../report/number-format.js';
import type { SpecialFigure } from '../report/results.js';
import { type Workload, workloadNamed } from '../workloads.js';

const WARM_UP_SECONDS = 3;
/** Of the ideal: N workers do N times what one does. */
const GOAL = 0.85;
const COUNTS = [1, 2, 4];
/** So many that the kernel's spread over four workers is even to within a tenth or so. */
const CONNECTIONS = 256;
/** Cores kept busy, of those that a sidecar has: below this share, it was waiting for load. */
const SATURATED = 0.9;

interface Measured extends Saturation {
  /** Share of the time in which each worker had something to do, whether or not it got a core for it. */
  readonly withWork: number;
}

/** What is measured with several numbers of workers. */
interface Scenario {
  readonly name: string;
  /** Routes that every request has to be compared with. */
  readonly routes: readonly object[];
  /** Cores that are needed to tell how much N workers do: what the load takes beside them. */
  coresNeeded(workers: number): number;
}

const SMALL: Scenario = {
  name: 'small GET, pinned sessions',
  routes: [],
  // Load and backends take about as much as the sidecar.
  coresNeeded: (workers) => 2 * workers,
};

/**
 * Requests that cost the sidecar fifty times what they cost the load: on a machine without cores to spare, the only
 * ones that tell whether two workers do twice as much as one. What they cost is JavaScript, without the kernel.
 */
const COSTLY: Scenario = {
  name: 'costly routes',
  routes: Array.from({ length: 400 }, (_, i) => ({
    name: `regex-${i}`,
    match: [{ headers: [{ name: 'authorization', regex: `Bearer ([0-9]+|[a-f]+)*(x${i}|y)` }] }],
    split: [{ version: 'v2', weight: 1 }],
  })),
  coresNeeded: (workers) => workers,
};

/** What more workers bring, and what they cost. */
export async function measureWorkers(bench: Bench): Promise<SpecialFigure[]> {
  const { processes, placement } = bench;
  const backends = await startBackends(processes, {
    tls: false,
    cores: loadCores(Math.max(...COUNTS), placement),
  });
  const figures: SpecialFigure[] = [];
  for (const scenario of [SMALL, COSTLY]) figures.push(...(await measureScenario(bench, backends, scenario)));
  return figures;
}

async function measureScenario(
  bench: Bench,
  backends: Backends,
  scenario: Scenario,
): Promise<SpecialFigure[]> {
  const cores = cpus().length;
  const rounds: Measured[][] = [];
  for (let round = 0; round < bench.options.rounds; round++) {
    const measured: Measured[] = [];
    for (let i = 0; i < COUNTS.length; i++) {
      // Every round begins with another.
      const at = (i + round) % COUNTS.length;
      const workers = COUNTS[at] as number;
      bench.progress.step(`workers: ${scenario.name}, round ${round + 1}, ${workers} of them`);
      measured[at] = await measureOnce(bench, backends, scenario, workers);
    }
    rounds.push(measured);
  }
  return COUNTS.flatMap((workers, at) => figuresOf(scenario, workers, cores, rounds, at));
}

function figuresOf(
  { name, coresNeeded }: Scenario,
  workers: number,
  cores: number,
  rounds: readonly Measured[][],
  at: number,
): SpecialFigure[] {
  const what = `${name}, ${workers} worker${workers === 1 ? '' : 's'}`;
  const figure = (label: string, unit: string, read: (these: Measured, one: Measured) => number) => ({
    name: `${what}: ${label}`,
    unit,
    values: rounds.map((round) => read(round[at] as Measured, round[0] as Measured)),
    goal: undefined,
  });
  const busy = figure('cores busy', '', ({ busyCores }) => busyCores);
  const figures = [
    figure('CPU a request', 'µs', ({ cpuUs }) => cpuUs),
    figure('throughput', 'requests/s', ({ requestsPerSecond }) => requestsPerSecond),
    busy,
    figure('time in which a worker had work', '×', ({ withWork }) => withWork),
  ];
  if (workers === 1) return figures;
  const scaling = figure(
    `throughput ÷ ${workers} × one worker’s`,
    '×',
    (these, one) => these.requestsPerSecond / one.requestsPerSecond / workers,
  );
  return [
    ...figures,
    figure('CPU of one worker’s request ÷ CPU of theirs', '×', (these, one) => one.cpuUs / these.cpuUs),
    figure(
      `what ${workers} cores of their own would have let them do ÷ ${workers} × one worker’s`,
      '×',
      (these, one) => (one.cpuUs / these.cpuUs) * (these.withWork / one.withWork),
    ),
    { ...scaling, ...judgement(cores, coresNeeded(workers), median(busy.values) / workers) },
  ];
}

/** Whether the throughput says anything, and by what it is judged. */
function judgement(cores: number, needed: number, busyEach: number): Partial<SpecialFigure> {
  if (cores < needed) return { note: `not judged: it needs ${needed} cores` };
  if (busyEach < SATURATED)
    return {
      note: `not judged: each had ${formatNumber(busyEach)} of a core; load, or other processes, took the rest`,
    };
  return { goal: GOAL, moreIsBetter: true };
}

let starts = 0;

async function measureOnce(
  { processes, options, placement }: Bench,
  backends: Backends,
  { routes, coresNeeded }: Scenario,
  workers: number,
): Promise<Measured> {
  const workload: Workload = { ...workloadNamed('small'), connections: CONNECTIONS };
  const pool = join(processes.folder, 'workers.requests');
  writeRequestPool(pool, workload);
  const folder = join(processes.folder, `workers-${++starts}`);
  const isPinned = placement.proxyCores !== undefined && coresNeeded(Math.max(...COUNTS)) <= cpus().length;
  const cores = {
    proxyCores: isPinned ? range(0, workers) : undefined,
    loadCores: isPinned ? loadCores(Math.max(...COUNTS), placement) : undefined,
  };
  const peer = await startRoost(
    { processes, backends, folder, ...cores },
    { affinity: 'persistent', config: [], nodeArgs: [], flags: ['--workers', String(workers)], routes },
  );
  try {
    const where: Placement = { ...placement, ...cores };
    const measurement = { processes, placement: where, peer, workload, pool, seconds: options.seconds };
    // Each thread compiles for itself.
    await warmUp(measurement, WARM_UP_SECONDS * workers);
    const before = threadWorkOf(peer.proxy.pid);
    const startedAt = performance.now();
    const measured = await measureSaturation(measurement);
    const elapsedMs = performance.now() - startedAt;
    if (measured.errors > 0) throw new Error(`${measured.errors} requests failed with ${workers} workers`);
    return { ...measured, withWork: withWork(before, threadWorkOf(peer.proxy.pid), elapsedMs, workers) };
  } finally {
    await peer.stop();
  }
}

/** NaN where the system does not tell. */
function withWork(
  before: ThreadWork | undefined,
  after: ThreadWork | undefined,
  elapsedMs: number,
  workers: number,
): number {
  if (before === undefined || after === undefined) return Number.NaN;
  return shareWithWork(before, after, elapsedMs, workers);
}

/** Cores that no sidecar has; undefined: there are none to spare, or processes cannot be pinned. */
function loadCores(most: number, { loadCores }: Placement): string | undefined {
  const cores = cpus().length;
  if (loadCores === undefined || onPath('taskset') === undefined || cores < 2 * most) return undefined;
  return range(most, cores - most);
}

function range(first: number, count: number): string {
  return count === 1 ? String(first) : `${first}-${first + count - 1}`;
}
