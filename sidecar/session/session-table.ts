import { type HashKey, halfSipHash, newHashKey } from '../../src/hashing/half-siphash.js';
import { xxh64 } from '../../src/hashing/xxh64.js';
import type { Pin } from '../../src/routing/pins.js';

/**
 * Pins of sessions whose key travels in no cookie: a bounded hash table in typed arrays, 37 bytes a slot and
 * nothing for the garbage collector to look at. Sessions are told apart by a 64-bit hash alone; of 100,000, two
 * share one with a chance of 1 in 4 billion, and would then share a pin.
 *
 * Each hash has one bucket of {@link WAYS} entries, by a secret of this process: callers choose keys, and must not be
 * able to choose those of one bucket. In a full bucket an entry gives way of the caller that has most of them, and of
 * its services the one that has most: among those, the entry used longest ago. Nobody takes more than a fair share
 * from others, in a bucket or in the table; a caller that is alone has all of it.
 */
export const WAYS = 16;
const LABEL = 1;
const USED = 2;
/** Slots for each session of the capacity: at 3, one bucket in 30,000 is full before the table is. */
const HEADROOM = 3;

/** What a session table keeps its entries in, one place of each array for each slot. */
export interface SessionSlots {
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  readonly releases: Float64Array;
  readonly endpoints: Float64Array;
  /** Seconds since the table's epoch. */
  readonly lastUsed: Uint32Array;
  readonly flags: Uint8Array;
  /** Whose they are: 16 bits for the caller, 16 for its service. */
  readonly owners: Uint32Array;
  /** Decides where entries go. */
  readonly key: HashKey;
  /** What the session's key depends on, see `sessionTag`. */
  readonly tags: Uint32Array;
}

/** One entry, as {@link SessionTable.visit} shows it. */
export interface SessionEntry {
  readonly high: number;
  readonly low: number;
  readonly release: number;
  readonly endpoint: number;
  readonly label: boolean;
  readonly tag: number;
  readonly idleMs: number;
}

/** Whose pin it is. */
export interface PinOwner {
  /** The client's address. */
  readonly caller: string;
  /** Of the service that is called. */
  readonly scope: bigint;
}

const NOBODY: PinOwner = { caller: '', scope: 0n };

/**
 * Empty slots.
 *
 * @param capacity sessions that fit at least
 * @param Memory what they are made of
 */
export function sessionSlots(
  capacity: number,
  Memory: new (bytes: number) => ArrayBuffer | SharedArrayBuffer,
): SessionSlots {
  const slots = Math.max(1, Math.ceil((capacity * HEADROOM) / WAYS)) * WAYS;
  return {
    highs: new Uint32Array(new Memory(slots * 4)),
    lows: new Uint32Array(new Memory(slots * 4)),
    releases: new Float64Array(new Memory(slots * 8)),
    endpoints: new Float64Array(new Memory(slots * 8)),
    lastUsed: new Uint32Array(new Memory(slots * 4)),
    flags: new Uint8Array(new Memory(slots)),
    owners: new Uint32Array(new Memory(slots * 4)),
    key: newHashKey(),
    tags: new Uint32Array(new Memory(slots * 4)),
  };
}

export class SessionTable {
  protected readonly buckets: number;
  private readonly highs: Uint32Array;
  private readonly lows: Uint32Array;
  private readonly releases: Float64Array;
  private readonly endpoints: Float64Array;
  private readonly lastUsed: Uint32Array;
  private readonly flags: Uint8Array;
  private readonly owners: Uint32Array;
  private readonly key: HashKey;
  private readonly callerSeed: bigint;
  private readonly tags: Uint32Array;
  private entries = 0;

  /** @param capacity sessions that fit at least */
  constructor(
    capacity: number,
    private readonly epochMs: number,
    slots = sessionSlots(capacity, ArrayBuffer),
  ) {
    this.highs = slots.highs;
    this.lows = slots.lows;
    this.releases = slots.releases;
    this.endpoints = slots.endpoints;
    this.lastUsed = slots.lastUsed;
    this.flags = slots.flags;
    this.owners = slots.owners;
    this.key = slots.key;
    this.callerSeed = BigInt(slots.key[0]);
    this.tags = slots.tags;
    this.buckets = slots.flags.length / WAYS;
  }

  /** Entries in use, expired ones included until something takes their place. */
  get size(): number {
    return this.entries;
  }

  /** Keeps other threads from a session, from before it is looked up until what follows from that is set. */
  lock(_hash: bigint): void {}

  unlock(_hash: bigint): void {}

  protected countEntries(more: number): void {
    this.entries += more;
  }

