import type { PinDigests } from '../../../src/routing/pins.js';
import type { Cluster } from '../../../src/routing/release.js';
import { type SessionKeys, sessionTag } from '../../../src/routing/session-key.js';
import type { Affinity, RoutingTable } from '../../../src/routing/table.js';
import type { SharedAffinity } from './service-pins.js';

/** A service as a routing table has it. */
export interface SharedService extends SharedAffinity {
  readonly digests: PinDigests;
  /** Of its releases. */
  readonly clusters: readonly Cluster[];
}

/** What sharing has to know of a routing table: the affinity of each service whose pins are shared, by its name. */
export class SharedAffinities {
  private of: RoutingTable | undefined;
  private known = new Map<string, SharedService>();
  /** Services by the clusters of their releases. */
  private byCluster = new Map<string, string>();

  constructor(private readonly table: () => RoutingTable | undefined) {}

  find(service: string): SharedService | undefined {
    return this.all.get(service);
  }

  get all(): ReadonlyMap<string, SharedService> {
    this.update();
    return this.known;
  }

  /** The service that a cluster is a release of. */
  serviceOf(cluster: string): string | undefined {
    this.update();
    return this.byCluster.get(cluster);
  }

  private update(): void {
    const table = this.table();
    if (table === this.of) return;
    this.known = sharedAffinities(table);
    this.of = table;
    this.byCluster = new Map(
      [...this.known].flatMap(([service, { clusters }]) =>
        clusters.map(({ name }) => [name, service] as const),
      ),
    );
  }
}

function sharedAffinities(table: RoutingTable | undefined): Map<string, SharedService> {
  const found = new Map<string, SharedService>();
  for (const {
    routes,
    service: { releases },
  } of table?.virtualHosts ?? []) {
    // Routes mostly have one affinity together.
    let last: Affinity | undefined;
    for (const { affinity } of routes) {
      if (affinity === undefined || affinity === last || !affinity.sharesPins) continue;
      last = affinity;
      const { service, pinSecret, ttlMs, digests } = affinity;
      const clusters = releases.map(({ cluster }) => cluster);
      const before = found.get(service);
      const tags = new Set([...(before?.tags ?? []), ...tagsOf(affinity)]);
      found.set(service, { pinSecret, ttlMs: Math.max(ttlMs, before?.ttlMs ?? 0), tags, digests, clusters });
    }
  }
  return found;
}

function tagsOf({ scope, keys }: { readonly scope: bigint; readonly keys: SessionKeys }): number[] {
  return keys.sources.map((source) => sessionTag(scope, source));
}
