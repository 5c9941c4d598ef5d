import type { Pin } from '../../src/routing/pins.js';

/**
 * Pins of sessions whose key travels in no cookie: a bounded hash table in typed arrays, 29 bytes a slot and
 * nothing for the garbage collector to look at. Sessions are told apart by a 64-bit hash alone; of 100,000, two
 * share one with a chance of 1 in 4 billion, and would then share a pin.
 *
 * Each hash has one bucket of {@link WAYS} entries. In a full bucket the one used longest ago gives way: least
 * recently used within the bucket, which for a table that is not crowded is as good as overall.
 */
const WAYS = 16;
const LABEL = 1;
const USED = 2;
/** Slots for each session of the capacity: at 3, one bucket in 30,000 is full before the table is. */
const HEADROOM = 3;

export class SessionTable {
  private readonly buckets: number;
  private readonly highs: Uint32Array;
  private readonly lows: Uint32Array;
  private readonly releases: Float64Array;
  private readonly endpoints: Float64Array;
  /** Seconds since {@link epochMs}. */
  private readonly lastUsed: Uint32Array;
  private readonly flags: Uint8Array;
  private readonly epochMs: number;
  private entries = 0;

  /** @param capacity sessions that fit at least */
  constructor(capacity: number, nowMs: number) {
    this.buckets = Math.max(1, Math.ceil((capacity * HEADROOM) / WAYS));
    const slots = this.buckets * WAYS;
    this.highs = new Uint32Array(slots);
    this.lows = new Uint32Array(slots);
    this.releases = new Float64Array(slots);
    this.endpoints = new Float64Array(slots);
    this.lastUsed = new Uint32Array(slots);
    this.flags = new Uint8Array(slots);
    this.epochMs = nowMs;
  }

  /** Entries in use, expired ones included until something takes their place. */
  get size(): number {
    return this.entries;
  }

  /** The pin of a session that has been used within `ttlMs`; counts as a use. */
  find(hash: bigint, ttlMs: number, nowMs: number): Pin | undefined {
    const slot = this.slotOf(highHalf(hash), lowHalf(hash));
    if (slot === -1) return undefined;
    const now = this.seconds(nowMs);
    if ((now - (this.lastUsed[slot] as number)) * 1000 > ttlMs) {
      this.flags[slot] = 0;
      this.entries--;
      return undefined;
    }
    this.lastUsed[slot] = now;
    return {
      release: this.releases[slot] as number,
      endpoint: this.endpoints[slot] as number,
      label: ((this.flags[slot] as number) & LABEL) !== 0,
    };
  }

  /** Slots there are, in use or not. */
  get slots(): number {
    return this.flags.length;
  }

  /** Shows the entries of a range of slots, expired ones included, with how long each has not been used. */
  visit(
    from: number,
    to: number,
    nowMs: number,
    show: (release: number, endpoint: number, idleMs: number) => void,
  ): void {
    const now = this.seconds(nowMs);
    for (let slot = from; slot < Math.min(to, this.flags.length); slot++) {
      if (this.flags[slot] === 0) continue;
      const idleMs = (now - (this.lastUsed[slot] as number)) * 1000;
      show(this.releases[slot] as number, this.endpoints[slot] as number, idleMs);
    }
  }

  set(hash: bigint, pin: Pin, nowMs: number): void {
    const [high, low] = [highHalf(hash), lowHalf(hash)];
    let slot = this.slotOf(high, low);
    if (slot === -1) {
      slot = this.slotToFill(low);
      if (this.flags[slot] === 0) this.entries++;
      this.highs[slot] = high;
      this.lows[slot] = low;
    }
    this.releases[slot] = pin.release;
    this.endpoints[slot] = pin.endpoint;
    this.lastUsed[slot] = this.seconds(nowMs);
    this.flags[slot] = USED | (pin.label ? LABEL : 0);
  }

  private slotOf(high: number, low: number): number {
    const first = this.bucketOf(low);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.lows[slot] === low && this.highs[slot] === high && this.flags[slot] !== 0) return slot;
    }
    return -1;
  }

  /** A free slot of the hash's bucket, or else its least recently used one. */
  private slotToFill(low: number): number {
    const first = this.bucketOf(low);
    let oldest = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.flags[slot] === 0) return slot;
      if ((this.lastUsed[slot] as number) < (this.lastUsed[oldest] as number)) oldest = slot;
    }
    return oldest;
  }

  private bucketOf(low: number): number {
    return (low % this.buckets) * WAYS;
  }

  private seconds(nowMs: number): number {
    return Math.max(0, Math.floor((nowMs - this.epochMs) / 1000));
  }
}

function highHalf(hash: bigint): number {
  return Number(hash >> 32n);
}

function lowHalf(hash: bigint): number {
  return Number(hash & 0xffffffffn);
}
