import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.js';
import { SHARING_MUTANTS } from './sharing-mutants.js';
import { STEP_MS } from './step.js';

const MUTANT_NAMES = [...Object.keys(MUTANTS), ...Object.keys(SHARING_MUTANTS)];

export interface SimulationOptions {
  readonly seed: number;
  readonly sidecars: number;
  readonly services: number;
  readonly sessions: number;
  readonly steps: number;
  /** How often a session calls, on average. */
  readonly calls: number;
  /** Name of a broken decision in the place of the production one, to see whether that is noticed. */
  readonly mutant?: string;
}

export const FULL_RUN: SimulationOptions = {
  seed: 1,
  sidecars: 100,
  services: 50,
  sessions: 1_000_000,
  steps: 240,
  calls: 4,
};

/** A few seconds; still every mode, every key source and every kind of change. */
export const QUICK_RUN: SimulationOptions = {
  seed: 1,
  sidecars: 12,
  services: 18,
  sessions: 20_000,
  steps: 120,
  calls: 8,
};

const LARGEST = {
  seed: 2 ** 31,
  sidecars: 5000,
  services: 250,
  sessions: 20_000_000,
  steps: 5000,
  calls: 1000,
};

export const USAGE = `npm run simulate -- [options]

Simulates fleets of sidecars with the production decision function, and judges every decision by an oracle that
knows SEMANTICS only (docs/simulation.md). Exits 1 if one flip, hop or other decision has no reason there, or if a
share is wrong.

  --seed N       the same seed, the same history (${FULL_RUN.seed})
  --sidecars N   (${FULL_RUN.sidecars})
  --services N   at most ${LARGEST.services} (${FULL_RUN.services})
  --sessions N   (${FULL_RUN.sessions})
  --steps N      of ${STEP_MS / 1000} simulated seconds (${FULL_RUN.steps})
  --calls N      of each session, on average (${FULL_RUN.calls})
  --quick        a few seconds: ${QUICK_RUN.sidecars} sidecars, ${QUICK_RUN.services} services, ${QUICK_RUN.sessions} sessions, ${QUICK_RUN.steps} steps
  --mutant NAME  breaks the decision on purpose, which must be noticed: ${MUTANT_NAMES.join(', ')}
  -o json        the report as JSON
  --help         this text
`;

export interface CommandLine {
  readonly options: SimulationOptions;
  readonly json: boolean;
  readonly help: boolean;
}

/** @throws Error where an option is unknown, or its value is out of range */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: text,
      sidecars: text,
      services: text,
      sessions: text,
      steps: text,
      calls: text,
      quick: { type: 'boolean' },
      mutant: text,
      help: { type: 'boolean', short: 'h' },
      output: { type: 'string', short: 'o' },
    },
  });
  if (values.output !== undefined && values.output !== 'json')
    throw new Error('-o takes json and nothing else');
  const defaults = values.quick ? QUICK_RUN : FULL_RUN;
  const number = (name: keyof typeof LARGEST) => wholeNumber(name, values[name], defaults[name]);
  return {
    options: {
      seed: number('seed'),
      sidecars: number('sidecars'),
      services: number('services'),
      sessions: number('sessions'),
      steps: number('steps'),
      calls: number('calls'),
      ...mutantNamed(values.mutant),
    },
    help: values.help === true,
    json: values.output === 'json',
  };
}

function wholeNumber(name: keyof typeof LARGEST, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > LARGEST[name])
    throw new Error(`--${name} takes a whole number from 1 to ${LARGEST[name]}, not "${text}"`);
  return number;
}

function mutantNamed(name: string | undefined): Pick<SimulationOptions, 'mutant'> {
  if (name === undefined) return {};
  if (!MUTANT_NAMES.includes(name))
    throw new Error(`--mutant takes one of ${MUTANT_NAMES.join(', ')}, not "${name}"`);
  return { mutant: name };
}
