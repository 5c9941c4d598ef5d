import type { NameChanges } from '../../src/xds/referenced-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';

/** Lets a test say which names of a type a client wants from now on, instead of what changes. */
export function wanting(client: { subscribe(kind: ResourceKind, changes: NameChanges): void }) {
  const wanted = new Map<ResourceKind, readonly string[]>();
  return (kind: ResourceKind, ...names: string[]): void => {
    const dropped = (wanted.get(kind) ?? []).filter((name) => !names.includes(name));
    wanted.set(kind, names);
    client.subscribe(kind, { added: names, dropped });
  };
}
