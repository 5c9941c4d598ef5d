import { DurationHistogram, durationBounds } from '../../../src/telemetry/duration-histogram.js';
import { StoreCircuit } from './store-circuit.js';
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
  readonly circuit: StoreCircuit;
  /** Requests of one session that come together ask once. */
  private readonly asked = new Map<string, Promise<Answer>>();
  private lastFailedKey = '';

  constructor(
    private readonly parts: StoreParts,
    private readonly timeoutMs: number,
  ) {
    const { clock, health, onProbeFailed } = parts;
    this.circuit = new StoreCircuit({
      clock,
      // The key that failed is in the part of a cluster that failed.
      probe: () => {
        if (!parts.client.isReady) return false;
        void this.start(this.lastFailedKey, timeoutMs);
        return true;
      },
      onOpen: (cause) => health.broke('lookups', cause),
      onClose: () => health.mended('lookups'),
      onProbeFailed,
    });
  }

  /** @returns undefined: the store is not asked */
  ask(key: string): Promise<Answer> | undefined {
    const asked = this.asked.get(key);
    if (asked !== undefined) return asked;
    if (this.circuit.isOpen || !this.parts.client.isReady || this.asked.size >= MOST_ASKED) return undefined;
    const answer = this.start(key, this.timeoutMs);
    this.asked.set(key, answer);
    void answer.then(() => this.asked.delete(key));
    return answer;
  }

  /** Asks whatever has been before. */
  start(key: string, timeoutMs: number): Promise<Answer> {
    const { client, clock } = this.parts;
    const startedAtMs = clock.nowMs();
    return new Promise((resolve) => {
      let isOver = false;
      const cancel = clock.after(timeoutMs, () => {
        isOver = true;
        this.failed(key, noAnswer(timeoutMs));
        resolve({ kind: 'timeout' });
      });
      client.get(key).then(
        (value) => {
          if (isOver) return;
          cancel();
          this.times.observe(clock.nowMs() - startedAtMs);
          this.circuit.worked();
          resolve({ kind: 'answered', value });
        },
        (cause: Error) => {
          if (isOver) return;
          cancel();
          this.failed(key, cause);
          resolve({ kind: 'error' });
        },
      );
    });
  }

  private failed(key: string, cause: Error): void {
    this.lastFailedKey = key;
    this.circuit.failed(cause);
  }
}
