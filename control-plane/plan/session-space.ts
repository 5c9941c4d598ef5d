import { xxh64 } from '../../src/hashing/xxh64.js';
import type { EndpointSet } from '../../src/routing/endpoint-set.js';
import type { Release } from '../../src/routing/release.js';
import type { Route } from '../../src/routing/table.js';

/**
 * The space of session hashes, cut into pieces within which the decision cannot tell one session from another. A
 * piece is a run of slots of the splits, crossed with an arc between two neighbouring ring entries. Deciding one
 * session of each piece, with the production decision, therefore decides them all: shares come out exact.
 */
export interface Piece {
  /** A session of this piece. */
  readonly hash: bigint;
  /** Its share of all sessions. */
  readonly share: number;
}

export interface SessionSpace {
  readonly size: number;
  /** @returns undefined where an arc and a run of slots do not meet */
  pieceAt(i: number): Piece | undefined;
  /** Else the pieces are a sample: a point at 4 sigma. */
  readonly isExact: boolean;
}

const HASHES = 2n ** 64n;
/** Most pieces that are decided one by one; beyond it, a sample is decided. */
const MOST_PIECES = 200_000;
const SAMPLES = 50_000;

/** Cuts the space by the slots and the hash tables of these routes. */
export function cutSessionSpace(routes: readonly Route[]): SessionSpace {
  const total = Math.max(...routes.map(({ split }) => split.total));
  const slotRuns = runs(
    routes.flatMap(({ split }) => split.ends),
    total,
  );
  const sets = hashedSets(routes);
  const kinds = new Set(sets.map(({ loadBalancer }) => loadBalancer.kind));
  if (!kinds.has('maglev')) {
    const entries = sets.reduce((sum, set) => sum + set.ring().size, 0);
    if (entries * slotRuns.length > MOST_PIECES) return sampleSessionSpace();
    return cutByRing(sets, slotRuns, total);
  }
  const sizes = new Set(sets.map(({ loadBalancer }) => loadBalancer.tableSize));
  const [size = 0] = sizes;
  if (kinds.size > 1 || sizes.size > 1 || size * slotRuns.length > MOST_PIECES) return sampleSessionSpace();
  return cutByMaglev(size, slotRuns, total);
}

/** @param purpose of two purposes, the sessions have nothing to do with each other */
export function sampleSessionSpace(purpose = 'sample'): SessionSpace {
  return {
    size: SAMPLES,
    pieceAt: (i) => ({ hash: strangerHash(purpose, i), share: 1 / SAMPLES }),
    isExact: false,
  };
}

/** The hash of a session that has nothing to do with any other. */
export function strangerHash(purpose: string, i: number): bigint {
  return xxh64(`${purpose} ${i}`);
}

/** The endpoint sets whose endpoints are picked by hash. */
function hashedSets(routes: readonly Route[]): EndpointSet[] {
  const releases = new Set<Release>(routes.flatMap(({ split }) => split.releases));
  const sets = [...releases].map(({ cluster }) => cluster.endpoints);
  return sets.filter(
    ({ loadBalancer, usableCount }) => usableCount > 0 && ['ring-hash', 'maglev'].includes(loadBalancer.kind),
  );
}

interface SlotRun {
  readonly first: number;
  readonly count: number;
}

function cutByRing(sets: readonly EndpointSet[], slotRuns: readonly SlotRun[], total: number): SessionSpace {
  const ends = arcEnds(sets);
  const slots = BigInt(total);
  return {
    size: ends.length * slotRuns.length,
    isExact: true,
    pieceAt(i) {
      const arc = Math.floor(i / slotRuns.length);
      const { first, count } = slotRuns[i % slotRuns.length] as SlotRun;
      const start = arc === 0 ? 0n : (ends[arc - 1] as bigint) + 1n;
      const length = (ends[arc] as bigint) - start + 1n;
      // The arc's first hash that falls into the run's first slot. Arcs are some 10^15 long, runs at most 10^4.
      const hash = start + ((BigInt(first) - (start % slots) + slots) % slots);
      if (hash - start >= length) return undefined;
      return { hash, share: (Number(length) / Number(HASHES)) * (count / total) };
    },
  };
}

/** The last hash of each arc: an entry owns the hashes up to and including its own. */
function arcEnds(sets: readonly EndpointSet[]): BigUint64Array {
  const rings = sets.map((set) => set.ring());
  const all = new BigUint64Array(rings.reduce((sum, { size }) => sum + size, 1));
  let at = 0;
  for (const ring of rings) for (let i = 0; i < ring.size; i++) all[at++] = ring.hashAt(i);
  all[at] = HASHES - 1n;
  all.sort();
  return all.filter((hash, i) => i === 0 || hash !== all[i - 1]);
}

/** A Maglev slot and a split's slot are remainders of one hash by two numbers: the one says nothing of the other. */
function cutByMaglev(tableSize: number, slotRuns: readonly SlotRun[], total: number): SessionSpace {
  const inverse = BigInt(inverseModulo(tableSize % total, total));
  return {
    size: tableSize * slotRuns.length,
    isExact: true,
    pieceAt(i) {
      const slot = Math.floor(i / slotRuns.length);
      const { first, count } = slotRuns[i % slotRuns.length] as SlotRun;
      const steps = (((first - slot) % total) + total) % total;
      const hash = BigInt(slot) + BigInt(tableSize) * ((BigInt(steps) * inverse) % BigInt(total));
      return { hash, share: count / total / tableSize };
    },
  };
}

/** x with a × x ≡ 1; a prime table size and a number of slots below it have one. */
function inverseModulo(a: number, modulus: number): number {
  for (let x = 1; x < modulus; x++) if ((a * x) % modulus === 1) return x;
  return 0;
}

function runs(ends: readonly number[], total: number): SlotRun[] {
  const boundaries = [...new Set([0, ...ends])].filter((end) => end < total).sort((a, b) => a - b);
  return boundaries.map((first, i) => ({ first, count: (boundaries[i + 1] ?? total) - first }));
}
