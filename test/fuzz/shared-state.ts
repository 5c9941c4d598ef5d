import { CHECKS, type Target } from './invariants.js';
import { MAX_INPUT_BYTES } from './mutations.js';

export const TARGETS = Object.keys(CHECKS) as Target[];

/** Room for the largest kept file. */
const INPUT_BYTES = 4 * MAX_INPUT_BYTES;

/**
 * What the fuzzing thread is at, for the thread that watches it: where one hangs, the other must know with which
 * input.
 */
export class SharedState {
  private readonly numbers: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(readonly memory = new SharedArrayBuffer(16 + INPUT_BYTES)) {
    this.numbers = new Int32Array(memory, 0, 4);
    this.bytes = new Uint8Array(memory, 16);
  }

  get executions(): number {
    return Atomics.load(this.numbers, 0);
  }

  get target(): Target {
    return TARGETS[Atomics.load(this.numbers, 1)] as Target;
  }

  get input(): Buffer {
    return Buffer.from(this.bytes.slice(0, Atomics.load(this.numbers, 2)));
  }

  /** The next input is about to be checked. */
  begin(target: Target, input: Uint8Array): void {
    this.bytes.set(input.subarray(0, INPUT_BYTES));
    Atomics.store(this.numbers, 2, Math.min(input.length, INPUT_BYTES));
    Atomics.store(this.numbers, 1, TARGETS.indexOf(target));
    Atomics.add(this.numbers, 0, 1);
  }
}

export interface WorkerSettings {
  readonly memory: SharedArrayBuffer;
  readonly seconds: number;
  readonly seed: number;
  readonly targets: readonly Target[];
  /** Adds inputs that reach something new to the kept corpus. */
  readonly grow: boolean;
  readonly corpus: string;
}

/** What the fuzzing thread reports in the end. */
export interface Report {
  readonly executions: number;
  readonly bytes: number;
  /** Inputs that reached something new, by target. */
  readonly interesting: Readonly<Record<string, number>>;
  /** Most blocks of code run for an input, per byte of it, in a batch. */
  readonly workPerByte: number;
  readonly crash?: { readonly target: Target; readonly input: Uint8Array; readonly message: string };
}
