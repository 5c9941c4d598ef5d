import { DurationHistogram, durationBounds } from '../../../src/telemetry/duration-histogram.js';
import { PartCircuits, type StoreCircuit } from './store-circuit.js';
import { noAnswer } from './store-failures.js';
import type { StoreParts } from './store-parts.js';

/** What became of a question. */
export type Answer =
  | { readonly kind: 'answered'; readonly value: Buffer | undefined }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'error' };

/** Lookups at once; no more are made. At 20 ms each, this is 50,000 a second. */
const MOST_ASKED = 1000;

export const LOOKUP_BOUNDS = durationBounds([0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 500]);

/** Asks the store for values, each for a limited time, and not at all while asking has been in vain. */
export class StoreLookups {
  readonly times = new DurationHistogram(LOOKUP_BOUNDS);
  readonly circuits: PartCircuits;
  /** Requests of one session that come together ask once. */
  private readonly asked = new Map<string, Promise<Answer>>();

  constructor(
    private readonly parts: StoreParts,
    private readonly timeoutMs: number,
  ) {
    const { client, clock, health, onProbeFailed } = parts;
    this.circuits = new PartCircuits({
      clock,
      canProbe: () => client.isReady,
      probe: (circuit, key) => {
        void this.start(key, circuit);
        return true;
      },
      onBroken: (cause) => health.broke('lookups', cause),
      onClose: (isWhole) => {
        if (isWhole) health.mended('lookups');
        parts.onWorksAgain();
      },
      onProbeFailed,
    });
  }

  /** @returns undefined: the store is not asked */
  ask(key: string): Promise<Answer> | undefined {
    const asked = this.asked.get(key);
    if (asked !== undefined) return asked;
    const { client } = this.parts;
    if (!client.isReady || this.asked.size >= MOST_ASKED) return undefined;
    const circuit = this.circuits.of(client.partOf(key));
    if (circuit.isOpen) return undefined;
    const answer = this.start(key, circuit);
    this.asked.set(key, answer);
    void answer.then(() => this.asked.delete(key));
    return answer;
  }

  private start(key: string, circuit: StoreCircuit): Promise<Answer> {
    const { parts, timeoutMs } = this;
    const startedAtMs = parts.clock.nowMs();
    return new Promise((resolve) => {
      let isOver = false;
      const cancel = parts.clock.after(timeoutMs, () => {
        isOver = true;
        circuit.failed(noAnswer(timeoutMs), key);
        resolve({ kind: 'timeout' });
      });
      parts.client.get(key).then(
        (value) => {
          if (isOver) return;
          cancel();
          this.times.observe(parts.clock.nowMs() - startedAtMs);
          circuit.worked();
          resolve({ kind: 'answered', value });
        },
        (cause: Error) => {
          if (isOver) return;
          cancel();
          circuit.failed(cause, key);
          resolve({ kind: 'error' });
        },
      );
    });
  }
}
