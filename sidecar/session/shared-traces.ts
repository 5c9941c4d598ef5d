import { type HashKey, newHashKey } from '../../src/hashing/half-siphash.js';
import { xxh64 } from '../../src/hashing/xxh64.js';
import { lock, unlock } from '../shared-memory/lock.js';
import { KEEP_MS, type TraceEntry, type TraceStore } from './trace-store.js';

/**
 * Each part has a lock, an index and a ring of bytes for each class of callers; a trace is in the part that its id
 * says, by a secret of this process. A caller fills the rings of its own class only.
 *
 * ```
 *   ring:   … | record | record | record | <- head, where the next one overwrites the oldest
 *   record: bytes of text (4) · trace id (32) · when it expires (8) · text
 *   index:  buckets of places: a ring, and a position counted from its very first byte; 0: none
 * ```
 * A position that is further behind the head than the ring is long has been overwritten.
 */
const PARTS = 16;
const CLASSES = 4;
/** 6 MB a class: the last 30,000 traces that bring 150 bytes each. The memory is the system's until it is used. */
const RING_BYTES = 393_216;
const BUCKETS = 1024;
const WAYS = 8;
const INDEX_SIZE = BUCKETS * WAYS;
const ID_BYTES = 32;
const EXPIRY_AT = 4 + ID_BYTES;
const TEXT_AT = EXPIRY_AT + 8;

/** The memory of {@link SharedTraces}, to be handed to every thread. */
export interface SharedTraceMemory {
  readonly rings: Uint8Array;
  readonly index: Float64Array;
  readonly heads: Float64Array;
  /** A lock for each part, and after them whether anything was ever remembered. */
  readonly cells: Int32Array;
  readonly key: HashKey;
}

export function sharedTraceMemory(): SharedTraceMemory {
  return {
    rings: new Uint8Array(new SharedArrayBuffer(PARTS * CLASSES * RING_BYTES)),
    index: new Float64Array(new SharedArrayBuffer(PARTS * INDEX_SIZE * 8)),
    heads: new Float64Array(new SharedArrayBuffer(PARTS * CLASSES * 8)),
    cells: new Int32Array(new SharedArrayBuffer((PARTS + 1) * 4)),
    key: newHashKey(),
  };
}

/** What traces arrived with, known to every worker as soon as it is known to one: the app's calls may come to any. */
export class SharedTraces implements TraceStore {
  private readonly parts: readonly Part[];
  private readonly cells: Int32Array;
  private readonly seed: bigint;

  constructor(memory: SharedTraceMemory) {
    this.parts = Array.from({ length: PARTS }, (_, i) => new Part(memory, i));
    this.cells = memory.cells;
    this.seed = (BigInt(memory.key[1]) << 32n) | BigInt(memory.key[0]);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.cells, PARTS) === 0;
  }

  set(traceId: string, entry: TraceEntry, nowMs: number, caller: string): void {
    const text = JSON.stringify(entry);
    const hash = this.hashOf(traceId);
    const ring = this.hashOf(caller) % CLASSES;
    const part = hash % PARTS;
    lock(this.cells, part);
    try {
      (this.parts[part] as Part).set({ traceId, hash, text, ring, expiresAtMs: nowMs + KEEP_MS });
    } finally {
      unlock(this.cells, part);
    }
    Atomics.store(this.cells, PARTS, 1);
  }

  get(traceId: string, nowMs: number): TraceEntry | undefined {
    const hash = this.hashOf(traceId);
    const part = hash % PARTS;
    let text: string | undefined;
    lock(this.cells, part);
    try {
      text = (this.parts[part] as Part).get(traceId, hash, nowMs);
    } finally {
      unlock(this.cells, part);
    }
    return text === undefined ? undefined : (JSON.parse(text) as TraceEntry);
  }

  private hashOf(text: string): number {
    return Number(xxh64(text, this.seed) & 0xffffffffn);
  }
}