  /** The pin of a session that has been used within `ttlMs`; counts as a use. */
  find(hash: bigint, ttlMs: number, nowMs: number): Pin | undefined {
    const slot = this.slotOf(highHalf(hash), lowHalf(hash));
    if (slot === -1) return undefined;
    const now = this.seconds(nowMs);
    if ((now - (this.lastUsed[slot] as number)) * 1000 > ttlMs) {
      this.flags[slot] = 0;
      this.countEntries(-1);
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
  visit(from: number, to: number, nowMs: number, show: (entry: SessionEntry) => void): void {
    const now = this.seconds(nowMs);
    for (let slot = from; slot < Math.min(to, this.flags.length); slot++) {
      if (this.flags[slot] === 0) continue;
      show({
        high: this.highs[slot] as number,
        low: this.lows[slot] as number,
        release: this.releases[slot] as number,
        endpoint: this.endpoints[slot] as number,
        label: ((this.flags[slot] as number) & LABEL) !== 0,
        tag: this.tags[slot] as number,
        idleMs: (now - (this.lastUsed[slot] as number)) * 1000,
      });
    }
  }

  /**
   * @param owner who takes the place, where the session has none yet, or one with another tag
   * @param tag what the key depends on, see `sessionTag`
   */
  set(hash: bigint, pin: Pin, nowMs: number, owner: PinOwner = NOBODY, tag = 0): void {
    const [high, low] = [highHalf(hash), lowHalf(hash)];
    let slot = this.slotOf(high, low);
    if (slot === -1) {
      const ownerTag = this.tagOf(owner);
      slot = this.slotToFill(this.bucketOf(high, low) * WAYS, ownerTag);
      if (this.flags[slot] === 0) this.countEntries(1);
      this.highs[slot] = high;
      this.lows[slot] = low;
      this.owners[slot] = ownerTag;
    } else if (this.tags[slot] !== tag) this.owners[slot] = this.tagOf(owner);
    this.releases[slot] = pin.release;
    this.endpoints[slot] = pin.endpoint;
    this.lastUsed[slot] = this.seconds(nowMs);
    this.tags[slot] = tag;
    this.flags[slot] = USED | (pin.label ? LABEL : 0);
  }

  private slotOf(high: number, low: number): number {
    const first = this.bucketOf(high, low) * WAYS;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.lows[slot] === low && this.highs[slot] === high && this.flags[slot] !== 0) return slot;
    }
    return -1;
  }

  /** A free slot of a bucket, or else the least recently used one of whoever has most of it. */
  private slotToFill(first: number, tag: number): number {
    const slots: number[] = [];
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.flags[slot] === 0) return slot;
      slots.push(slot);
    }
    const ofCaller = heaviest(slots, (slot) => callerIn(this.owners[slot] as number), callerIn(tag));
    const ofService = heaviest(ofCaller, (slot) => this.owners[slot] as number, tag);
    return ofService.reduce((oldest, slot) =>
      (this.lastUsed[slot] as number) < (this.lastUsed[oldest] as number) ? slot : oldest,
    );
  }

  private tagOf({ caller, scope }: PinOwner): number {
    const ofCaller = lowHalf(xxh64(caller, this.callerSeed)) & 0xffff;
    const ofService = halfSipHash(highHalf(scope), lowHalf(scope), this.key) & 0xffff;
    return ofCaller * 0x10000 + ofService;
  }

  protected bucketOf(high: number, low: number): number {
    return halfSipHash(high, low, this.key) % this.buckets;
  }

  private seconds(nowMs: number): number {
    return Math.max(0, Math.floor((nowMs - this.epochMs) / 1000));
  }
}

function callerIn(tag: number): number {
  return tag >>> 16;
}

/**
 * The slots of the group that has most of them, a newcomer counted in: its own where others have as many; of several
 * others, all of theirs.
 */
function heaviest(
  slots: readonly number[],
  groupOf: (slot: number) => number,
  newcomer: number,
): readonly number[] {
  const counts = new Map([[newcomer, 1]]);
  for (const slot of slots) counts.set(groupOf(slot), (counts.get(groupOf(slot)) ?? 0) + 1);
  const most = Math.max(...slots.map((slot) => counts.get(groupOf(slot)) as number));
  const own = slots.filter((slot) => groupOf(slot) === newcomer);
  if (own.length > 0 && counts.get(newcomer) === most) return own;
  return slots.filter((slot) => counts.get(groupOf(slot)) === most);
}

export function highHalf(hash: bigint): number {
  return Number(hash >> 32n);
}

export function lowHalf(hash: bigint): number {
  return Number(hash & 0xffffffffn);
}
