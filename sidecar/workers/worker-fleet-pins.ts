import { FIRST_CALL_WAIT_MS, type FleetPins, type PinWait } from '../session/sharing/fleet-pins.js';
import type { FromWorker, NotedPins, ToWorker } from './messages.js';

/** Sessions that are told of at once; of more within a tick, the rest is told of when they are used again. */
const MOST_NOTED = 10_000;

/** Sharing as a worker takes part in it: the main thread shares, and all threads have the table. */
export class WorkerFleetPins implements FleetPins {
  readonly perService = false;
  /** Services whose pins are here, or have been waited for. */
  private readonly known = new Set<string>();
  /** Calls that wait, by number. */
  private readonly waiting = new Map<number, () => void>();
  private noted = new Map<string, bigint[]>();
  private count = 0;
  private lastId = 0;

  constructor(private readonly tell: (message: FromWorker) => void) {}

  note(service: string, key: bigint): void {
    if (this.count === MOST_NOTED) return;
    this.count++;
    const keys = this.noted.get(service);
    if (keys === undefined) this.noted.set(service, [key]);
    else keys.push(key);
  }

  /** The main thread answers when its own time for it is over. */
  await(service: string, key: bigint, resume: () => void): PinWait | undefined {
    if (this.known.has(service)) return undefined;
    const id = ++this.lastId;
    this.waiting.set(id, resume);
    this.tell({ kind: 'pins-wanted', id, service, key });
    return { waitMs: FIRST_CALL_WAIT_MS, cancel: () => void this.waiting.delete(id) };
  }

  onKnown({ id, service, forGood }: Extract<ToWorker, { kind: 'pins-known' }>): void {
    if (forGood) this.known.add(service);
    const resume = this.waiting.get(id);
    this.waiting.delete(id);
    resume?.();
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
