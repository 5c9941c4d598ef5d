import { setImmediate as turn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import type { HttpLimits } from '../../sidecar/http/limits.js';
import { keep, keptInputs, seedInputs } from './corpus.js';
import { Coverage, type Seen } from './coverage.js';
import { byteByByte, CHECKS, type Cut, cutAt, LIMITS, type Target, Violation } from './invariants.js';
import { mutate } from './mutations.js';
import { Random } from './random.js';
import { type Report, SharedState, type WorkerSettings } from './shared-state.js';

const BATCH = 1024;
/** Signatures remembered, of each target; beyond it nothing is new any more. */
const MAX_SIGNATURES = 20_000;
/**
 * Blocks of code that an input may cost, for each byte of it and for itself, over a batch: three times what it does
 * cost. Every input is read several times over, whole and cut, and what is forwarded of it once more. A single input
 * whose cost grows with the square of its length is more than a batch may have.
 */
const MOST_WORK_PER_BYTE = 60;
const MOST_WORK_PER_INPUT = 1000;

/** An input, and how it is looked at. */
interface Execution {
  readonly input: Buffer;
  readonly cuts: readonly Cut[];
  readonly limits: HttpLimits;
}

/** The inputs that one target's mutations start from, and what is known about them. */
class Pool {
  readonly inputs: Buffer[];
  readonly signatures = new Set<string>();
  interesting = 0;
  /** What any of them has run. */
  seen: Seen = new Map();

  constructor(
    readonly target: Target,
    inputs: readonly Buffer[],
  ) {
    this.inputs = [...inputs];
  }
}

/** Makes inputs, checks them, and goes on from those that reach something new. */
export class Fuzzer {
  private readonly random: Random;
  private readonly state: SharedState;
  private readonly coverage = new Coverage((url) => /\/sidecar\/(?:http1|http2|upstream)\//.test(url));
  private readonly pools: readonly Pool[];
  private current: Execution | undefined;
  private bytes = 0;
  private workPerByte = 0;

  constructor(private readonly settings: WorkerSettings) {
    const { seed, targets, corpus } = settings;
    this.random = new Random(seed);
    this.state = new SharedState(settings.memory);
    this.pools = targets.map((target) => new Pool(target, keptInputs(target, corpus)));
  }

  /** Runs until its time is over or something is found, and reports. */
  async run(): Promise<void> {
    const until = performance.now() + this.settings.seconds * 1000;
    let crash: Report['crash'];
    // Nearly every input ends in an error whose stack nobody reads, and whose making would take most of the time.
    Error.stackTraceLimit = 0;
    try {
      for (const pool of this.pools) this.readPool(pool);
      while (performance.now() < until) {
        for (const pool of this.pools) this.runBatch(pool);
        await turn();
      }
    } catch (error) {
      const { target, input } = this.state;
      crash = { target, input, message: this.explain(target, error) };
    }
    this.coverage.stop();
    const { executions } = this.state;
    const interesting = Object.fromEntries(this.pools.map((pool) => [pool.target, pool.interesting]));
    const report: Report = { executions, bytes: this.bytes, interesting, workPerByte: this.workPerByte };
    parentPort?.postMessage(crash === undefined ? report : { ...report, crash });
  }

  /** What the codec did wrong: for an error that it should not have thrown, once more with its stack. */
  private explain(target: Target, error: unknown): string {
    if (error instanceof Violation || this.current === undefined) return String(error);
    Error.stackTraceLimit = 20;
    try {
      this.execute(target, this.current);
    } catch (again) {
      return String((again as Error).stack);
    }
    return `${error}, but not a second time`;
  }

  /** The kept inputs, which are nothing new, and then those of the tests, of which some may be. */
  private readPool(pool: Pool): void {
    this.coverage.restore(pool.seen);
    const looked = (input: Buffer) => LIMITS.map((limits) => ({ input, cuts: this.someCuts(input), limits }));
    for (const execution of pool.inputs.flatMap(looked))
      pool.signatures.add(this.execute(pool.target, execution));
    this.coverage.take();
    const seeds = seedInputs(pool.target, this.settings.seed);
    this.findCovering(pool, seeds.flatMap(looked));
    pool.inputs.push(...seeds);
    pool.seen = this.coverage.snapshot();
  }

  private runBatch(pool: Pool): void {
    const { random, coverage } = this;
    coverage.restore(pool.seen);
    const batch = Array.from({ length: BATCH }, () => {
      const input = mutate(random.pick(pool.inputs), random, pool.inputs);
      return { input, cuts: this.someCuts(input), limits: random.pick(LIMITS) };
    });
    for (const execution of batch) {
      const signature = this.execute(pool.target, execution);
      if (pool.signatures.has(signature) || pool.signatures.size >= MAX_SIGNATURES) continue;
      pool.signatures.add(signature);
      this.remember(pool, execution.input, false);
    }
    const isNew = coverage.take() > 0;
    this.checkWork(batch);
    if (!isNew) return;
    coverage.restore(pool.seen);
    this.findCovering(pool, batch);
    pool.seen = coverage.snapshot();
  }

  /** Which of these run code that had never run before, by halves: to ask for coverage costs more than an execution. */
  private findCovering(pool: Pool, executions: readonly Execution[]): void {
    const before = this.coverage.snapshot();
    for (const execution of executions) this.execute(pool.target, execution);
    if (this.coverage.take() === 0) return;
    const [first] = executions as [Execution];
    if (executions.length === 1) {
      this.remember(pool, first.input, true);
      return;
    }
    this.coverage.restore(before);
    const middle = executions.length >> 1;
    this.findCovering(pool, executions.slice(0, middle));
    this.findCovering(pool, executions.slice(middle));
  }

  /** @param reachesCode it runs code that no other input does: such inputs are worth a place in the kept corpus */
  private remember(pool: Pool, input: Buffer, reachesCode: boolean): void {
    pool.inputs.push(input);
    pool.interesting++;
    if (reachesCode && this.settings.grow) keep(pool.target, input, 'seen', this.settings.corpus);
  }

  private execute(target: Target, execution: Execution): string {
    const { input, cuts, limits } = execution;
    this.state.begin(target, input);
    this.current = execution;
    this.bytes += input.length;
    return CHECKS[target](input, cuts, limits);
  }

  private someCuts(input: Buffer): Cut[] {
    const { random } = this;
    const places = () => Array.from({ length: 1 + random.below(3) }, () => random.below(input.length + 1));
    return random.oneIn(8) && input.length <= 1000 ? [byteByByte] : [cutAt(places()), cutAt(places())];
  }

  /** What the inputs of a batch cost has a bound for every byte. */
  private checkWork(executions: readonly Execution[]): void {
    const bytes = executions.reduce((sum, { input }) => sum + input.length, 0);
    const { work } = this.coverage;
    this.workPerByte = Math.max(this.workPerByte, Math.round(work / (bytes + executions.length)));
    if (work > MOST_WORK_PER_BYTE * bytes + MOST_WORK_PER_INPUT * executions.length)
      throw new Violation(
        `${work} blocks of code were run for ${bytes} bytes in ${executions.length} inputs`,
      );
  }
}
