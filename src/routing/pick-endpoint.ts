import { overload, pickWithinLoad } from '../hashing/bounded-load.js';
import type { Endpoint, EndpointSet } from './endpoint-set.js';
import { USABLE } from './endpoint-set.js';

/**
 * Picks among a set's usable endpoints, leaving out those already tried.
 *
 * @param hash the session's, where the pick is to follow it; undefined: the cluster's load balancer decides
 * @returns undefined where every usable endpoint has been tried
 */
export function pickEndpoint(
  set: EndpointSet,
  hash: bigint | undefined,
  tried: readonly Endpoint[],
  random: () => number,
): Endpoint | undefined {
  if (set.usableCount === 0) return undefined;
  if (hash === undefined) return pickByLoad(set, tried, random);
  const picked = set.kind === 'maglev' ? pickFromMaglev(set, hash, tried) : pickFromRing(set, hash, tried);
  return picked === undefined || set.balanceFactor === 0 ? picked : withinLoad(set, hash, picked, tried);
}

/** Envoy's `hash_balance_factor`: sessions leave an endpoint for as long as it has too much to do. */
function withinLoad(set: EndpointSet, hash: bigint, picked: Endpoint, tried: readonly Endpoint[]): Endpoint {
  const { indexes, shares } = set.hashed;
  const endpointAt = (i: number) => set.at(indexes[i] as number);
  const active = set.endpoints.reduce((sum, { activeRequests }) => sum + activeRequests, 0);
  const overloadOf = (i: number) => {
    const endpoint = endpointAt(i);
    if (tried.includes(endpoint)) return Number.POSITIVE_INFINITY;
    return overload(endpoint.activeRequests, active, shares[i] as number, set.balanceFactor);
  };
  const first = indexes.findIndex((_, i) => endpointAt(i) === picked);
  return endpointAt(pickWithinLoad(hash, first, indexes.length, overloadOf));
}

/**
 * The first entry at or after the hash whose endpoint may be used. The ring holds every endpoint, usable or
 * not, and is walked past those that are not: losing an endpoint then moves only that endpoint's sessions.
 */
function pickFromRing(set: EndpointSet, hash: bigint, tried: readonly Endpoint[]): Endpoint | undefined {
  const ring = set.ring();
  const start = ring.find(hash);
  for (let step = 0; step < ring.size; step++) {
    const index = ring.hostAt(start + step);
    if (set.usabilityAt(index) === USABLE && !tried.includes(set.at(index))) return set.at(index);
  }
  return undefined;
}

/** Slots of the table tried before falling back to the list; as many as Envoy makes for a retry, and more. */
const MAGLEV_ATTEMPTS = 32;

function pickFromMaglev(set: EndpointSet, hash: bigint, tried: readonly Endpoint[]): Endpoint | undefined {
  const maglev = set.maglev();
  for (let attempt = 0; attempt < MAGLEV_ATTEMPTS; attempt++) {
    const index = maglev.pick(hash, attempt);
    if (set.usabilityAt(index) === USABLE && !tried.includes(set.at(index))) return set.at(index);
  }
  return firstUntried(set, tried, Number(hash % BigInt(set.usableCount)));
}

function pickByLoad(
  set: EndpointSet,
  tried: readonly Endpoint[],
  random: () => number,
): Endpoint | undefined {
  const picked = pickOnce(set, random);
  if (!tried.includes(picked)) return picked;
  return firstUntried(set, tried, Math.floor(random() * set.usableCount));
}

function pickOnce(set: EndpointSet, random: () => number): Endpoint {
  switch (set.kind) {
    case 'round-robin':
      return set.usableAt(nextInTurn(set));
    case 'least-request':
      return set.usableAt(lessLoaded(set, set.usableByWeight(random()), set.usableByWeight(random())));
    default:
      return set.usableAt(set.usableByWeight(random()));
  }
}

/** Fractional part of the golden ratio: its multiples fall into [0, 1) more evenly than those of any other number. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** One after the other; where weights differ, as often as they say and as evenly spread as that allows. */
function nextInTurn(set: EndpointSet): number {
  const turn = set.nextTurn();
  return set.isEven ? turn % set.usableCount : set.usableByWeight((turn * GOLDEN) % 1);
}

/** The power of two choices: of two picked at random by weight, the one with less to do for its weight. */
function lessLoaded(set: EndpointSet, a: number, b: number): number {
  return loadOf(set, b) < loadOf(set, a) ? b : a;
}

function loadOf(set: EndpointSet, i: number): number {
  return set.usableAt(i).activeRequests / set.usableWeightAt(i);
}

function firstUntried(set: EndpointSet, tried: readonly Endpoint[], from: number): Endpoint | undefined {
  for (let i = 0; i < set.usableCount; i++) {
    const endpoint = set.usableAt((from + i) % set.usableCount);
    if (!tried.includes(endpoint)) return endpoint;
  }
  return undefined;
}
