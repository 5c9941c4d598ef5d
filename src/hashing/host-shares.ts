/** One host of a ring or a Maglev table. */
export interface WeightedHost {
  /** What is hashed: `ip:port`, IPv6 in brackets (Envoy's default host key). */
  readonly key: string;
  /** A whole number ≥ 1. */
  readonly weight: number;
  /** Set where localities have weights of their own. */
  readonly locality?: Locality | undefined;
}

export interface Locality {
  /** The same for hosts of the same locality. */
  readonly name: string;
  /** A whole number ≥ 0; 0: its hosts get nothing. */
  readonly weight: number;
}

/**
 * Each host's share of the whole, in doubles and in Envoy's order of operations, since ring entries depend on the
 * last bit (`thread_aware_lb_impl.cc`, `normalizeHostWeights` and `normalizeLocalityWeights`): its locality's
 * share of all localities' weights times its own share of the locality. Without localities, its weight's share.
 */
export function sharesOf(hosts: readonly WeightedHost[]): number[] {
  const sums = new Map<string, number>();
  const localities = new Map<string, number>();
  for (const { weight, locality } of hosts) {
    const name = locality?.name ?? '';
    sums.set(name, (sums.get(name) ?? 0) + weight);
    localities.set(name, locality?.weight ?? 1);
  }
  const total = [...localities.values()].reduce((sum, weight) => sum + weight, 0);
  if (total === 0) throw new RangeError('at least one locality needs a weight above 0');
  return hosts.map(({ weight, locality }) => {
    const share = (locality?.weight ?? 1) / total;
    return (weight * share) / (sums.get(locality?.name ?? '') as number);
  });
}
