import { xxh64 } from '../../src/hashing/xxh64.js';
import { type DecisionContext, type Placement, place } from '../../src/routing/decide.js';
import type { EndpointSet } from '../../src/routing/endpoint-set.js';
import type { Pin } from '../../src/routing/pins.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { SessionKey } from '../../src/routing/session-key.js';
import type { Affinity, Release, Route, VirtualHost } from '../../src/routing/table.js';

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
  readonly pieces: readonly Piece[];
  /** Else the pieces are a sample: half a point at 4 sigma. */
  readonly isExact: boolean;
}

const HASHES = 2n ** 64n;
/** Sessions decided where two ways of hashing meet, or rings are so large that the pieces would be more. */
const SAMPLES = 200_000;

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
    if (entries * slotRuns.length > SAMPLES) return sampleSessionSpace();
    return { pieces: cutByRing(routes, slotRuns, total), isExact: true };
  }
  const sizes = new Set(sets.map(({ loadBalancer }) => loadBalancer.tableSize));
  const [size] = sizes;
  if (kinds.size === 1 && sizes.size === 1)
    return { pieces: cutByMaglev(size as number, slotRuns, total), isExact: true };
  return sampleSessionSpace();
}

/** @param purpose of two purposes, the sessions have nothing to do with each other */
export function sampleSessionSpace(purpose = 'sample'): SessionSpace {
  const pieces = Array.from({ length: SAMPLES }, (_, i) => ({
    hash: xxh64(`${purpose} ${i}`),
    share: 1 / SAMPLES,
  }));
  return { pieces, isExact: false };
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

function cutByRing(routes: readonly Route[], slotRuns: readonly SlotRun[], total: number): Piece[] {
  return arcsOf(ringBoundaries(routes)).flatMap(({ start, length }) =>
    slotRuns.flatMap(({ first, count }) => {
      // The arc's first hash that falls into the run's first slot. Arcs are some 10^15 long, runs at most 10^4.
      const hash = start + ((BigInt(first) - (start % BigInt(total)) + BigInt(total)) % BigInt(total));
      if (hash - start >= length) return [];
      return [{ hash, share: (Number(length) / Number(HASHES)) * (count / total) }];
    }),
  );
}

/** A Maglev slot and a split's slot are remainders of one hash by two numbers: the one says nothing of the other. */
function cutByMaglev(tableSize: number, slotRuns: readonly SlotRun[], total: number): Piece[] {
  const inverse = inverseModulo(tableSize % total, total);
  return Array.from({ length: tableSize }, (_, slot) => slot).flatMap((slot) =>
    slotRuns.map(({ first, count }) => {
      const steps = (((first - slot) % total) + total) % total;
      const hash = BigInt(slot) + BigInt(tableSize) * ((BigInt(steps) * BigInt(inverse)) % BigInt(total));
      return { hash, share: count / total / tableSize };
    }),
  );
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

/** The hash at which each ring entry's arc ends. */
function ringBoundaries(routes: readonly Route[]): bigint[] {
  const boundaries = new Set<bigint>();
  for (const endpoints of hashedSets(routes)) {
    const ring = endpoints.ring();
    for (let i = 0; i < ring.size; i++) boundaries.add(ring.hashAt(i));
  }
  return [...boundaries].sort((a, b) => (a < b ? -1 : 1));
}

/** Arcs end with an entry's own hash: an entry owns the hashes up to and including its own. */
function arcsOf(boundaries: readonly bigint[]): { start: bigint; length: bigint }[] {
  const starts = [0n, ...boundaries.map((hash) => hash + 1n)].filter((start) => start < HASHES);
  return starts
    .map((start, i) => ({ start, length: (starts[i + 1] ?? HASHES) - start }))
    .filter(({ length }) => length > 0n);
}

/** A session as it comes to a decision. */
export interface Session {
  readonly hash: bigint;
  readonly pin: Pin | undefined;
  /** In [0, 1): what chance says where it decides. */
  readonly chance: number;
}

/** Decides one session's request on a route. Undefined: nothing it may go to has an endpoint. */
export function placeSession(
  host: VirtualHost,
  route: Route,
  request: RequestView,
  { hash, pin, chance }: Session,
): Placement | undefined {
  const context: DecisionContext = { nowMs: 0, random: () => chance, findPin: () => pin };
  const placed = place(host, withHash(route, hash), request, context);
  return placed.endpoint === undefined ? undefined : placed;
}

/** The same route for a session whose hash is known without its key. */
function withHash(route: Route, hash: bigint): Route {
  if (route.affinity === undefined) return route;
  const session: SessionKey = { hash, source: { kind: 'header', name: '' }, cookie: undefined };
  const keys = { find: () => session } as unknown as Affinity['keys'];
  return { ...route, affinity: { ...route.affinity, keys } };
}

/** The pin that a session without one has after this placement. */
export function pinAfter({ route: { affinity }, pinTo, endpoint }: Placement): Pin | undefined {
  return pinTo && affinity?.digests.pin(pinTo, endpoint.address);
}
