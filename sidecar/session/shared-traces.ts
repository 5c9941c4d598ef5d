import { lock, unlock } from '../shared-memory/lock.js';
import { KEEP_MS, type TraceEntry, type TraceStore } from './trace-store.js';

/**
 * Each part has a lock, a ring of bytes and an index of its own; a trace is in the part that its id says.
 *
 * ```
 *   ring:   … | record | record | record | <- head, where the next one overwrites the oldest
 *   record: bytes of text (4) · trace id (32) · when it expires (8) · text
 *   index:  buckets of positions, counted from the ring's very first byte; 0: none
 * ```
 * A position that is further behind the head than the ring is long has been overwritten.
 */
const PARTS = 16;
/** 8 MB in all: the last 40,000 traces that bring 150 bytes each. The memory is the system's until it is used. */
const RING_BYTES = 524_288;
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
}

export function sharedTraceMemory(): SharedTraceMemory {
  return {
    rings: new Uint8Array(new SharedArrayBuffer(PARTS * RING_BYTES)),
    index: new Float64Array(new SharedArrayBuffer(PARTS * INDEX_SIZE * 8)),
    heads: new Float64Array(new SharedArrayBuffer(PARTS * 8)),
    cells: new Int32Array(new SharedArrayBuffer((PARTS + 1) * 4)),
  };
}

/** What traces arrived with, known to every worker as soon as it is known to one: the app's calls may come to any. */
export class SharedTraces implements TraceStore {
  private readonly parts: readonly Part[];
  private readonly cells: Int32Array;

  constructor(memory: SharedTraceMemory) {
    this.parts = Array.from({ length: PARTS }, (_, i) => new Part(memory, i));
    this.cells = memory.cells;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.cells, PARTS) === 0;
  }

  set(traceId: string, entry: TraceEntry, nowMs: number): void {
    const { lane, headers, cookies, baggage } = entry;
    const text = JSON.stringify([lane, [...headers], [...cookies], [...baggage]]);
    const hash = hashOf(traceId);
    const part = hash % PARTS;
    lock(this.cells, part);
    try {
      (this.parts[part] as Part).set(traceId, hash, text, nowMs + KEEP_MS);
    } finally {
      unlock(this.cells, part);
    }
    Atomics.store(this.cells, PARTS, 1);
  }

  get(traceId: string, nowMs: number): TraceEntry | undefined {
    const hash = hashOf(traceId);
    const part = hash % PARTS;
    let text: string | undefined;
    lock(this.cells, part);
    try {
      text = (this.parts[part] as Part).get(traceId, hash, nowMs);
    } finally {
      unlock(this.cells, part);
    }
    return text === undefined ? undefined : toEntry(text);
  }
}

type Pairs = readonly (readonly [string, string])[];

function toEntry(text: string): TraceEntry {
  const [lane, headers, cookies, baggage] = JSON.parse(text) as [string, Pairs, Pairs, Pairs];
  return { lane, headers: new Map(headers), cookies: new Map(cookies), baggage: new Map(baggage) };
}

/** All digits count, and every bit of the hash: not everybody's trace ids are random in all of theirs. */
function hashOf(traceId: string): number {
  let hash = 0;
  for (let at = 0; at < ID_BYTES; at += 8) {
    hash = Math.imul(hash ^ Number.parseInt(traceId.slice(at, at + 8), 16), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** One part, for whoever holds its lock. */
class Part {
  private readonly ring: Buffer;
  private readonly index: Float64Array;
  private readonly heads: Float64Array;

  constructor(
    { rings, index, heads }: SharedTraceMemory,
    private readonly part: number,
  ) {
    this.ring = Buffer.from(rings.buffer, part * RING_BYTES, RING_BYTES);
    this.index = index.subarray(part * INDEX_SIZE, (part + 1) * INDEX_SIZE);
    this.heads = heads;
  }

  set(traceId: string, hash: number, text: string, expiresAtMs: number): void {
    const bytes = Buffer.byteLength(text);
    const length = TEXT_AT + bytes;
    // As long as a head may be at the most; what is longer than its ring cannot be kept.
    if (length > RING_BYTES) return;
    const position = this.reserve(length);
    const at = position % RING_BYTES;
    this.ring.writeUInt32LE(bytes, at);
    this.ring.write(traceId, at + 4, 'latin1');
    this.ring.writeDoubleLE(expiresAtMs, at + EXPIRY_AT);
    this.ring.write(text, at + TEXT_AT, 'utf8');
    this.index[this.slotFor(traceId, hash)] = position + 1;
  }

  get(traceId: string, hash: number, nowMs: number): string | undefined {
    const slot = this.slotOf(traceId, hash);
    if (slot === -1) return undefined;
    const at = this.positionIn(slot) % RING_BYTES;
    if (this.ring.readDoubleLE(at + EXPIRY_AT) <= nowMs) return undefined;
    return this.ring.toString('utf8', at + TEXT_AT, at + TEXT_AT + this.ring.readUInt32LE(at));
  }

  /** Moves the head on by so many bytes in one piece, and to the ring's start where they do not fit before its end. */
  private reserve(length: number): number {
    const head = this.heads[this.part] as number;
    const left = RING_BYTES - (head % RING_BYTES);
    const position = length <= left ? head : head + left;
    this.heads[this.part] = position + length;
    return position;
  }

  private slotOf(traceId: string, hash: number): number {
    const first = firstSlot(hash);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.isIntact(slot) && this.idIn(slot) === traceId) return slot;
    }
    return -1;
  }

  /** The slot of a trace; else one that is free, or the one whose record is the oldest. */
  private slotFor(traceId: string, hash: number): number {
    const known = this.slotOf(traceId, hash);
    if (known !== -1) return known;
    const first = firstSlot(hash);
    let oldest = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (!this.isIntact(slot)) return slot;
      if (this.positionIn(slot) < this.positionIn(oldest)) oldest = slot;
    }
    return oldest;
  }

  private isIntact(slot: number): boolean {
    const position = this.positionIn(slot);
    return position >= 0 && (this.heads[this.part] as number) - position <= RING_BYTES;
  }

  /** -1: none. */
  private positionIn(slot: number): number {
    return (this.index[slot] as number) - 1;
  }

  private idIn(slot: number): string {
    const at = (this.positionIn(slot) % RING_BYTES) + 4;
    return this.ring.toString('latin1', at, at + ID_BYTES);
  }
}

function firstSlot(hash: number): number {
  return (Math.floor(hash / PARTS) % BUCKETS) * WAYS;
}
