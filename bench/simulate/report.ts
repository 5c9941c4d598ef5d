import { describeTraits } from './history.js';
import type { SimulationOptions } from './options.js';
import { isWrong, type PooledShare, type ShareResult } from './oracle/shares.js';
import { type Offence, Simulation } from './simulation.js';
import { STEP_MS } from './step.js';
import type { ServiceWorld } from './world/service-world.js';

type Counts = Readonly<Record<string, number>>;

/** What a simulation came to. Plain data, made to be printed. */
export interface Report {
  readonly passed: boolean;
  readonly options: SimulationOptions;
  readonly seconds: number;
  /** Of the processor: what the run takes on a machine that has nothing else to do. */
  readonly cpuSeconds: number;
  readonly peakMemoryMb: number;
  readonly sessions: number;
  readonly requests: number;
  readonly decisions: number;
  /** Requests with nowhere to go, which is right where nothing is usable. */
  readonly unanswered: number;
  readonly changes: Counts;
  readonly fleet: Counts;
  /** Moves to another release, by reason. */
  readonly flips: Counts;
  /** Moves to another endpoint of the same release, by reason. */
  readonly hops: Counts;
  readonly unexplained: { readonly flips: number; readonly hops: number; readonly others: number };
  readonly shares: readonly PooledShare[];
  /** How many single splits were measured, and those that came out wrong. */
  readonly splits: number;
  readonly wrongSplits: readonly ShareResult[];
  readonly offence?: Offence & { readonly history: readonly string[] };
}

/** @param took seconds, by the clock and of the processor */
export function reportOn(
  simulation: Simulation,
  options: SimulationOptions,
  took: Pick<Report, 'seconds' | 'cpuSeconds'>,
): Report {
  const { oracle, shares, world, fleet, offence } = simulation;
  const { tally } = oracle;
  const pooled = shares.pooled();
  const results = shares.results();
  const wrongSplits = results.filter(isWrong);
  const wrongShares = pooled.filter((share) => pointsOff(share) > share.limitPoints);
  return {
    passed: tally.unexplained === 0 && wrongShares.length === 0 && wrongSplits.length === 0,
    options,
    ...took,
    peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1024),
    sessions: simulation.sessionsBegun,
    requests: simulation.requests,
    decisions: simulation.decisions,
    unanswered: tally.unanswered,
    changes: world.changes,
    fleet: fleet.changes,
    flips: tally.flips,
    hops: tally.hops,
    unexplained: { flips: tally.unexplainedFlips, hops: tally.unexplainedHops, others: tally.misplaced },
    shares: pooled,
    splits: results.length,
    wrongSplits,
    ...(offence === undefined ? {} : { offence: { ...offence, history: historyOf(offence, options) } }),
  };
}

/** Most lines of a history that are shown; the oldest are left out. */
const HISTORY_LINES = 40;

/** Runs it all once more up to the offence, keeping what happens to its session. */
function historyOf({ session, request }: Offence, options: SimulationOptions): string[] {
  const again = new Simulation(options, session);
  again.run({ until: request });
  const { index } = again.sessions.traitsOf(session);
  const service = again.world.services[index] as ServiceWorld;
  return [describeTraits(service), ...again.history.slice(-HISTORY_LINES)];
}

export function pointsOff({ gotPercent, askedPercent }: PooledShare): number {
  return Math.abs(gotPercent - askedPercent);
}

const number = (n: number) => n.toLocaleString('en-US');

export function printReport(report: Report): string {
  const { options, unexplained } = report;
  const { flips, hops, others } = unexplained;
  return [
    `${number(options.sidecars)} sidecars, ${number(options.services)} services, ${number(report.sessions)} sessions, ` +
      `${number(options.steps)} steps of ${STEP_MS / 1000} s, seed ${options.seed}${options.mutant ? `, mutant ${options.mutant}` : ''}`,
    `${number(report.requests)} requests, ${number(report.decisions)} decisions in ${report.seconds.toFixed(1)} s ` +
      `(${report.cpuSeconds.toFixed(1)} s of processor time, ${report.peakMemoryMb} MB)`,
    '',
    ...printCounts('what operators and machines did', report.changes),
    ...printCounts('what befell the fleet', report.fleet),
    ...printCounts('moves to another release, by reason', report.flips),
    ...printCounts('moves to another endpoint, by reason', report.hops),
    ...printShares(report),
    '',
    `unanswered, with nothing usable to go to: ${number(report.unanswered)}`,
    `unexplained: ${number(flips)} flips, ${number(hops)} hops, ${number(others)} other decisions`,
    ...printOffence(report),
    report.passed ? 'passed' : 'FAILED',
  ].join('\n');
}

function printCounts(title: string, counts: Counts): string[] {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const sum = rows.reduce((total, [, count]) => total + count, 0);
  return [
    `${title}: ${number(sum)}`,
    ...rows.map(([what, count]) => `  ${number(count).padStart(11)}  ${what}`),
    '',
  ];
}

const SAMPLES: Readonly<Record<PooledShare['sample'], string>> = {
  balanced: 'sessions by their slot (balanced)',
  persistent: 'sessions by their slot, and pinned (persistent)',
  chance: 'requests by chance (none, or no key)',
  all: 'together',
};

function printShares({ shares, splits, wrongSplits }: Report): string[] {
  const rows = shares.map((share) => {
    const difference = share.gotPercent - share.askedPercent;
    const verdict = pointsOff(share) > share.limitPoints ? '  WRONG' : '';
    return (
      `  ${share.askedPercent.toFixed(3)} % asked, ${share.gotPercent.toFixed(3)} % got, ` +
      `${difference.toFixed(3)} points (at most ${share.limitPoints.toFixed(2)}): ` +
      `${number(share.total)} ${SAMPLES[share.sample]}, ${number(share.splits)} splits${verdict}`
    );
  });
  const wrong = wrongSplits.map(({ sample, total, releases }) => {
    const parts = releases.map(({ name, asked, got }) => `${name} ${percent(got)}, not ${percent(asked)}`);
    return `  WRONG: ${parts.join('; ')} (${sample}, ${number(total)})`;
  });
  return [
    'share of all releases but the first of their split',
    ...rows,
    `  of ${number(splits)} splits by themselves, ${number(wrongSplits.length)} wrong`,
    ...wrong,
  ];
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

function printOffence({ offence }: Report): string[] {
  if (offence === undefined) return [];
  return [
    '',
    `first: request ${number(offence.request)}, of session ${number(offence.session)}: ${offence.problem}`,
    ...offence.history.map((line) => `  ${line}`),
    '',
  ];
}
