import { lock, unlock } from '../shared-memory/lock.js';
import { highHalf, lowHalf, type SessionSlots, SessionTable, sessionSlots, WAYS } from './session-table.js';

/** A session table's memory, to be handed to every thread that uses it. */
export interface SharedSessions {
  readonly slots: SessionSlots;
  /** A lock for each bucket of slots; after them the number of entries, and the revision in force. */
  readonly cells: Int32Array;
  /** On the clock that all threads share. */
  readonly epochMs: number;
}

export function sharedSessions(capacity: number, epochMs: number): SharedSessions {
  const slots = sessionSlots(capacity, SharedArrayBuffer);
  const cells = new Int32Array(new SharedArrayBuffer((slots.flags.length / WAYS + 2) * 4));
  return { slots, cells, epochMs };
}

/** A session table that several threads have at once: each session's bucket is one thread's while it is locked. */
export class SharedSessionTable extends SessionTable {
  private readonly cells: Int32Array;

  constructor({ slots, cells, epochMs }: SharedSessions) {
    super(slots.flags.length, epochMs, slots);
    this.cells = cells;
  }

  override get size(): number {
    return Atomics.load(this.cells, this.buckets);
  }

  override get revision(): number {
    return Atomics.load(this.cells, this.buckets + 1) >>> 0;
  }

  override set revision(revision: number) {
    Atomics.store(this.cells, this.buckets + 1, revision | 0);
  }

  override peek(...[hash, nowMs]: Parameters<SessionTable['peek']>): ReturnType<SessionTable['peek']> {
    this.lock(hash);
    try {
      return super.peek(hash, nowMs);
    } finally {
      this.unlock(hash);
    }
  }

  override merge(...[session, ttlMs, nowMs]: Parameters<SessionTable['merge']>): boolean {
    this.lock(session.hash);
    try {
      return super.merge(session, ttlMs, nowMs);
    } finally {
      this.unlock(session.hash);
    }
  }

  override lock(hash: bigint): void {
    lock(this.cells, this.bucketOf(highHalf(hash), lowHalf(hash)));
  }

  override unlock(hash: bigint): void {
    unlock(this.cells, this.bucketOf(highHalf(hash), lowHalf(hash)));
  }

  /** Bucket by bucket. */
  override visit(...[from, to, nowMs, show]: Parameters<SessionTable['visit']>): void {
    for (let slot = from; slot < Math.min(to, this.slots); slot += WAYS) {
      const bucket = slot / WAYS;
      lock(this.cells, bucket);
      try {
        super.visit(slot, slot + WAYS, nowMs, show);
      } finally {
        unlock(this.cells, bucket);
      }
    }
  }

  protected override countEntries(more: number): void {
    Atomics.add(this.cells, this.buckets, more);
  }
}
