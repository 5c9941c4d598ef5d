import { comparePins, type SharedSession } from '../../../src/sessions/shared-pin.js';
import { StoreCircuit } from './store-circuit.js';
import { within } from './store-failures.js';
import type { StoreParts } from './store-parts.js';
import { fromStored } from './stored-pin.js';
import { type PendingWrite, WriteQueue } from './write-queue.js';

/** Sessions that wait to be written; of more, the newest are dropped. About 8 MB. */
const MOST_PENDING = 20_000;
/** Writes without an answer. Lookups share the connection: this is a millisecond of a store's time. */
const MOST_IN_FLIGHT = 128;
/** What comes within this time is sent together. */
const TICK_MS = 5;
const WRITE_TIMEOUT_MS = 2000;
/** Writes that have failed are tried again together. */
const RETRY_MS = 500;
/** Times that others may change a session while it is written, before it waits for the next try. */
const MOST_ATTEMPTS = 4;

/** Writes pins behind the requests; of two pins of a session, the better one stays in the store. */
export class StoreWriter {
  readonly circuit: StoreCircuit;
  private readonly queue = new WriteQueue(MOST_PENDING);
  private inFlight = 0;
  private cancelTick: (() => void) | undefined;
  private cancelRetry: (() => void) | undefined;
  private idle: (() => void) | undefined;
  private isClosed = false;

  constructor(private readonly parts: StoreParts) {
    const { clock, health, onProbeFailed } = parts;
    this.circuit = new StoreCircuit({
      clock,
      probe: () => this.probe(),
      onOpen: (cause) => health.broke('writes', cause),
      onClose: () => {
        health.mended('writes');
        this.schedule();
      },
      onProbeFailed,
    });
  }

  get pending(): number {
    return this.queue.size + this.inFlight;
  }

  get dropped(): number {
    return this.queue.dropped;
  }

  add(write: PendingWrite): void {
    this.queue.add(write);
    this.schedule();
  }

  /** Connected: what has waited for that is sent. */
  onReady(): void {
    this.queue.retryFailed();
    this.circuit.probeNow();
    this.schedule();
  }

  /** Resolves once nothing waits any more, or cannot be sent. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.idle = resolve;
      this.queue.retryFailed();
      this.tick();
      this.noteIdle();
    });
  }

  close(): void {
    this.isClosed = true;
    this.circuit.end();
    this.cancelTick?.();
    this.cancelRetry?.();
  }

  /**
   * Writes a pin, unless the store has one that wins.
   *
   * @returns what the store has now
   */
  async put(write: PendingWrite): Promise<SharedSession> {
    const { client, clock, counts, events } = this.parts;
    const { key, value, records, session, service } = write;
    let expected: Buffer | undefined;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const ttlMs = Math.max(1, Math.ceil(write.untilMs - clock.nowMs()));
      const present = await client.replace(key, { expected, value, ttlMs });
      const stored = present && fromStored(records, session.hash, present);
      if (present === undefined) {
        counts.written++;
        return session;
      }
      if (stored === undefined) counts.damaged++;
      else if (comparePins(stored.pin, session.pin) >= 0) {
        await client.touch(key, ttlMs);
        if (comparePins(stored.pin, session.pin) > 0) {
          counts.conflicts++;
          events.onConflict(service, stored);
        }
        return stored;
      }
      expected = present;
    }
    throw new Error('other sidecars keep changing a session');
  }

  private schedule(): void {
    if (this.cancelTick !== undefined || !this.queue.hasWaiting || this.isClosed) return;
    this.cancelTick = this.parts.clock.after(TICK_MS, () => this.tick());
  }

  private tick(): void {
    this.cancelTick?.();
    this.cancelTick = undefined;
    if (!this.canSend) return;
    for (const write of this.queue.take(MOST_IN_FLIGHT - this.inFlight, this.parts.clock.nowMs()))
      void this.send(write);
    if (this.inFlight < MOST_IN_FLIGHT) this.schedule();
  }

  private get canSend(): boolean {
    return this.parts.client.isReady && !this.circuit.isOpen;
  }

  private probe(): boolean {
    if (!this.parts.client.isReady) return false;
    this.queue.retryFailed();
    const [write] = this.queue.take(1, this.parts.clock.nowMs());
    if (write === undefined) return false;
    void this.send(write);
    return true;
  }

  private async send(write: PendingWrite): Promise<void> {
    this.inFlight++;
    try {
      await within(WRITE_TIMEOUT_MS, this.parts.clock, this.put(write));
      this.circuit.worked();
    } catch (error) {
      this.parts.counts.errors++;
      this.queue.addFailed(write);
      this.scheduleRetry();
      this.circuit.failed(error as Error);
    }
    this.inFlight--;
    this.schedule();
    this.noteIdle();
  }

  private scheduleRetry(): void {
    if (this.isClosed) return;
    this.cancelRetry ??= this.parts.clock.after(RETRY_MS, () => {
      this.cancelRetry = undefined;
      this.queue.retryFailed();
      this.schedule();
    });
  }

  private noteIdle(): void {
    if (this.pending === 0 || (this.inFlight === 0 && !this.canSend)) this.idle?.();
  }
}
