import { mt19937 } from './mt19937.js';

/**
 * Envoy's consistent hashing with bounded loads (`hash_balance_factor`, arXiv:1608.01350 and 1908.08762): a host
 * that has more than its share of the requests in flight passes a request on, to hosts in an order that is random
 * but the same for the same hash.
 *
 * @param picked index of the host that the ring or the table gives
 * @param overloadOf of a host, by index: above 1, it takes no more
 * @returns the first host that is not overloaded, or, where all are, the one that is least
 */
export function pickWithinLoad(
  hash: bigint,
  picked: number,
  hosts: number,
  overloadOf: (index: number) => number,
): number {
  let least = picked;
  let leastOverload = overloadOf(picked);
  if (leastOverload <= 1) return picked;
  const order = Uint32Array.from({ length: hosts }, (_, i) => i);
  const next = mt19937(Number(hash & 0xffffffffn));
  for (let i = 0; i < hosts; i++) {
    const j = i + below(hosts - i, next);
    const host = order[j] as number;
    order[j] = order[i] as number;
    order[i] = host;
    if (host === picked) continue;
    const overload = overloadOf(host);
    if (overload <= 1) return host;
    if (overload < leastOverload) {
      least = host;
      leastOverload = overload;
    }
  }
  return least;
}

/**
 * How much of its share a host has in flight.
 *
 * @param active requests in flight at the host
 * @param overall requests in flight at all hosts
 * @param share of the host's weight, 0 to 1
 * @param balanceFactor most that a host may have of the average, in percent, at least 100
 */
export function overload(active: number, overall: number, share: number, balanceFactor: number): number {
  const slots = Math.floor(((overall + 1) * balanceFactor + 99) / 100);
  return active / Math.max(Math.ceil(slots * share), 1);
}

/** A whole number below `limit` without bias: what falls into the last, incomplete bucket is drawn again. */
function below(limit: number, next: () => number): number {
  const bucket = Math.floor(2 ** 32 / limit);
  for (;;) {
    const drawn = Math.floor(next() / bucket);
    if (drawn < limit) return drawn;
  }
}
