import { parseArgs } from 'node:util';

export const MEASUREMENTS = ['relay'] as const;
export type SessionMeasurement = (typeof MEASUREMENTS)[number];

export interface SessionBenchOptions {
  readonly only: readonly SessionMeasurement[];
  readonly rounds: number;
  /** How long each round of a measurement lasts. */
  readonly seconds: number;
  readonly sidecars: number;
  /** New sessions a second. */
  readonly rate: number;
  /** Sessions of the rollout. */
  readonly sessions: number;
  /** Commit that `cpu` compares with. */
  readonly before: string;
  /** Folder for a CPU profile of the control plane under `relay`. */
  readonly profile: string | undefined;
  readonly help: boolean;
}

/** The command line is wrong; says everything that is. */
export class SessionUsageError extends Error {}

/** The last commit whose sidecars share no pins. */
const BEFORE_SHARING = '57ad8e8^';

const FLAGS = {
  only: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '5' },
  sidecars: { type: 'string', default: '50' },
  rate: { type: 'string', default: '5000' },
  sessions: { type: 'string', default: '3000' },
  before: { type: 'string', default: BEFORE_SHARING },
  profile: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const HELP = `npm run bench:sessions -- [FLAGS]

Measures what it costs that sidecars share the pins of sessions, and compares a rollout with HAProxy's stick tables.
docs/sessions.md has the figures. What a session store costs: npm run bench:session-store.

  --only A,B       ${MEASUREMENTS.join(', ')} (all)
  --rounds N       repetitions; figures are medians with their range (5)
  --seconds N      length of one round (5)
  --sidecars N     sidecars of one caller, for relay (50)
  --rate N         new sessions a second, for relay (5000)
  --sessions N     sessions, for rollout (3000)
  --before COMMIT  what cpu compares with: built in a worktree that goes away again (${BEFORE_SHARING})
  --profile DIR    write a CPU profile of the control plane under relay; its figure then includes the profiler
  -h, --help

relay    50 sidecars' code and streams in two processes, and a control plane: how soon a pin is known to all
cpu      CPU a request of a sidecar, known persistent sessions, before sharing and now, in turns
memory   100,000 shared pins in a session table
rollout  three pods of a caller, 90/10 to 50/50, a drain, a pod that dies and one that joins: Roost and HAProxy
`;

/** @throws SessionUsageError */
export function readOptions(args: readonly string[]): SessionBenchOptions {
  const values = parsed(args);
  const problems: string[] = [];
  const count = (name: 'rounds' | 'seconds' | 'sidecars' | 'rate' | 'sessions') => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1) problems.push(`--${name} takes a whole number above 0`);
    return value;
  };
  const only = values.only?.split(',') ?? MEASUREMENTS;
  const unknown = only.filter((name) => !isMeasurement(name));
  if (unknown.length > 0) problems.push(`--only takes ${MEASUREMENTS.join(', ')}; got ${unknown.join(', ')}`);
  const options = {
    only: only.filter(isMeasurement),
    rounds: count('rounds'),
    seconds: count('seconds'),
    sidecars: count('sidecars'),
    rate: count('rate'),
    sessions: count('sessions'),
    before: values.before,
    profile: values.profile,
    help: values.help,
  };
  if (problems.length > 0) throw new SessionUsageError(problems.join('; '));
  return options;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS }).values;
  } catch (error) {
    throw new SessionUsageError((error as Error).message);
  }
}

function isMeasurement(name: string): name is SessionMeasurement {
  return (MEASUREMENTS as readonly string[]).includes(name);
}
