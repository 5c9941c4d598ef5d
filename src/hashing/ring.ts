import { sharesOf, type WeightedHost } from './host-shares.js';
import { FIELDS, type SortedHashes, sortByHash } from './sort-by-hash.js';
import { xxh64Numbered } from './xxh64.js';

/** Bounds on the number of ring entries; Envoy's defaults are 1,024 and 8,388,608. */
export interface RingSize {
  readonly min: number;
  readonly max: number;
}

export const DEFAULT_RING_SIZE: RingSize = { min: 1024, max: 8_388_608 };

/**
 * Entries that one unit of weight gets, by what the heaviest host weighs at most: many, so that shares come out even,
 * and for no host of ours, whose weights end at 1,000, more than 4,096. Each is a power of two, so that hosts whose weights are powers of two get
 * exactly theirs whatever Envoy's arithmetic rounds.
 */
const ENTRIES_PER_UNIT = [
  { heaviest: 16, entries: 256 },
  { heaviest: 256, entries: 16 },
  { heaviest: Number.POSITIVE_INFINITY, entries: 4 },
];

/**
 * A ring size in proportion to the hosts' total weight. With Envoy's fixed minimum, every host's number of
 * entries changes whenever one host joins or leaves, and that moves sessions between hosts that were there
 * all along. In proportion, a host keeps exactly its entries, so only sessions of the host that joined or
 * left move: at any number of hosts, as long as the heaviest stays on its scale ({@link ENTRIES_PER_UNIT}).
 */
export function proportionalRingSize(hosts: readonly WeightedHost[]): RingSize {
  const heaviest = hosts.reduce((most, { weight }) => Math.max(most, weight), 0);
  const perUnit = ENTRIES_PER_UNIT.find((scale) => heaviest <= scale.heaviest)?.entries as number;
  const units = hosts.reduce((sum, { weight }) => sum + weight, 0);
  const entries = Math.max(1, Math.min(perUnit * units, DEFAULT_RING_SIZE.max));
  return { min: entries, max: entries };
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
  /** Number of the host whose entry is at a position (taken modulo the size). */
  hostAt(position: number): number;
  /** Hash of the entry at a position, for tests and dumps. */
  hashAt(position: number): bigint;
}

/**
 * Builds the ring. The hosts' order decides which of two equal hashes comes first, and whom rounding favours.
 *
 * @param numbers what {@link Ring.hostAt} calls each host; its place among them where nothing is said
 * @throws RangeError when there is no host.
 */
export function buildRing(
  hosts: readonly WeightedHost[],
  size: RingSize = DEFAULT_RING_SIZE,
  numbers?: readonly number[],
): Ring {
  if (hosts.length === 0) throw new RangeError('a ring needs at least one host');
  const counts = entriesPerHost(hosts, size);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const hashes = scratchFor(total);
  let at = 0;
  hosts.forEach(({ key }, index) => {
    const count = counts[index] as number;
    xxh64Numbered(`${key}_`, count, hashes, at);
    at += count;
  });
  const entries = sortByHash(hashes, counts);
  if (numbers !== undefined)
    for (let i = 2; i < entries.length; i += FIELDS) entries[i] = numbers[entries[i] as number] as number;
  return new SortedRing(entries);
}

/** Fresh memory costs as much as a third of the hashing. Bound: what a ring of 1,000 endpoints takes, 2 MB. */
const MOST_SCRATCH = 256_000;
let scratch = new BigUint64Array(0);

function scratchFor(length: number): BigUint64Array {
  if (length > MOST_SCRATCH) return new BigUint64Array(length);
  if (length > scratch.length) scratch = new BigUint64Array(length);
  return scratch.subarray(0, length);
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

/** Its entries, and nothing around them: in a large mesh a pick costs what it has to fetch from memory. */
class SortedRing implements Ring {
  readonly size: number;

  constructor(private readonly entries: SortedHashes) {
    this.size = entries.length / FIELDS;
  }

  find(hash: bigint): number {
    return lowerBound(this.entries, Number(hash >> 32n), Number(hash & 0xffffffffn));
  }

  hostAt(position: number): number {
    return this.entries[(position % this.size) * FIELDS + 2] as number;
  }

  hashAt(position: number): bigint {
    const half = (which: number) => BigInt(this.entries[position * FIELDS + which] as number);
    return (half(0) << 32n) | half(1);
  }
}

/**
 * The first entry at or after a hash. Hashes are spread evenly, so that where it must be is known to within a few
 * entries: searching outwards from there reads two cache lines where halving the whole ring reads ten.
 */
function lowerBound(entries: SortedHashes, hashHigh: number, hashLow: number): number {
  const size = entries.length / FIELDS;
  const isBefore = (at: number) => {
    const high = entries[at * FIELDS] as number;
    return high < hashHigh || (high === hashHigh && (entries[at * FIELDS + 1] as number) < hashLow);
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