/** What is to be remembered. */
interface NewRecord {
  readonly traceId: string;
  readonly hash: number;
  readonly text: string;
  /** That of the caller's class. */
  readonly ring: number;
  readonly expiresAtMs: number;
}

/** One part, for the holder of its lock. */
class Part {
  private readonly rings: readonly Buffer[];
  private readonly index: Float64Array;
  private readonly heads: Float64Array;

  constructor({ rings, index, heads }: SharedTraceMemory, part: number) {
    this.rings = Array.from({ length: CLASSES }, (_, ring) =>
      Buffer.from(rings.buffer, (part * CLASSES + ring) * RING_BYTES, RING_BYTES),
    );
    this.index = index.subarray(part * INDEX_SIZE, (part + 1) * INDEX_SIZE);
    this.heads = heads.subarray(part * CLASSES, (part + 1) * CLASSES);
  }

  set({ traceId, hash, text, ring, expiresAtMs }: NewRecord): void {
    const bytes = Buffer.byteLength(text);
    const length = TEXT_AT + bytes;
    // As long as a head may be at the most; what is longer than its ring cannot be kept.
    if (length > RING_BYTES) return;
    const position = this.reserve(ring, length);
    const [memory, at] = [this.rings[ring] as Buffer, position % RING_BYTES];
    memory.writeUInt32LE(bytes, at);
    memory.write(traceId, at + 4, 'latin1');
    memory.writeDoubleLE(expiresAtMs, at + EXPIRY_AT);
    memory.write(text, at + TEXT_AT, 'utf8');
    this.index[this.slotFor(traceId, hash)] = position * CLASSES + ring + 1;
  }

  get(traceId: string, hash: number, nowMs: number): string | undefined {
    const slot = this.slotOf(traceId, hash);
    if (slot === -1) return undefined;
    const [memory, at] = [this.ringOf(slot), this.positionIn(slot) % RING_BYTES];
    if (memory.readDoubleLE(at + EXPIRY_AT) <= nowMs) return undefined;
    return memory.toString('utf8', at + TEXT_AT, at + TEXT_AT + memory.readUInt32LE(at));
  }

  /** Moves a head on by so many bytes in one piece, and to its ring's start where they do not fit before its end. */
  private reserve(ring: number, length: number): number {
    const head = this.heads[ring] as number;
    const left = RING_BYTES - (head % RING_BYTES);
    const position = length <= left ? head : head + left;
    this.heads[ring] = position + length;
    return position;
  }

  private slotOf(traceId: string, hash: number): number {
    const first = firstSlot(hash);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.isIntact(slot) && this.idIn(slot) === traceId) return slot;
    }
    return -1;
  }

  /** The slot of a trace; else one that is free, or the one whose record is nearest to being overwritten. */
  private slotFor(traceId: string, hash: number): number {
    const known = this.slotOf(traceId, hash);
    if (known !== -1) return known;
    const first = firstSlot(hash);
    let oldest = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (!this.isIntact(slot)) return slot;
      if (this.ageIn(slot) > this.ageIn(oldest)) oldest = slot;
    }
    return oldest;
  }

  private isIntact(slot: number): boolean {
    return this.index[slot] !== 0 && this.ageIn(slot) <= RING_BYTES;
  }

  /** Bytes that have been written to its ring since. */
  private ageIn(slot: number): number {
    return (this.heads[this.ringIn(slot)] as number) - this.positionIn(slot);
  }

  private ringIn(slot: number): number {
    return ((this.index[slot] as number) - 1) % CLASSES;
  }

  private ringOf(slot: number): Buffer {
    return this.rings[this.ringIn(slot)] as Buffer;
  }

  private positionIn(slot: number): number {
    return Math.floor(((this.index[slot] as number) - 1) / CLASSES);
  }

  private idIn(slot: number): string {
    const at = (this.positionIn(slot) % RING_BYTES) + 4;
    return this.ringOf(slot).toString('latin1', at, at + ID_BYTES);
  }
}

function firstSlot(hash: number): number {
  return (Math.floor(hash / PARTS) % BUCKETS) * WAYS;
}
