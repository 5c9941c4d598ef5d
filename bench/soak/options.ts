import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly minutes: number;
  /** Requests a second; undefined: 70 % of what is measured first. */
  readonly rate: number | undefined;
  readonly seed: number;
  /** Percent of requests whose clients leave before they have the response. */
  readonly leaving: number;
  /** Between the sidecar and the backends. */
  readonly tls: boolean;
  /** Of the sidecar. */
  readonly workers: number;
  /** How long saturation is measured. */
  readonly saturationSeconds: number;
  /** A stall of the event loop is reported, and no reason to fail. */
  readonly allowStalls: boolean;
  readonly jsonFile: string | undefined;
  /** The report as JSON on standard output. */
  readonly json: boolean;
  readonly help: boolean;
}

/** The command line is wrong; says everything that is. */
export class SoakUsageError extends Error {}

/** Of saturation, unless a rate is given. */
export const SHARE_OF_SATURATION = 0.7;

export const HELP = `npm run soak -- [FLAGS]

A real control plane, sidecar and six backend processes under mixed load, while backends are killed and restarted,
leave and join the configuration, reset connections, and the configuration changes every second. Counts what failed
that a retry could have saved, sessions that moved without a cause, growth of memory and descriptors, and stalls of
the sidecar's event loop (docs/soak.md). Exits 1 if a promise is broken.

  --minutes N      how long; fractions are taken (30)
  --rate N         requests a second (70 % of saturation, which is then measured first)
  --saturation N   seconds for which saturation is measured (10)
  --seed N         the same seed: the same requests and the same faults, as far as processes let them (1)
  --leaving N      percent of requests whose clients leave before they have the response (2)
  --tls            TLS between the sidecar and the backends
  --workers N      workers of the sidecar (1)
  --allow-stalls   report stalls of the event loop over 100 ms, do not fail for them: for a busy machine
  --json FILE      write the report, with every sample, to a file
  -o json          the report as JSON on standard output
  --help           this text

Examples
  npm run soak                                     the half hour
  npm run soak -- --minutes 0.5 --rate 1000        is it still roughly right?
  npm run soak -- --minutes 5 --tls                the same over TLS
`;

const text = { type: 'string' } as const;
const FLAGS = {
  minutes: { ...text, default: '30' },
  rate: text,
  saturation: { ...text, default: '10' },
  seed: { ...text, default: '1' },
  leaving: { ...text, default: '2' },
  tls: { type: 'boolean', default: false },
  workers: { ...text, default: '1' },
  'allow-stalls': { type: 'boolean', default: false },
  json: text,
  output: { ...text, short: 'o' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** @throws SoakUsageError */
export function readOptions(args: readonly string[]): SoakOptions {
  const values = parse(args);
  const problems: string[] = [];
  const number = (name: string, value: string, least: number, most: number) => {
    if (/^\d+(\.\d+)?$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    problems.push(`--${name}: "${value}" is not a number from ${least} to ${most}`);
    return least;
  };
  if (values.output !== undefined && values.output !== 'json')
    problems.push('-o takes json and nothing else');
  const options: SoakOptions = {
    minutes: number('minutes', values.minutes, 0.05, 10_000),
    rate: values.rate === undefined ? undefined : number('rate', values.rate, 1, 1_000_000),
    saturationSeconds: number('saturation', values.saturation, 1, 600),
    seed: Math.floor(number('seed', values.seed, 0, 2 ** 31)),
    leaving: number('leaving', values.leaving, 0, 90),
    tls: values.tls,
    workers: Math.floor(number('workers', values.workers, 1, 64)),
    allowStalls: values['allow-stalls'],
    jsonFile: values.json,
    json: values.output === 'json',
    help: values.help,
  };
  if (problems.length > 0) throw new SoakUsageError(problems.join('\n'));
  return options;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS }).values;
  } catch (error) {
    throw new SoakUsageError((error as Error).message);
  }
}
