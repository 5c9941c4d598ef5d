import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { LimitName } from '../http/limits.js';

/** What one worker has counted of a cluster: what the workers do not count together. */
interface ClusterTally {
  readonly retriesRefused: number;
  readonly shed: Readonly<Record<LimitName, number>>;
  readonly endpoints: ReadonlyMap<string, UpstreamEndpoint['counters']>;
}

/** Of every cluster that the worker has sent something to. */
export type ClusterTallies = ReadonlyMap<string, ClusterTally>;

export function tallyClusters(clusters: ClusterRegistry): ClusterTallies {
  const used = clusters.clusters.filter(({ load }) => load.total > 0 || load.hasRefused);
  return new Map(
    used.map(({ name, load: { retriesRefused, shed }, upstreams }) => {
      const endpoints = [...upstreams].filter(({ counters }) => counters.requests > 0);
      return [
        name,
        {
          retriesRefused,
          shed,
          endpoints: new Map(endpoints.map(({ address, counters }) => [address, counters])),
        },
      ];
    }),
  );
}

/** The sums of numbers that have the same names. */
export function summedUp<N extends string>(
  first: Readonly<Record<N, number>>,
  others: readonly (Readonly<Record<N, number>> | undefined)[],
): Record<N, number> {
  const sums: Record<N, number> = { ...first };
  for (const other of others) {
    if (other === undefined) continue;
    for (const name of Object.keys(sums) as N[]) sums[name] += other[name];
  }
  return sums;
}
