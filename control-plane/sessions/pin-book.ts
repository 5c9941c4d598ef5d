import { comparePins, type SharedPin, type SharedSession, SOURCES } from '../../src/sessions/shared-pin.js';

/** One session of a service. */
export interface BookEntry {
  readonly hash: bigint;
  readonly pin: SharedPin;
  readonly usedAtMs: number;
  readonly source: number;
  readonly tag: number;
  /** Position of the change that made it what it is. */
  readonly sequence: number;
}

/**
 * What became of a session that was reported: it is new or has replaced what there was; it was in use; nothing in it
 * is new; or what there is wins over it.
 */
export type MergeResult = 'taken' | 'used' | 'known' | 'lost' | 'expired';

/** Of a full book, this part is freed at once, so that a flood costs no pass over the book for each pin. */
const PART_FREED = 64;
/** A session that is in use is passed on once for so many parts of its ttl. */
const USES_PER_TTL = 8;

/**
 * The pins of one service that its callers have shared, in the order in which they changed. Bounded: when it is full,
 * the source with the most pins loses its oldest, so no sidecar can push out what the others have shared.
 */
export class PinBook {
  /** Oldest change first. */
  private readonly entries = new Map<bigint, BookEntry>();
  private readonly counts = new Uint32Array(SOURCES);
  /** The longest that a follower keeps an idle session. */
  ttlMs = 0;

  /**
   * @param capacity most sessions kept
   * @param nextSequence numbers the changes of all books
   */
  constructor(
    private readonly capacity: number,
    private readonly nextSequence: () => number,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  find(hash: bigint): BookEntry | undefined {
    return this.entries.get(hash);
  }

  merge({ hash, pin, idleS, source, tag }: SharedSession, nowMs: number): MergeResult {
    const usedAtMs = nowMs - idleS * 1000;
    if (idleS * 1000 > this.ttlMs) return 'expired';
    const present = this.entries.get(hash);
    const order = present === undefined || this.isExpired(present, nowMs) ? 1 : comparePins(pin, present.pin);
    if (order < 0) return 'lost';
    if (order === 0 && present !== undefined) return this.noteUse(present, usedAtMs);
    this.put({ hash, pin, usedAtMs, source, tag, sequence: this.nextSequence() }, present);
    if (this.entries.size > this.capacity) this.makeRoom();
    return 'taken';
  }

  /** What has changed since a position, newest first. */
  since(sequence: number, nowMs: number): BookEntry[] {
    const changed: BookEntry[] = [];
    for (const entry of this.entries.values())
      if (entry.sequence > sequence && !this.isExpired(entry, nowMs)) changed.push(entry);
    return changed.reverse();
  }

  /** All that are not expired, oldest change first. */
  *alive(nowMs: number): Generator<BookEntry> {
    for (const entry of this.entries.values()) if (!this.isExpired(entry, nowMs)) yield entry;
  }

  /** Drops what has not been used for longer than anybody keeps it. */
  sweep(nowMs: number): void {
    for (const entry of this.entries.values()) if (this.isExpired(entry, nowMs)) this.remove(entry);
  }

  private noteUse(present: BookEntry, usedAtMs: number): MergeResult {
    if (usedAtMs - present.usedAtMs < this.ttlMs / USES_PER_TTL) return 'known';
    this.put({ ...present, usedAtMs, sequence: this.nextSequence() }, present);
    return 'used';
  }

  private put(entry: BookEntry, replaced: BookEntry | undefined): void {
    if (replaced !== undefined) this.remove(replaced);
    this.entries.set(entry.hash, entry);
    this.counts[entry.source] = (this.counts[entry.source] as number) + 1;
  }

  private remove({ hash, source }: BookEntry): void {
    this.entries.delete(hash);
    this.counts[source] = (this.counts[source] as number) - 1;
  }

  /** Frees a part of the book, at the cost of the source that has most of it. */
  makeRoom(): void {
    const heaviest = this.counts.indexOf(this.counts.reduce((most, count) => Math.max(most, count), 0));
    let left = Math.ceil(this.capacity / PART_FREED);
    for (const entry of this.entries.values()) {
      if (entry.source !== heaviest) continue;
      this.remove(entry);
      if (--left === 0) return;
    }
  }

  private isExpired({ usedAtMs }: BookEntry, nowMs: number): boolean {
    return nowMs - usedAtMs > this.ttlMs;
  }
}
