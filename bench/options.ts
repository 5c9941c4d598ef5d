import { parseArgs } from 'node:util';
import type { AffinityMode } from './peers/roost.js';
import { WORKLOADS } from './workloads.js';

export const COMMANDS = [
  'compare-proxies',
  'memory',
  'affinity',
  'workers',
  'micro',
  'profile',
  'against',
  'stickiness',
] as const;
export type BenchCommand = (typeof COMMANDS)[number];

export interface BenchOptions {
  readonly command: BenchCommand;
  readonly rounds: number;
  readonly seconds: number;
  /** Names of peers; empty: all. */
  readonly only: readonly string[];
  /** Names of workloads; empty: all without TLS. */
  readonly workloads: readonly string[];
  readonly tls: boolean;
  /** Fixed rate, requests a second; undefined: half of what Envoy can do. */
  readonly rate: number | undefined;
  readonly envoyPath: string | undefined;
  readonly jsonFile: string | undefined;
  /** Name under which to keep the run. */
  readonly record: string | undefined;
  readonly compare: readonly [before: string, after: string] | undefined;
  /** A recorded run to put into the documentation again. */
  readonly render: string | undefined;
  /** For `stickiness`. */
  readonly seeds: readonly number[];
  /** For `against`: the commit to compare with. */
  readonly base: string;
  /** For `against`: how sessions are kept. */
  readonly affinity: AffinityMode;
  readonly help: boolean;
}

/** The command line is wrong; says everything that is. */
export class BenchUsageError extends Error {}

const FLAGS = {
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '3' },
  only: { type: 'string' },
  workload: { type: 'string' },
  tls: { type: 'boolean', default: false },
  rate: { type: 'string' },
  'with-envoy': { type: 'string' },
  json: { type: 'string' },
  record: { type: 'string' },
  compare: { type: 'boolean', default: false },
  render: { type: 'string' },
  profile: { type: 'boolean', default: false },
  base: { type: 'string', default: 'HEAD^' },
  seeds: { type: 'string', default: '1,2' },
  affinity: { type: 'string', default: 'balanced' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const HELP = `npm run bench -- [COMMAND] [FLAGS]

Drives the same traffic through HAProxy, nginx, Envoy, a proxy of node:http and undici, Roost's sidecar and no
proxy at all, all configured for the same job, and prints what each costs. docs/performance.md says how to read it.

Commands
  (none)       the comparison, then memory, affinity and micro, and which goals are met
  memory       resident memory of the sidecar: idle, with 1,000 connections, with 1,000 services
  affinity     what sticky sessions cost, in CPU a request
  workers      what 2 and 4 workers bring and cost; says what needs more cores than there are
  micro        the decision, the session table and the ring, in this process (also: npm run bench:micro)
  stickiness   one rollout through two instances each of Roost, Envoy, HAProxy and nginx: which sessions move
               (--seeds, --only, --json; under three minutes)
  against      CPU a request as a multiple of an earlier commit's (--base, --affinity), measured in turns
  profile      where the sidecar's time goes under the small-GET workload (also: --profile)

What to measure
  --rounds N           rounds; every proxy is measured once in each (default: 5)
  --seconds N          seconds of each measurement (default: 3)
  --only A,B           these proxies only: haproxy, nginx, envoy, node+undici, roost, "no proxy"
  --workload A,B       these workloads only: ${WORKLOADS.filter(({ tls }) => !tls)
    .map(({ name }) => name)
    .join(', ')}; each also as NAME-tls
  --tls                the workloads with TLS between proxy and backend, too
  --seeds A,B          for stickiness (default: 1,2)
  --base COMMIT        for against: the commit to compare with (default: HEAD^)
  --affinity MODE      for against: none, balanced or persistent (default: balanced)
  --rate N             fixed rate for latency, requests a second (default: half of what Envoy, or else the
                       slowest proxy at hand, can do in each workload)
  --with-envoy PATH    where envoy is (default: ENVOY=, then PATH)

What to do with the results
  --json FILE          write everything to a file
  --record NAME        keep the run as bench/results/NAME.json and put its tables into docs/performance.md
  --render FILE        put the tables of a recorded run into docs/performance.md; measures nothing
  --compare A B        what got better or worse between two runs; exit code 1 if anything got worse

Examples
  npm run bench                                              everything; about 20 minutes
  npm run bench -- --rounds 1 --seconds 1 --workload small   is it still roughly the same?
  npm run bench -- --only haproxy,roost --json after.json
  npm run bench -- against --base main --workload small,post,blob,connect
  npm run bench -- --compare before.json after.json
`;

/** @throws BenchUsageError */
export function readOptions(args: readonly string[], environment = process.env): BenchOptions {
  const { values, positionals } = parse(args);
  const problems: string[] = [];
  const number = (name: string, text: string | undefined, least: number) => {
    if (text === undefined) return undefined;
    if (/^\d+(\.\d+)?$/.test(text) && Number(text) >= least) return Number(text);
    problems.push(`--${name}: "${text}" is not a number of at least ${least}`);
    return undefined;
  };
  const list = (text: string | undefined) =>
    text === undefined ? [] : text.split(',').map((part) => part.trim());
  const options: BenchOptions = {
    command: commandOf(values, positionals, problems),
    rounds: Math.floor(number('rounds', values.rounds, 1) ?? 1),
    seconds: number('seconds', values.seconds, 1) ?? 1,
    only: list(values.only),
    workloads: list(values.workload),
    tls: values.tls,
    rate: number('rate', values.rate, 1),
    envoyPath: values['with-envoy'] ?? environment.ENVOY,
    jsonFile: values.json,
    record: values.record,
    compare: compareOf(values.compare, positionals, problems),
    render: values.render,
    seeds: list(values.seeds).map((seed) => number('seeds', seed, 0) ?? 0),
    base: values.base,
    affinity: affinityOf(values.affinity, problems),
    help: values.help,
  };
  if (options.record !== undefined && !/^[\w.-]+$/.test(options.record))
    problems.push(`--record: "${options.record}" is not a name for a file`);
  if (problems.length > 0) throw new BenchUsageError(problems.join('\n'));
  return options;
}

function affinityOf(text: string, problems: string[]): AffinityMode {
  if (text === 'none' || text === 'balanced' || text === 'persistent') return text;
  problems.push(`--affinity: expected none, balanced or persistent; got "${text}"`);
  return 'balanced';
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new BenchUsageError((error as Error).message);
  }
}

function commandOf(
  values: { readonly profile: boolean; readonly compare: boolean },
  positionals: readonly string[],
  problems: string[],
): BenchCommand {
  if (values.profile) return 'profile';
  const [name] = positionals;
  if (values.compare || name === undefined) return 'compare-proxies';
  const found = COMMANDS.find((command) => command === name);
  if (found === undefined)
    problems.push(`there is no command "${name}"; there is ${COMMANDS.slice(1).join(', ')}`);
  return found ?? 'compare-proxies';
}

function compareOf(
  wanted: boolean,
  positionals: readonly string[],
  problems: string[],
): readonly [string, string] | undefined {
  if (!wanted) return undefined;
  const [before, after] = positionals;
  if (before === undefined || after === undefined || positionals.length > 2) {
    problems.push('--compare takes two files: the run before and the run after');
    return undefined;
  }
  return [before, after];
}
