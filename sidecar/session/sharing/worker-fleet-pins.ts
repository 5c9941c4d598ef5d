import type { FromWorker, NotedPins } from '../../workers/messages.js';
import { FIRST_CALL_WAIT_MS, type FleetPins, type PinWait } from './fleet-pins.js';

/** Sessions that are told of at once; of more within a tick, the rest is told of when they are used again. */
const MOST_NOTED = 10_000;

/** Sharing as a worker has to do with it: the main thread has the stream, and the table is everybody's. */
export class WorkerFleetPins implements FleetPins {
  /** Services whose pins are here, or have been waited for. */
  private readonly known = new Set<string>();
  private readonly waiting = new Map<string, Set<() => void>>();
  private noted = new Map<string, bigint[]>();
  private count = 0;

  constructor(private readonly tell: (message: FromWorker) => void) {}

  note(service: string, key: bigint): void {
    if (this.count === MOST_NOTED) return;
    this.count++;
    const keys = this.noted.get(service);
    if (keys === undefined) this.noted.set(service, [key]);
    else keys.push(key);
  }

  await(service: string, resume: () => void): PinWait | undefined {
    if (this.known.has(service)) return undefined;
    const waiting = this.waiting.get(service) ?? new Set();
    if (waiting.size === 0) this.tell({ kind: 'pins-wanted', service });
    this.waiting.set(service, waiting.add(resume));
    return { waitMs: FIRST_CALL_WAIT_MS, cancel: () => void waiting.delete(resume) };
  }

  /** The main thread has the service's pins, or waits for them no longer. */
  onKnown(service: string): void {
    this.known.add(service);
    const waiting = this.waiting.get(service);
    this.waiting.delete(service);
    for (const resume of waiting ?? []) resume();
  }

  /** Called on the coarse clock's tick. */
  tick(): void {
    if (this.count === 0) return;
    const pins = [...this.noted].map(([service, keys]): NotedPins => [service, BigUint64Array.from(keys)]);
    this.noted = new Map();
    this.count = 0;
    this.tell({ kind: 'pins', pins });
  }
}
