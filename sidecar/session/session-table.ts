import { type HashKey, halfSipHash, newHashKey } from '../../src/hashing/half-siphash.js';
import { xxh64 } from '../../src/hashing/xxh64.js';
import {
  comparePins,
  OWN_SOURCE,
  type SharedPin,
  type SharedSession,
  SOURCES,
} from '../../src/sessions/shared-pin.js';
import { type EvictionFacts, slotToEvict } from './eviction.js';

/**
 * Pins of sessions whose key travels in no cookie: a bounded hash table in typed arrays, 43 bytes a slot, 55 once a
 * session of a service with a salt is in it, and nothing for the garbage collector to look at. Sessions are told apart by a 64-bit hash alone; of 100,000, two
 * share one with a chance of 1 in 4 billion, and would then share a pin.
 *
 * Each hash has one bucket of {@link WAYS} entries, by a secret of this process: callers choose keys, and must not be
 * able to choose those of one bucket. Which entry of a full bucket gives way: {@link slotToEvict}. No caller takes more than
 * a fair share from others, in a bucket or in the table; a caller that is alone has all of it.
 */
export const WAYS = 16;
const LABEL = 1;
const USED = 2;
/** The pin was made here. */
const OWN = 4;
/** The session has come again since it was pinned. */
const REUSED = 8;
/** Slots for each session of the capacity: at 2.75, one bucket in 10,000 is full before the table is. */
const HEADROOM = 2.75;

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
  /** See {@link SharedPin}. */
  readonly generations: Uint16Array;
  readonly revisions: Uint32Array;
  /** What the session's key depends on, see `sessionTag`. */
  readonly tags: Uint32Array;
  /** See {@link EntryFacts}. Undefined: made once one is not 0. */
  readonly saltedHashes: BigUint64Array | undefined;
  readonly salts: Uint32Array | undefined;
  /** Decides where entries go. */
  readonly key: HashKey;
}

/** Whose pin it is. */
export interface PinOwner {
  /** The client's address. */
  readonly caller: string;
  /** Of the service that is called. */
  readonly scope: bigint;
}

const NOBODY: PinOwner = { caller: '', scope: 0n };
/** Whose pins are that come from elsewhere: each sidecar's that made them. */
const SOURCE_OWNERS: readonly PinOwner[] = Array.from({ length: SOURCES }, (_, source) => ({
  caller: `source ${source}`,
  scope: 0n,
}));

/** What is to be known of an entry beside its pin. */
export interface EntryFacts {
  /** Who takes the place, where the session has none yet, or one with another tag. */
  readonly owner: PinOwner;
  /** What the key depends on, see `sessionTag`. */
  readonly tag: number;
  /** The key's hash with the service's salt, where that is not what the entry is found by; else 0. */
  readonly saltedHash: bigint;
  /** Tells that salt from others, see `saltTag`. */
  readonly salt: number;
}

const NO_FACTS: EntryFacts = { owner: NOBODY, tag: 0, saltedHash: 0n, salt: 0 };

/** A session's pin, and how long it had not been used when it was found. */
export interface FoundPin extends SharedPin {
  readonly idleMs: number;
  /** In the time since it was last used, another quarter of its ttl has begun. */
  readonly inNextQuarter: boolean;
}

/** One entry, as {@link SessionTable.visit} shows it. */
export interface SessionEntry {
  readonly high: number;
  readonly low: number;
  readonly release: number;
  readonly endpoint: number;
  readonly label: boolean;
  readonly tag: number;
  /** See {@link EntryFacts}. */
  readonly saltedHash: bigint;
  readonly salt: number;
  readonly isOwn: boolean;
  readonly idleMs: number;
}

/** A session as it is kept on disk. */
export interface KeptSession extends Omit<SharedSession, 'source'> {
  readonly saltedHash: bigint;
  readonly salt: number;
  readonly isOwn: boolean;
}

/** Times are counted from so long before the table was made: sessions may have been used elsewhere by then. */
const LEAD_S = 400 * 86_400;

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
    generations: new Uint16Array(new Memory(slots * 2)),
    revisions: new Uint32Array(new Memory(slots * 4)),
    tags: new Uint32Array(new Memory(slots * 4)),
    // Memory that is shared has to be there from the start; what is never written of it is never real.
    saltedHashes: Memory === ArrayBuffer ? undefined : new BigUint64Array(new Memory(slots * 8)),
    salts: Memory === ArrayBuffer ? undefined : new Uint32Array(new Memory(slots * 4)),
    key: newHashKey(),
  };
}

