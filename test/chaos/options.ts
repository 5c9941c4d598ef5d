import { parseArgs } from 'node:util';
import { parseDuration } from '../../src/model/formats.js';
import { STAGES, type StageName } from './stages.js';

export interface Options {
  readonly seed: number;
  readonly seconds: number;
  readonly stages: readonly StageName[];
  readonly faults: readonly string[];
  readonly jsonFile: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

/** The command line is wrong; says everything that is. */
export class ChaosUsageError extends Error {}

export const HELP = `npm run chaos -- [FLAGS]

Real control planes, sidecars, backends, etcd and Redis, with calls and changes all the time, while one thing after the other
goes wrong: processes killed, networks cut, slowed and silent, disks full, clocks wrong, clients hostile. Counts what
failed that a healthy endpoint could have served, and acknowledged changes that are not there (docs/chaos.md).
Exits 1 if a promise is broken. As root, it gives itself network and mount namespaces of its own.

  --duration D       how long, all stages together (60s)
  --seed N           the same seed: the same faults in the same order, as far as processes let them (1)
  --stage NAME       file, etcd or sessions; may be repeated (all)
  --fault NAME       only this one; may be repeated
  --json FILE        write the report to a file
  -o json            the report as JSON on standard output
  --help             this text

Examples
  npm run chaos                                              a minute of it
  npm run chaos -- --duration 10m --seed 7                   longer, and other
  npm run chaos -- --stage etcd --fault etcd-leader-frozen   one fault, again and again
`;

const text = { type: 'string' } as const;
const FLAGS = {
  duration: { ...text, default: '60s' },
  seed: { ...text, default: '1' },
  stage: { ...text, multiple: true },
  fault: { ...text, multiple: true },
  json: text,
  output: { ...text, short: 'o' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** @throws ChaosUsageError */
export function readOptions(args: readonly string[]): Options {
  const values = parse(args);
  const problems: string[] = [];
  const ms = parseDuration(values.duration);
  if (ms === undefined || ms < 1000)
    problems.push(`--duration: "${values.duration}" is not a duration from 1s`);
  if (!/^\d{1,9}$/.test(values.seed)) problems.push(`--seed: "${values.seed}" is not a whole number`);
  const stages = values.stage ?? Object.keys(STAGES);
  for (const stage of stages)
    if (!Object.hasOwn(STAGES, stage)) problems.push(`--stage: "${stage}" is not file, etcd or sessions`);
  if (values.output !== undefined && values.output !== 'json')
    problems.push('-o takes json and nothing else');
  if (problems.length > 0) throw new ChaosUsageError(problems.join('\n'));
  return {
    seed: Number(values.seed),
    seconds: (ms as number) / 1000,
    stages: stages as StageName[],
    faults: values.fault ?? [],
    jsonFile: values.json,
    json: values.output === 'json',
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS }).values;
  } catch (error) {
    throw new ChaosUsageError((error as Error).message);
  }
}
