import { parseArgs } from 'node:util';

export const MEASUREMENTS = ['relay', 'cpu'] as const;
export type SessionMeasurement = (typeof MEASUREMENTS)[number];

export interface SessionBenchOptions {
  readonly only: readonly SessionMeasurement[];
  readonly rounds: number;
  /** How long each round of a measurement lasts. */
  readonly seconds: number;
  readonly sidecars: number;
  /** New sessions a second. */
  readonly rate: number;
  /** Commit that `cpu` compares with; undefined: the one before sidecars shared pins. */
  readonly base: string | undefined;
  /** Folder for a CPU profile of the control plane under `relay`. */
  readonly profile: string | undefined;
  readonly help: boolean;
}

/** The command line is wrong; says everything that is. */
export class SessionUsageError extends Error {}

const FLAGS = {
  only: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '5' },
  sidecars: { type: 'string', default: '50' },
  rate: { type: 'string', default: '5000' },
  base: { type: 'string' },
  profile: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const HELP = `npm run bench:sessions -- [FLAGS]

Measures how soon the sidecars of a fleet know each other's pins, and what that costs a request. What a session store costs:
npm run bench:session-store.

  --only A,B       ${MEASUREMENTS.join(', ')} (all)
  --rounds N       repetitions; figures are medians with their range (5)
  --seconds N      length of one round (5)
  --sidecars N     sidecars of one caller, for relay (50)
  --rate N         new sessions a second, for relay (5000)
  --base COMMIT    what cpu compares this version with (the commit before sidecars shared pins)
  --profile DIR    write a CPU profile of the control plane under relay; its figure then includes the profiler
  -h, --help

relay    50 sidecars' code and streams in two processes, and a control plane: how soon a pin is known to all
cpu      the sidecar's CPU for a request of a known session, this version's beside an earlier one's, in turn
`;

/** @throws SessionUsageError */
export function readOptions(args: readonly string[]): SessionBenchOptions {
  const values = parsed(args);
  const problems: string[] = [];
  const count = (name: 'rounds' | 'seconds' | 'sidecars' | 'rate') => {
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
    base: values.base,
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
