import { parseArgs } from 'node:util';

export const MEASUREMENTS = [
  'change',
  'churn',
  'live',
  'reconnect',
  'memory',
  'bytes',
  'cold',
  'sparse',
  'sidecar',
  'dependencies',
  'large',
] as const;
export type MeasurementName = (typeof MEASUREMENTS)[number];

export interface ScaleOptions {
  readonly only: readonly MeasurementName[];
  /** Sizes of the fleets that one change is pushed to. */
  readonly sidecars: readonly number[];
  readonly services: number;
  readonly rounds: number;
  /** How long the endpoints keep changing, in seconds. */
  readonly seconds: number;
  /** Folder for CPU profiles of the control plane. */
  readonly profile: string | undefined;
  readonly jsonFile: string | undefined;
  /** Name under which to keep the run. */
  readonly record: string | undefined;
  /** A recorded run to put into the documentation again. */
  readonly render: string | undefined;
  readonly help: boolean;
}

/** The command line is wrong; says everything that is. */
export class ScaleUsageError extends Error {}

export const HELP = `npm run bench:control-plane -- [FLAGS]

Connects thousands of simulated sidecars to a real control plane: delta ADS over gRPC, one TCP connection each, real
acknowledgements, from another process. Measures what changes, restarts and connections cost, and what a real sidecar
spends on a large mesh, and says which goals are met. docs/scale.md says how to read it.

What to measure
  --only A,B       ${MEASUREMENTS.join(', ')} (all)
  --sidecars A,B   sizes of the fleets that one change is pushed to (1000,5000,10000)
  --services N     services in the mesh, of 10 endpoints each (1000)
  --rounds N       repetitions; figures are medians with their range (5)
  --seconds N      how long the endpoints keep changing (60)

What to do with it
  --json FILE      write everything to a file
  --record NAME    keep the run as bench/results/NAME.json and put its table into docs/scale.md
  --render FILE    put the table of a recorded run into docs/scale.md; measures nothing
  --profile DIR    write a CPU profile of every control plane to a folder; figures then include the profiler

A fleet of N needs N + 200 file descriptors in each of two processes: "ulimit -Hn" must allow them.

Examples
  npm run bench:control-plane                                          everything; about 25 minutes
  npm run bench:control-plane -- --only change --sidecars 1000         is it still roughly the same?
  npm run bench:control-plane -- --only change --sidecars 5000 --rounds 1 --profile /tmp/profiles
`;

const text = { type: 'string' } as const;
const FLAGS = {
  only: text,
  sidecars: { ...text, default: '1000,5000,10000' },
  services: { ...text, default: '1000' },
  rounds: { ...text, default: '5' },
  seconds: { ...text, default: '60' },
  profile: text,
  json: text,
  record: text,
  render: text,
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** @throws ScaleUsageError */
export function readOptions(args: readonly string[]): ScaleOptions {
  const values = parse(args);
  const problems: string[] = [];
  const whole = (name: string, value: string, least: number, most: number) => {
    if (/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    problems.push(`--${name}: "${value}" is not a whole number from ${least} to ${most}`);
    return least;
  };
  if (values.record !== undefined && !/^[\w.-]+$/.test(values.record))
    problems.push(`--record: "${values.record}" is not a name for a file`);
  const options: ScaleOptions = {
    only: measurementsOf(values.only, problems),
    sidecars: values.sidecars.split(',').map((size) => whole('sidecars', size.trim(), 1, 50_000)),
    services: whole('services', values.services, 10, 20_000),
    rounds: whole('rounds', values.rounds, 1, 100),
    seconds: whole('seconds', values.seconds, 1, 3600),
    profile: values.profile,
    jsonFile: values.json,
    record: values.record,
    render: values.render,
    help: values.help,
  };
  if (problems.length > 0) throw new ScaleUsageError(problems.join('\n'));
  return options;
}

function measurementsOf(value: string | undefined, problems: string[]): readonly MeasurementName[] {
  if (value === undefined) return MEASUREMENTS;
  return value.split(',').flatMap((part) => {
    const found = MEASUREMENTS.find((name) => name === part.trim());
    if (found === undefined)
      problems.push(`--only: there is no "${part.trim()}"; there is ${MEASUREMENTS.join(', ')}`);
    return found ?? [];
  });
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS }).values;
  } catch (error) {
    throw new ScaleUsageError((error as Error).message);
  }
}
