import { Teardown } from '../../src/lifecycle/teardown.js';
import { ownerOf } from '../../test/support/owner.js';
import { textTable } from '../report/text-table.js';
import { envoyPrograms } from './envoy.js';
import { haproxyPrograms } from './haproxy.js';
import { nginxCookie, nginxHeader } from './nginx.js';
import { type RolloutFigures, type RolloutSize, rollOut } from './rollout.js';
import { roostPrograms } from './roost.js';
import type { StickyPeerProgram } from './sticky-peer.js';

/** Rollouts at a time. They wait more than they work. */
const AT_A_TIME = 4;
/** For one rollout, so that a proxy that hangs ends the run. */
const ROLLOUT_LIMIT_MS = 120_000;
const SIZE: RolloutSize = { sessions: 3000, newcomers: 1000, testers: 200, healthMs: 2500 };

export interface StickinessResult {
  readonly proxy: string;
  readonly seed: number;
  readonly figures: RolloutFigures;
}

export interface StickinessFailure {
  readonly proxy: string;
  readonly seed: number;
  readonly reason: string;
}

export interface StickinessReport {
  readonly size: RolloutSize;
  readonly results: readonly StickinessResult[];
  /** Rollouts that did not come to their end. */
  readonly failures: readonly StickinessFailure[];
  readonly programs: readonly { readonly name: string; readonly how: string; readonly missing?: string }[];
}

export interface StickinessOptions {
  readonly seeds: readonly number[];
  /** Words that a program's name has to contain one of; empty: all programs. */
  readonly only: readonly string[];
  /** Of the Envoy binary, where it is not on PATH. */
  readonly envoyPath: string | undefined;
  readonly size?: RolloutSize;
  readonly onStep: (text: string) => void;
}

/**
 * One rollout for each program and seed. A program that is not installed is left out, and the report says why. A
 * proxy that ends or hangs fails its own rollout only.
 */
export async function measureStickiness(options: StickinessOptions): Promise<StickinessReport> {
  const { seeds, only, envoyPath, size = SIZE } = options;
  const every = [...roostPrograms, ...envoyPrograms(envoyPath), ...haproxyPrograms, nginxHeader, nginxCookie];
  const programs = every.filter(({ name }) => isWanted(name, only));
  const jobs = programs
    .filter((program) => program.missing() === undefined)
    .flatMap((program) => seeds.map((seed) => ({ program, seed })));
  const results: StickinessResult[] = [];
  const failures: StickinessFailure[] = [];
  const worker = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { program, seed } = job;
      const of = { proxy: program.name, seed };
      await measureOne(program, seed, size, options.onStep).then(
        (figures) => results.push({ ...of, figures }),
        (error: Error) => failures.push({ ...of, reason: error.message }),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  const place = ({ proxy, seed }: StickinessResult) =>
    programs.findIndex(({ name }) => name === proxy) * seeds.length + seeds.indexOf(seed);
  return {
    size,
    failures,
    results: results.sort((a, b) => place(a) - place(b)),
    programs: programs.map((program) => {
      const missing = program.missing();
      return { name: program.name, how: program.how, ...(missing === undefined ? {} : { missing }) };
    }),
  };
}

function isWanted(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((word) => name.toLowerCase().includes(word.toLowerCase()));
}

async function measureOne(
  program: StickyPeerProgram,
  seed: number,
  size: RolloutSize,
  onStep: (text: string) => void,
): Promise<RolloutFigures> {
  const teardown = new Teardown();
  const owner = ownerOf(teardown);
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`${program.name}: the rollout took more than ${ROLLOUT_LIMIT_MS / 1000} s`);
    limit = setTimeout(() => reject(error), ROLLOUT_LIMIT_MS);
  });
  const step = (text: string) => onStep(`stickiness: ${program.name}, seed ${seed}: ${text}`);
  try {
    return await Promise.race([rollOut({ owner, program, size, seed, onStep: step }), late]);
  } finally {
    clearTimeout(limit);
    await teardown.run();
  }
}

/** For people: a column for each figure, the seeds of a program in one cell. */
export function stickinessTable({ results, failures, programs, size }: StickinessReport): string {
  const names = [...new Set(results.map(({ proxy }) => proxy))];
  const rows = names.map((name) => {
    const all = results.filter(({ proxy }) => proxy === name).map(({ figures }) => figures);
    return [name, ...COLUMNS.map(([, cell]) => all.map(cell).join(', '))];
  });
  const legend = programs.map(({ name, how, missing }) =>
    missing === undefined ? `${name}: ${how}` : `${name}: not measured, because ${missing} is not installed`,
  );
  const failed = failures.map(({ proxy, seed, reason }) => `FAILED: ${proxy}, seed ${seed}: ${reason}`);
  const head = ['', ...COLUMNS.map(([title]) => title)];
  return `${size.sessions} sessions, two instances of each proxy\n\n${textTable([head, ...rows])}\n\n${[...legend, ...failed].join('\n')}\n`;
}

const COLUMNS: readonly (readonly [title: string, cell: (figures: RolloutFigures) => string])[] = [
  ['disagree', ({ disagree }) => String(disagree)],
  ['moved by 900/100', ({ movedByRewriting }) => String(movedByRewriting)],
  ['left canary', ({ leftCanary }) => String(leftCanary)],
  ['joined it', ({ joinedCanary }) => String(joinedCanary)],
  ['hops', ({ hops }) => String(hops)],
  ['labels lost', ({ lostLabels, testers }) => `${lostLabels}/${testers}`],
  ['evicted by drain', ({ evictedByDrain, oldCanary }) => `${evictedByDrain}/${oldCanary}`],
  ['admitted in it', ({ admittedInDrain }) => String(admittedInDrain)],
  ['leaked, active', ({ inheritedActive, oldActive }) => `${inheritedActive}/${oldActive}`],
  ['leaked, idle', ({ inheritedIdle, oldCanary, oldActive }) => `${inheritedIdle}/${oldCanary - oldActive}`],
  ['unanswered, dead', ({ unanswered, atDead }) => `${unanswered}/${atDead}`],
  ['back', ({ back, atDead }) => `${back}/${atDead}`],
  ['share off', ({ shareOffPoints }) => shareOffPoints.toFixed(1)],
  ['failed', ({ failedCalls }) => String(failedCalls)],
];
