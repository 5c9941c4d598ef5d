import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../bench/simulate/random.js';
import { Teardown } from '../../src/lifecycle/teardown.js';
import { ownerOf } from '../support/owner.js';
import type { Fault } from './fault.js';
import type { ChaosReport, FaultReport, StageReport } from './report.js';
import { STAGES, type Stage, type StageName } from './stages.js';
import type { World } from './world.js';

export interface ChaosOptions {
  readonly seed: number;
  /** Of all stages together. */
  readonly seconds: number;
  readonly stages: readonly StageName[];
  /** Names of the faults that may happen; empty: all. */
  readonly faults: readonly string[];
  readonly isolated: boolean;
  /** Where files go; without it, a temporary folder. */
  readonly folder?: string | undefined;
  onProgress(text: string, done: number): void;
}

const MEMORY_INTERVAL_MS = 1000;

/** Runs every stage for its share of the time, and tells what came of it. */
export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const missing = new Set<string>();
  const stages: StageReport[] = [];
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'roost-chaos-')));
  try {
    for (const [i, name] of options.stages.entries()) {
      const report = await runStage(name, options, i, join(folder, name), (what) => missing.add(what));
      if (report !== undefined) stages.push(report);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { seed: options.seed, node: process.version, stages, missing: [...missing] };
}

async function runStage(
  name: StageName,
  options: ChaosOptions,
  index: number,
  folder: string,
  onMissing: (what: string) => void,
): Promise<StageReport | undefined> {
  const teardown = new Teardown();
  const owner = ownerOf(teardown);
  const random = new Random(options.seed, name);
  let during = 'the start';
  try {
    await mkdir(folder, { recursive: true });
    const { isolated } = options;
    const stage = await STAGES[name]({ owner, random, folder, isolated, onMissing, during: () => during });
    if (stage === undefined) return undefined;
    const seconds = options.seconds / options.stages.length;
    return await runFaults(name, stage, {
      seconds,
      wanted: options.faults,
      onFault: (text, done) => {
        during = text;
        options.onProgress(`${name}: ${text}`, (index + done) / options.stages.length);
      },
    });
  } finally {
    await teardown.run();
  }
}

interface Schedule {
  readonly seconds: number;
  readonly wanted: readonly string[];
  /** @param done share of the stage's time */
  onFault(text: string, done: number): void;
}

async function runFaults(
  name: StageName,
  { world, own, shared }: Stage,
  { seconds, wanted, onFault }: Schedule,
): Promise<StageReport> {
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  const memory = watchMemory(world);
  const done: FaultReport[] = [];
  const problems: string[] = [];
  const isWanted = ({ name: fault }: Fault) => wanted.length === 0 || wanted.includes(fault);
  const deck = new Deck([own.filter(isWanted), shared.filter(isWanted)], world.random);
  while (elapsed() < seconds && problems.length === 0) {
    const fault = deck.next();
    if (fault === undefined) break;
    onFault(fault.name, elapsed() / seconds);
    const { report, found } = await runFault(fault, world, elapsed);
    done.push(report);
    problems.push(...found.map((problem) => `${fault.name}: ${problem}`));
  }
  onFault('the end', 1);
  await world.operator.pause();
  const requests = await world.traffic.stop();
  world.operator.close();
  return {
    stage: name,
    seconds: elapsed(),
    faults: done,
    requests,
    writes: world.operator.report,
    controlPlaneBytes: memory.stop(),
    problems,
  };
}

async function runFault(
  fault: Fault,
  world: World,
  elapsed: () => number,
): Promise<{ readonly report: FaultReport; readonly found: readonly string[] }> {
  const atSeconds = elapsed();
  const found: string[] = [];
  await fault.run(world).catch((error: Error) => found.push(error.message));
  const overAt = elapsed();
  const problems = await world.settle().catch((error: Error) => [error.message]);
  const report = {
    name: fault.name,
    atSeconds,
    seconds: overAt - atSeconds,
    recoverySeconds: elapsed() - overAt,
  };
  return { report, found: [...found, ...problems] };
}

/** Every fault once, those of the stage first, in an order of chance; and then again in another. */
class Deck {
  private left: Fault[] = [];

  constructor(
    private readonly suits: readonly (readonly Fault[])[],
    private readonly random: Random,
  ) {}

  next(): Fault | undefined {
    if (this.left.length === 0) this.left = this.suits.flatMap((suit) => this.shuffled(suit));
    return this.left.shift();
  }

  private shuffled(suit: readonly Fault[]): Fault[] {
    const rest = [...suit];
    return suit.map(() => rest.splice(this.random.below(rest.length), 1)[0] as Fault);
  }
}

/** Looks at the control planes' memory now and then. */
function watchMemory({ controlPlanes }: World): { stop(): number } {
  let most = 0;
  const timer = setInterval(() => {
    for (const controlPlane of controlPlanes)
      void controlPlane.metric('process_resident_memory_bytes').then((bytes) => {
        most = Math.max(most, bytes ?? 0);
      });
  }, MEMORY_INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}