export class SessionTable implements EvictionFacts {
  protected readonly buckets: number;
  private readonly highs: Uint32Array;
  private readonly lows: Uint32Array;
  private readonly releases: Float64Array;
  private readonly endpoints: Float64Array;
  readonly lastUsed: Uint32Array;
  private readonly flags: Uint8Array;
  readonly owners: Uint32Array;
  private readonly generations: Uint16Array;
  private readonly revisions: Uint32Array;
  private readonly tags: Uint32Array;
  private saltedHashes: BigUint64Array | undefined;
  private salts: Uint32Array | undefined;
  private readonly key: HashKey;
  private readonly callerSeed: bigint;
  /** Tags of {@link SOURCE_OWNERS}, which take more time to make than all else of a pin that comes from elsewhere. */
  private readonly sourceTags = new Map<PinOwner, number>();
  private entries = 0;
  private currentRevision = 0;

  /** @param capacity sessions that fit, but for some of buckets that are full before the table is */
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
    this.generations = slots.generations;
    this.revisions = slots.revisions;
    this.tags = slots.tags;
    this.saltedHashes = slots.saltedHashes;
    this.salts = slots.salts;
    this.key = slots.key;
    this.callerSeed = BigInt(slots.key[0]);
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

  /** Low 32 bits of the configuration revision in force. */
  get revision(): number {
    return this.currentRevision;
  }

  set revision(revision: number) {
    this.currentRevision = revision >>> 0;
  }

  /** The pin of a session that has been used within `ttlMs`; counts as a use. */
  find(hash: bigint, ttlMs: number, nowMs: number): FoundPin | undefined {
    const slot = this.slotOf(highHalf(hash), lowHalf(hash));
    if (slot === -1) return undefined;
    const now = this.seconds(nowMs);
    const before = this.lastUsed[slot] as number;
    const idleMs = (now - before) * 1000;
    if (idleMs > ttlMs) {
      this.flags[slot] = 0;
      this.countEntries(-1);
      return undefined;
    }
    this.lastUsed[slot] = now;
    this.flags[slot] = (this.flags[slot] as number) | REUSED;
    const quarterS = ttlMs / 4000;
    const inNextQuarter = before !== now && Math.floor(before / quarterS) !== Math.floor(now / quarterS);
    // Not a spread of pinIn, which each request of a known session would pay for (`npm run bench -- against`).
    return {
      release: this.releases[slot] as number,
      endpoint: this.endpoints[slot] as number,
      label: ((this.flags[slot] as number) & LABEL) !== 0,
      generation: this.generations[slot] as number,
      revision: this.revisions[slot] as number,
      idleMs,
      inNextQuarter,
    };
  }

  /** A session as it is now; does not count as a use. */
  peek(hash: bigint, nowMs: number): SharedSession | undefined {
    const slot = this.slotOf(highHalf(hash), lowHalf(hash));
    if (slot === -1) return undefined;
    return {
      hash,
      pin: this.pinIn(slot),
      idleS: Math.max(0, this.seconds(nowMs) - (this.lastUsed[slot] as number)),
      source: OWN_SOURCE,
      tag: this.tags[slot] as number,
    };
  }

  /**
   * Takes a session from elsewhere if its pin wins (S6).
   *
   * @returns whether there was another pin here, which was kept
   */
  merge({ hash, pin, idleS, source, tag }: SharedSession, ttlMs: number, nowMs: number): boolean {
    const usedS = Math.max(0, this.seconds(nowMs) - idleS);
    if (idleS * 1000 > ttlMs) return false;
    const slot = this.slotOf(highHalf(hash), lowHalf(hash));
    const isHere = slot !== -1 && (this.seconds(nowMs) - (this.lastUsed[slot] as number)) * 1000 <= ttlMs;
    const order = isHere ? comparePins(pin, this.pinIn(slot)) : 1;
    if (order < 0) return true;
    const lastUsedS = isHere ? Math.max(usedS, this.lastUsed[slot] as number) : usedS;
    if (order === 0) this.lastUsed[slot] = lastUsedS;
    else {
      const owner = SOURCE_OWNERS[source] ?? NOBODY;
      this.put(hash, pin, { owner, tag, saltedHash: 0n, salt: 0 }, lastUsedS, USED);
    }
    return false;
  }

  /** Slots there are, in use or not. */
  get slots(): number {
    return this.flags.length;
  }

  /** Shows the entries of a range of slots, expired ones included, with how long each has not been used. */
  visit(from: number, to: number, nowMs: number, show: (entry: SessionEntry) => void): void {
    const now = this.seconds(nowMs);
    for (let slot = from; slot < Math.min(to, this.flags.length); slot++) {
      const flags = this.flags[slot] as number;
      if (flags === 0) continue;
      show({
        high: this.highs[slot] as number,
        low: this.lows[slot] as number,
        release: this.releases[slot] as number,
        endpoint: this.endpoints[slot] as number,
        label: (flags & LABEL) !== 0,
        tag: this.tags[slot] as number,
        saltedHash: this.saltedHashes?.[slot] ?? 0n,
        salt: this.salts?.[slot] ?? 0,
        isOwn: (flags & OWN) !== 0,
        idleMs: (now - (this.lastUsed[slot] as number)) * 1000,
      });
    }
  }

