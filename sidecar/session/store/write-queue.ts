import type { PinRecords } from '../../../src/sessions/pin-records.js';
import { comparePins, type SharedSession } from '../../../src/sessions/shared-pin.js';
import type { StoredPin } from './stored-pin.js';

/** A session that waits to be written. */
export interface PendingWrite extends StoredPin {
  readonly service: string;
  readonly records: PinRecords;
  readonly session: SharedSession;
  /** When its ttl is over. */
  readonly untilMs: number;
}

/**
 * Sessions that wait to be written, one entry for each. When it is full, new sessions are dropped: what waits already
 * has waited longer, and a session that goes on is written again when it is used.
 */
export class WriteQueue {
  dropped = 0;
  private readonly waiting = new Map<string, PendingWrite>();
  /** Failed, or not to be sent yet; tried again when {@link retryFailed} says so. */
  private readonly failed = new Map<string, PendingWrite>();

  constructor(private readonly most: number) {}

  get size(): number {
    return this.waiting.size + this.failed.size;
  }

  /** Whether there is something to take. */
  get hasWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Whether there is something to retry. */
  get hasFailed(): boolean {
    return this.failed.size > 0;
  }

  add(write: PendingWrite): void {
    const before = this.waiting.get(write.key) ?? this.failed.get(write.key);
    if (before === undefined && this.size >= this.most) {
      this.dropped++;
      return;
    }
    this.failed.delete(write.key);
    this.waiting.set(write.key, before === undefined ? write : better(before, write));
  }

  /** Takes a write back that has failed. */
  addFailed(write: PendingWrite): void {
    const before = this.waiting.get(write.key);
    if (before !== undefined) this.waiting.set(write.key, better(before, write));
    else if (this.failed.has(write.key) || this.size < this.most) this.failed.set(write.key, write);
    else this.dropped++;
  }

  retryFailed(): void {
    for (const write of this.failed.values()) this.waiting.set(write.key, write);
    this.failed.clear();
  }

  /**
   * Takes the oldest out. Those whose ttl is over are dropped, and those that cannot be sent wait like those that have
   * failed.
   */
  take(most: number, nowMs: number, canSend: (key: string) => boolean): PendingWrite[] {
    const taken: PendingWrite[] = [];
    for (const write of this.waiting.values()) {
      if (taken.length >= most) break;
      this.waiting.delete(write.key);
      if (write.untilMs <= nowMs) this.dropped++;
      else if (canSend(write.key)) taken.push(write);
      else this.failed.set(write.key, write);
    }
    return taken;
  }

  /** Takes this one out, if it is there. */
  takeKey(key: string): PendingWrite | undefined {
    const write = this.waiting.get(key) ?? this.failed.get(key);
    this.waiting.delete(key);
    this.failed.delete(key);
    return write;
  }
}

/** Of two writes of one session the pin that wins, alive for as long as either. */
function better(a: PendingWrite, b: PendingWrite): PendingWrite {
  const winner = comparePins(a.session.pin, b.session.pin) > 0 ? a : b;
  return { ...winner, untilMs: Math.max(a.untilMs, b.untilMs) };
}
