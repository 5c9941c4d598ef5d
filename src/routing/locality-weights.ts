import type { EndpointConfig } from '../xds/endpoint.js';

/** Envoy's default for how much load beyond its share a locality takes over before others get it. */
const OVERPROVISIONING = 1.4;

interface Tally {
  readonly weight: number;
  all: number;
  usable: number;
  /** Sum of the usable endpoints' weights. */
  usableWeight: number;
}

/**
 * Endpoints' weights for picks by load where localities have weights of their own (`locality_weighted_lb_config`;
 * Envoy's `effectiveLocalityWeight`): a locality gets its weight, less where more of its endpoints are unusable than
 * over-provisioning makes up for; within it, endpoints by their own weights.
 *
 * @returns undefined where no locality with a usable endpoint has a weight
 */
export function localityWeights<Endpoint extends EndpointConfig>(
  endpoints: readonly Endpoint[],
  isUsable: (index: number) => boolean,
  weightOf: (endpoint: Endpoint) => number,
): ((endpoint: Endpoint) => number) | undefined {
  const tallies = new Map<string, Tally>();
  endpoints.forEach((endpoint, index) => {
    const { name = '', weight = 0 } = endpoint.hashing?.locality ?? {};
    const tally = tallies.get(name) ?? { weight, all: 0, usable: 0, usableWeight: 0 };
    tallies.set(name, tally);
    tally.all++;
    if (!isUsable(index)) return;
    tally.usable++;
    tally.usableWeight += weightOf(endpoint);
  });
  if (![...tallies.values()].some(({ weight, usable }) => weight > 0 && usable > 0)) return undefined;
  return (endpoint) => {
    const tally = tallies.get(endpoint.hashing?.locality.name ?? '') as Tally;
    const available = Math.min(1, (OVERPROVISIONING * tally.usable) / tally.all);
    return (weightOf(endpoint) / tally.usableWeight) * tally.weight * available;
  };
}