  /** Shows the sessions of a range of slots as they are to be kept. */
  visitKept(from: number, to: number, nowMs: number, show: (session: KeptSession) => void): void {
    const entries: SessionEntry[] = [];
    this.visit(from, to, nowMs, (entry) => entries.push(entry));
    for (const { high, low, saltedHash, salt, isOwn } of entries) {
      const session = this.peek((BigInt(high) << 32n) | BigInt(low), nowMs);
      if (session !== undefined) show({ ...session, saltedHash, salt, isOwn });
    }
  }

  /** Puts back what was kept, before anybody uses the table. */
  restore({ hash, pin, idleS, tag, saltedHash, salt, isOwn }: KeptSession, nowMs: number): void {
    const usedS = Math.max(0, this.seconds(nowMs) - idleS);
    this.put(hash, pin, { owner: NOBODY, tag, saltedHash, salt }, usedS, isOwn ? USED | OWN : USED);
  }

  /**
   * Pins a session here.
   *
   * @param hash what it is found by
   */
  set(hash: bigint, pin: SharedPin, nowMs: number, facts = NO_FACTS): void {
    this.put(hash, pin, facts, this.seconds(nowMs), USED | OWN);
  }

  private put(
    hash: bigint,
    pin: SharedPin,
    { owner, tag, saltedHash, salt }: EntryFacts,
    lastUsedS: number,
    flags: number,
  ): void {
    const [high, low] = [highHalf(hash), lowHalf(hash)];
    let slot = this.slotOf(high, low);
    const isNew = slot === -1;
    const reused = isNew ? 0 : (this.flags[slot] as number) & REUSED;
    if (isNew) {
      const ownerTag = this.tagOf(owner);
      slot = this.slotToFill(this.bucketOf(high, low) * WAYS, ownerTag);
      if (this.flags[slot] === 0) this.countEntries(1);
      this.highs[slot] = high;
      this.lows[slot] = low;
      this.owners[slot] = ownerTag;
    } else if (this.tags[slot] !== tag) this.owners[slot] = this.tagOf(owner);
    this.releases[slot] = pin.release;
    this.endpoints[slot] = pin.endpoint;
    this.generations[slot] = pin.generation;
    this.revisions[slot] = pin.revision;
    this.tags[slot] = tag;
    const hasSalt = saltedHash !== 0n;
    if (hasSalt) {
      this.saltedHashes ??= new BigUint64Array(this.slots);
      this.salts ??= new Uint32Array(this.slots);
    }
    // A sidecar that shares a pin does not say what the salt makes of its key: what is known here stays.
    if (hasSalt || isNew) {
      if (this.saltedHashes !== undefined) this.saltedHashes[slot] = saltedHash;
      if (this.salts !== undefined) this.salts[slot] = salt;
    }
    this.lastUsed[slot] = lastUsedS;
    this.flags[slot] = flags | reused | (pin.label ? LABEL : 0);
  }

  private pinIn(slot: number): SharedPin {
    return {
      release: this.releases[slot] as number,
      endpoint: this.endpoints[slot] as number,
      label: ((this.flags[slot] as number) & LABEL) !== 0,
      generation: this.generations[slot] as number,
      revision: this.revisions[slot] as number,
    };
  }

  private slotOf(high: number, low: number): number {
    const first = this.bucketOf(high, low) * WAYS;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.lows[slot] === low && this.highs[slot] === high && this.flags[slot] !== 0) return slot;
    }
    return -1;
  }

  /** A free slot of a bucket, or else the one that gives way. */
  private slotToFill(first: number, tag: number): number {
    const slots: number[] = [];
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.flags[slot] === 0) return slot;
      slots.push(slot);
    }
    return slotToEvict(slots, tag, this);
  }

  cameOnce(slot: number): boolean {
    return ((this.flags[slot] as number) & REUSED) === 0;
  }

  private tagOf(owner: PinOwner): number {
    const known = this.sourceTags.get(owner);
    if (known !== undefined) return known;
    const { caller, scope } = owner;
    const ofCaller = lowHalf(xxh64(caller, this.callerSeed)) & 0xffff;
    const ofService = halfSipHash(highHalf(scope), lowHalf(scope), this.key) & 0xffff;
    const tag = ofCaller * 0x10000 + ofService;
    if (SOURCE_OWNERS.includes(owner)) this.sourceTags.set(owner, tag);
    return tag;
  }

  protected bucketOf(high: number, low: number): number {
    return halfSipHash(high, low, this.key) % this.buckets;
  }

  private seconds(nowMs: number): number {
    return Math.max(0, Math.floor((nowMs - this.epochMs) / 1000) + LEAD_S);
  }
}

export function highHalf(hash: bigint): number {
  return Number(hash >> 32n);
}

export function lowHalf(hash: bigint): number {
  return Number(hash & 0xffffffffn);
}
