import { type SessionKeys, sessionTag } from '../../../src/routing/session-key.js';
import type { Affinity, RoutingTable } from '../../../src/routing/table.js';
import type { SharedAffinity } from './service-pins.js';

/** What sharing has to know of a routing table: the affinity of each service whose pins are shared, by its name. */
export class SharedAffinities {
  private of: RoutingTable | undefined;
  private known = new Map<string, SharedAffinity>();

  constructor(private readonly table: () => RoutingTable | undefined) {}

  find(service: string): SharedAffinity | undefined {
    return this.all.get(service);
  }

  get all(): ReadonlyMap<string, SharedAffinity> {
    const table = this.table();
    if (table !== this.of) {
      this.known = sharedAffinities(table);
      this.of = table;
    }
    return this.known;
  }
}

function sharedAffinities(table: RoutingTable | undefined): Map<string, SharedAffinity> {
  const found = new Map<string, SharedAffinity>();
  for (const { routes } of table?.virtualHosts ?? []) {
    // Routes mostly have one affinity together.
    let last: Affinity | undefined;
    for (const { affinity } of routes) {
      if (affinity === undefined || affinity === last || !affinity.sharesPins) continue;
      last = affinity;
      const { service, pinSecret, ttlMs } = affinity;
      const before = found.get(service);
      const tags = new Set([...(before?.tags ?? []), ...tagsOf(affinity)]);
      found.set(service, { pinSecret, ttlMs: Math.max(ttlMs, before?.ttlMs ?? 0), tags });
    }
  }
  return found;
}

function tagsOf({ scope, keys }: { readonly scope: bigint; readonly keys: SessionKeys }): number[] {
  return keys.sources.map((source) => sessionTag(scope, source));
}
