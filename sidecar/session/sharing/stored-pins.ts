import { PinRecords } from '../../../src/sessions/pin-records.js';
import type { SessionStore } from '../store/session-store.js';
import type { FleetPins, PinWait } from './fleet-pins.js';
import type { PinSharing } from './pin-sharing.js';
import type { SharedAffinity, SharedPinTable } from './service-pins.js';

export interface StoredPinsOptions {
  readonly store: SessionStore;
  /** How long a lookup may take, in milliseconds. */
  readonly timeoutMs: number;
  /** For pins that replace others: sidecars that have the session in their table would not look it up again. */
  readonly sharing: PinSharing;
  readonly table: SharedPinTable;
  affinityOf(service: string): SharedAffinity | undefined;
  /** The services that share pins, with the tags of their table entries. */
  services(): Iterable<readonly [string, SharedAffinity]>;
  /** The session table's clock. */
  nowMs(): number;
}

interface StoredService {
  readonly affinity: SharedAffinity;
  readonly records: PinRecords;
  readonly noted: Set<bigint>;
}

/** Sessions of one service that wait for a tick; the store's own queue is bounded, too. */
const MOST_NOTED = 20_000;
/** Slots looked at in one tick, after the store was away. */
const SLICE = 16_384;

/**
 * Pins in an external store: a session that is not in the table is looked up there, and what is pinned here is written
 * behind the request. Pins that replace others are relayed by the control plane as well.
 */
export class StoredPins implements FleetPins {
  readonly perService = false;
  private readonly known = new Map<string, StoredService>();
  /** After a gap, the slot up to which sessions have been written again. */
  private again: number | undefined;
  private isStoreSettled = false;

  constructor(private readonly options: StoredPinsOptions) {
    void options.store.settled.then(() => {
      this.isStoreSettled = true;
    });
  }

  /** For a pod that starts: the store has been reached, or has been waited for long enough. */
  get isSettled(): boolean {
    return this.isStoreSettled && this.options.sharing.isSettled;
  }

  /** The sidecar goes on from what is on disk: it is ready at once, whether the store answers or not. */
  settle(): void {
    this.isStoreSettled = true;
    this.options.sharing.settle();
  }

  note(service: string, key: bigint): void {
    const stored = this.of(service);
    if (stored === undefined || stored.noted.size >= MOST_NOTED) return;
    stored.noted.add(key);
  }

  await(service: string, key: bigint, resume: () => void): PinWait | undefined {
    const { store, timeoutMs } = this.options;
    const stored = this.of(service);
    if (stored === undefined || store.brokenSinceMs !== undefined) return undefined;
    let isOver = false;
    void this.fetch(stored, service, key).then(() => {
      if (!isOver) resume();
    });
    const cancel = () => {
      isOver = true;
    };
    return { waitMs: timeoutMs, cancel };
  }

  /** An operator asks about a session: if the store has it, the control plane is told. */
  onWanted(service: string, key: bigint): void {
    const stored = this.of(service);
    if (stored === undefined) return;
    void this.fetch(stored, service, key).then((isThere) => {
      if (isThere) this.options.sharing.note(service, key);
    });
  }

  /** The store must not bring the pin of a session back that an operator has unpinned. */
  onUnpinned(service: string, key: bigint): void {
    this.note(service, key);
  }

  /** The store works again and has missed something. */
  writeAgain(): void {
    this.again = 0;
  }

  /** Called on the coarse clock's tick. */
  tick(): void {
    this.lookForMore();
    const { store, sharing, table, nowMs } = this.options;
    for (const [service, { affinity, records, noted }] of this.known) {
      if (noted.size === 0) continue;
      const sessions = [...noted].flatMap((key) => table.peek(key, nowMs()) ?? []);
      noted.clear();
      store.write(records, service, sessions, affinity.ttlMs);
      for (const { hash, pin } of sessions) if (pin.generation > 0) sharing.note(service, hash);
    }
  }

  /** Takes a session from the store into the table; never rejects. @returns whether the store has it */
  private async fetch({ affinity: { ttlMs }, records }: StoredService, service: string, key: bigint) {
    const { store, table, nowMs } = this.options;
    const session = await store.find(records, service, key, ttlMs);
    if (session !== undefined) table.merge(session, ttlMs, nowMs());
    return session !== undefined;
  }

  private of(service: string): StoredService | undefined {
    const affinity = this.options.affinityOf(service);
    if (affinity === undefined) return undefined;
    const known = this.known.get(service);
    if (known?.affinity === affinity) return known;
    const records = new PinRecords(affinity.pinSecret);
    const made = { affinity, records, noted: known?.noted ?? new Set<bigint>() };
    this.known.set(service, made);
    // What sidecars find of its endpoints goes by way of the control plane.
    this.options.sharing.joins(service);
    return made;
  }

  private lookForMore(): void {
    if (this.again === undefined) return;
    const { table, services, nowMs } = this.options;
    const byTag = new Map(
      [...services()].flatMap(([name, { tags }]) => [...tags].map((tag) => [tag, name] as const)),
    );
    const end = this.again + SLICE;
    table.visit(this.again, end, nowMs(), ({ high, low, tag, isOwn }) => {
      const service = isOwn ? byTag.get(tag) : undefined;
      if (service !== undefined) this.note(service, (BigInt(high) << 32n) | BigInt(low));
    });
    this.again = end >= table.slots ? undefined : end;
  }
}
