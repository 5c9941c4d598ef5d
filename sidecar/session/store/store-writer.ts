import { comparePins, type SharedSession } from '../../../src/sessions/shared-pin.js';
import { PartCircuits, type StoreCircuit } from './store-circuit.js';
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
  readonly circuits: PartCircuits;
  private readonly queue = new WriteQueue(MOST_PENDING);
  private inFlight = 0;
  private cancelTick: (() => void) | undefined;
  private cancelRetry: (() => void) | undefined;
  private idle: (() => void) | undefined;
  private isClosed = false;

  constructor(private readonly parts: StoreParts) {
    const { client, clock, health, onProbeFailed } = parts;
    this.circuits = new PartCircuits({
      clock,
      canProbe: () => client.isReady,
      probe: (circuit, key) => this.probe(circuit, key),
      onBroken: (cause) => health.broke('writes', cause),
      onClose: (isWhole) => {
        if (isWhole) health.mended('writes');
        parts.onWorksAgain();
        this.queue.retryFailed();
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
    this.circuits.end();
    this.cancelTick?.();
    this.cancelRetry?.();
  }

  /**
   * Writes a pin, unless the store has one that wins.
   *
   * @returns what the store has now; undefined: others keep changing the session, and it has to be tried again
   */
  private async put(write: PendingWrite): Promise<SharedSession | undefined> {
    const { client, clock, counts, events } = this.parts;
    const { key, value, records, session, service } = write;
    let expected: Buffer | undefined;
    let hasReplaced = false;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const ttlMs = Math.max(1, Math.ceil(write.untilMs - clock.nowMs()));
      const present = await client.replace(key, { expected, value, ttlMs });
      const stored = present && fromStored(records, session.hash, present);
      if (present === undefined) {
        counts.written++;
        if (hasReplaced) events.onReplaced?.(service, session);
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
      } else hasReplaced = true;
      expected = present;
    }
    return undefined;
  }

  private schedule(): void {
    if (this.cancelTick !== undefined || !this.queue.hasWaiting || this.isClosed) return;
    this.cancelTick = this.parts.clock.after(TICK_MS, () => this.tick());
  }

  private tick(): void {
    this.cancelTick?.();
    this.cancelTick = undefined;
    const { client, clock } = this.parts;
    if (!client.isReady) return;
    const room = MOST_IN_FLIGHT - this.inFlight;
    const writes = this.queue.take(room, clock.nowMs(), (key) => this.canSend(key));
    for (const write of writes) void this.send(write, this.circuitOf(write.key));
    if (this.queue.hasFailed) this.scheduleRetry();
    if (this.inFlight < MOST_IN_FLIGHT) this.schedule();
  }

  /** Sessions that are to go where a server fails wait until it works again. */
  canSend(key: string): boolean {
    return this.parts.client.isReady && !this.circuitOf(key).isOpen;
  }

  private circuitOf(key: string): StoreCircuit {
    return this.circuits.of(this.parts.client.partOf(key));
  }

  private probe(circuit: StoreCircuit, key: string): boolean {
    const write = this.queue.takeKey(key);
    if (write !== undefined) void this.send(write, circuit);
    return write !== undefined;
  }

  private async send(write: PendingWrite, circuit: StoreCircuit): Promise<void> {
    this.inFlight++;
    try {
      const stored = await within(WRITE_TIMEOUT_MS, this.parts.clock, this.put(write));
      circuit.worked();
      if (stored === undefined) this.sendLater(write);
    } catch (error) {
      this.parts.counts.errors++;
      this.sendLater(write);
      circuit.failed(error as Error, write.key);
    }
    this.inFlight--;
    this.schedule();
    this.noteIdle();
  }

  private sendLater(write: PendingWrite): void {
    this.queue.addFailed(write);
    this.scheduleRetry();
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
    if (this.inFlight === 0 && (!this.queue.hasWaiting || !this.parts.client.isReady)) this.idle?.();
  }
}
