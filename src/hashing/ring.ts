import { endianness } from 'node:os';
import { sharesOf, type WeightedHost } from './host-shares.js';
import { xxh64 } from './xxh64.js';

/** Bounds on the number of ring entries; Envoy's defaults are 1,024 and 8,388,608. */
export interface RingSize {
  readonly min: number;
  readonly max: number;
}

export const DEFAULT_RING_SIZE: RingSize = { min: 1024, max: 8_388_608 };

/** Entries that one unit of weight gets: many while a release is small, so that shares come out even. */
const ENTRIES_PER_UNIT = { small: 256, large: 32 };
/** Up to here a ring stays within the 4,096 entries that gRPC clients cap theirs at. */
const SMALL_RELEASE_UNITS = 16;

/**
 * A ring size in proportion to the hosts' total weight. With Envoy's fixed minimum, every host's number of
 * entries changes whenever one host joins or leaves, and that moves sessions between hosts that were there
 * all along. In proportion, a host keeps exactly its entries, so only sessions of the host that joined or
 * left move. Two exceptions resize the ring: growing past {@link SMALL_RELEASE_UNITS} units (or back), and a
 * change of the weights' greatest common divisor, which is what one unit is.
 */
export function proportionalRingSize(hosts: readonly WeightedHost[]): RingSize {
  const unit = hosts.reduce((divisor, host) => greatestCommonDivisor(divisor, host.weight), 0) || 1;
  const units = hosts.reduce((sum, host) => sum + host.weight, 0) / unit;
  const perUnit = units <= SMALL_RELEASE_UNITS ? ENTRIES_PER_UNIT.small : ENTRIES_PER_UNIT.large;
  const entries = Math.max(1, Math.min(perUnit * units, DEFAULT_RING_SIZE.max));
  return { min: entries, max: entries };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Envoy's ring hash (ketama-like consistent hashing), entry for entry: same keys, same ring, same pick
 * (`source/extensions/load_balancing_policies/ring_hash/`). Immutable once built.
 */
export interface Ring {
  /** Number of entries. */
  readonly size: number;
  /** Position of the entry that owns `hash`: the first at or after it, wrapping to 0. */
  find(hash: bigint): number;
  /** Index into the hosts given to {@link buildRing} of the entry at a position (taken modulo the size). */
  hostAt(position: number): number;
  /** Hash of the entry at a position, for tests and dumps. */
  hashAt(position: number): bigint;
}

/**
 * Builds the ring. The hosts' order decides which of two equal hashes comes first, so callers pass them
 * in one canonical order.
 *
 * @throws RangeError when there is no host.
 */
export function buildRing(hosts: readonly WeightedHost[], size: RingSize = DEFAULT_RING_SIZE): Ring {
  if (hosts.length === 0) throw new RangeError('a ring needs at least one host');
  const counts = entriesPerHost(hosts, size);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const hashes = new BigUint64Array(total);
  const owners = new Uint32Array(total);
  let at = 0;
  hosts.forEach((host, index) => {
    for (let i = 0; i < (counts[index] as number); i++, at++) {
      hashes[at] = xxh64(`${host.key}_${i}`);
      owners[at] = index;
    }
  });
  return sortedRing(hashes, owners);
}

/** How many entries each host gets: Envoy's running-target arithmetic in doubles, rounding included. */
function entriesPerHost(hosts: readonly WeightedHost[], size: RingSize): number[] {
  const shares = sharesOf(hosts);
  const smallest = shares.reduce((least, share) => (share > 0 ? Math.min(least, share) : least), 1);
  const scale = Math.min(Math.ceil(smallest * size.min) / smallest, size.max);
  let current = 0;
  let target = 0;
  return shares.map((share) => {
    target += scale * share;
    const before = current;
    while (current < target) current++;
    return current - before;
  });
}

function sortedRing(hashes: BigUint64Array, owners: Uint32Array): Ring {
  // The 64-bit hashes as 32-bit halves: arithmetic on BigInts allocates at every step.
  const halves = new Uint32Array(hashes.buffer);
  const order = sortByHash(hashes, halves);
  const size = order.length;
  const high = new Uint32Array(size);
  const low = new Uint32Array(size);
  const sortedOwners = new Uint32Array(size);
  for (let at = 0; at < size; at++) {
    const i = order[at] as number;
    high[at] = halves[2 * i + HIGH_HALF] as number;
    low[at] = halves[2 * i + 1 - HIGH_HALF] as number;
    sortedOwners[at] = owners[i] as number;
  }
  return {
    size,
    find: (hash) => lowerBound(high, low, Number(hash >> 32n), Number(hash & 0xffffffffn)),
    hostAt: (position) => sortedOwners[position % size] as number,
    hashAt: (position) => (BigInt(high[position] as number) << 32n) | BigInt(low[position] as number),
  };
}

const HIGH_HALF = endianness() === 'LE' ? 1 : 0;

/** Indexes of the hashes in ascending order; equal hashes keep theirs. */
function sortByHash(hashes: BigUint64Array, halves: Uint32Array): Uint32Array {
  const compare = (a: number, b: number) => {
    const [x, y] = [hashes[a] as bigint, hashes[b] as bigint];
    if (x === y) return a - b;
    return x < y ? -1 : 1;
  };
  // A double holds 32 bits of hash and 21 of index exactly, so that the native sort, many times faster than
  // one with a comparison function, does nearly all of it.
  const INDEXES = 2 ** 21;
  if (hashes.length > INDEXES) return Uint32Array.from(hashes.keys()).sort(compare);
  const packed = new Float64Array(hashes.length);
  for (let i = 0; i < packed.length; i++) packed[i] = (halves[2 * i + HIGH_HALF] as number) * INDEXES + i;
  packed.sort();
  const order = new Uint32Array(packed.length);
  for (let at = 0; at < order.length; at++) order[at] = (packed[at] as number) % INDEXES;
  const highOf = (at: number) => Math.floor((packed[at] as number) / INDEXES);
  for (let from = 0, to = 1; to <= order.length; to++) {
    if (to < order.length && highOf(to) === highOf(from)) continue;
    if (to - from > 1) order.subarray(from, to).sort(compare);
    from = to;
  }
  return order;
}

/**
 * The first entry at or after a hash. Hashes are spread evenly, so that where it must be is known to within a few
 * entries: searching outwards from there reads two cache lines where halving the whole ring reads ten.
 */
function lowerBound(high: Uint32Array, low: Uint32Array, hashHigh: number, hashLow: number): number {
  const size = high.length;
  const isBefore = (at: number) => {
    const h = high[at] as number;
    return h < hashHigh || (h === hashHigh && (low[at] as number) < hashLow);
  };
  let from = 0;
  let to = size;
  const guess = Math.floor((hashHigh / 2 ** 32) * size);
  if (isBefore(guess)) {
    from = guess + 1;
    for (let step = 8; from + step < size; step *= 2) {
      if (!isBefore(from + step)) {
        to = from + step;
        break;
      }
      from += step + 1;
    }
  } else {
    to = guess;
    for (let step = 8; to - step >= 0; step *= 2) {
      if (isBefore(to - step)) {
        from = to - step + 1;
        break;
      }
      to -= step;
    }
  }
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBefore(middle)) from = middle + 1;
    else to = middle;
  }
  return from === size ? 0 : from;
}
