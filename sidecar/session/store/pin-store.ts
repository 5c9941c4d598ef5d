import type { PinRecords } from '../../../src/sessions/pin-records.js';
import type { SharedSession } from '../../../src/sessions/shared-pin.js';
import type { DurationHistogram } from '../../../src/telemetry/duration-histogram.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import type { SessionStore, SessionStoreEvents, StoreCounts } from './session-store.js';
import type { StoreClient } from './store-client.js';
import { STORE_CLOCK, type StoreClock } from './store-clock.js';
import { probesBeforeReset, within } from './store-failures.js';
import { StoreHealth } from './store-health.js';
import { type Answer, StoreLookups } from './store-lookups.js';
import type { StoreParts } from './store-parts.js';
import { StoreWriter } from './store-writer.js';
import { fromStored, storeKey, toStored } from './stored-pin.js';

export interface PinStoreOptions {
  readonly client: StoreClient;
  readonly timeoutMs: number;
  /** What the store is called in the log. */
  readonly name: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly events: SessionStoreEvents;
  readonly clock?: StoreClock;
}

/** How long a start waits for the first connection. */
const SETTLE_MS = 2000;
const CLOSE_MS = 1000;

/** Pins in a database that may be slow, broken, full or gone at any time. */
export class PinStore implements SessionStore {
  readonly settled: Promise<void>;
  private readonly numbers: StoreCounts = {
    lookups: 0,
    hits: 0,
    misses: 0,
    timeouts: 0,
    errors: 0,
    skipped: 0,
    written: 0,
    dropped: 0,
    conflicts: 0,
    damaged: 0,
  };
  private readonly clock: StoreClock;
  private readonly health: StoreHealth;
  private readonly lookups: StoreLookups;
  private readonly writer: StoreWriter;
  private droppedBefore = 0;
  private settle = () => {};

  constructor(private readonly options: PinStoreOptions) {
    const { client, clock = STORE_CLOCK, name, log, events, timeoutMs } = options;
    this.clock = clock;
    this.health = new StoreHealth(
      name,
      log,
      () => clock.nowMs(),
      () => this.onMended(),
    );
    const parts: StoreParts = {
      client,
      clock,
      counts: this.numbers,
      health: this.health,
      events,
      onWorksAgain: () => this.probeNow(),
      onProbeFailed: (failures, cause) => {
        if (failures % probesBeforeReset(cause) === 0) client.reset(cause);
      },
    };
    this.lookups = new StoreLookups(parts, timeoutMs);
    this.writer = new StoreWriter(parts);
    this.settled = new Promise((resolve) => {
      const cancel = clock.after(SETTLE_MS, resolve);
      this.settle = () => {
        cancel();
        resolve();
      };
    });
    client.open({ onReady: () => this.onReady(), onLost: (cause) => this.onLost(cause) });
  }

  get brokenSinceMs(): number | undefined {
    return this.health.brokenSinceMs;
  }

  get counts(): Readonly<StoreCounts> {
    return { ...this.numbers, dropped: this.writer.dropped };
  }

  get pending(): number {
    return this.writer.pending;
  }

  get lookupTimes(): DurationHistogram {
    return this.lookups.times;
  }

  async find(
    records: PinRecords,
    _service: string,
    key: bigint,
    ttlMs: number,
  ): Promise<SharedSession | undefined> {
    this.numbers.lookups++;
    const place = storeKey(records, key);
    const asked = this.lookups.ask(place);
    if (asked === undefined) {
      this.numbers.skipped++;
      return undefined;
    }
    const session = this.read(records, key, await asked);
    // Used here, it lives on.
    if (session !== undefined && this.writer.canSend(place))
      this.options.client.touch(place, ttlMs).catch(() => this.numbers.errors++);
    return session;
  }

  write(records: PinRecords, service: string, sessions: readonly SharedSession[], ttlMs: number): void {
    const untilMs = this.clock.nowMs() + ttlMs;
    toStored(records, sessions).forEach((stored, i) => {
      this.writer.add({ ...stored, service, records, session: sessions[i] as SharedSession, untilMs });
    });
  }

  async close(): Promise<void> {
    await within(CLOSE_MS, this.clock, this.writer.drained()).catch(() => undefined);
    this.lookups.circuits.end();
    this.writer.close();
    this.options.client.close();
    this.settle();
  }

  private read(records: PinRecords, key: bigint, answer: Answer): SharedSession | undefined {
    const { numbers } = this;
    if (answer.kind !== 'answered') {
      if (answer.kind === 'timeout') numbers.timeouts++;
      else numbers.errors++;
      return undefined;
    }
    const session = answer.value && fromStored(records, key, answer.value);
    if (session !== undefined) numbers.hits++;
    else numbers.misses++;
    if (session === undefined && answer.value !== undefined) numbers.damaged++;
    return session;
  }

  private onReady(): void {
    this.health.mended('connection');
    this.settle();
    this.probeNow();
    this.writer.onReady();
  }

  private probeNow(): void {
    this.lookups.circuits.probeNow();
    this.writer.circuits.probeNow();
  }

  private onMended(): void {
    const { dropped } = this.writer;
    if (dropped === this.droppedBefore) return;
    this.droppedBefore = dropped;
    this.options.events.onGap?.();
  }

  private onLost(cause: Error): void {
    this.health.broke('connection', cause);
    this.settle();
  }
}
