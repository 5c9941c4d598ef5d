import { OUTBOUND_ROUTES } from '../../src/xds/resource-names.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { ChangedNames } from '../snapshot/changed-names.js';
import type { NameSet } from './name-set.js';
import type { Subscription } from './subscription.js';

/**
 * The index from resources to the clients that are subscribed to them, so that a change is taken to these clients
 * alone.
 *
 * ```
 *   name ──► holders ──► clients          (each kind of resource has an index of its own)
 *            one for each set of names,
 *            which clients share
 * ```
 * It costs as much memory as the distinct sets of names: thousands of sidecars that hold a whole mesh have one set.
 */
export class Interests<Client> {
  private readonly kinds = Object.fromEntries(
    PUSH_ORDER.map((kind) => [kind, new KindInterests<Client>()]),
  ) as Record<ResourceKind, KindInterests<Client>>;

  /** A client's subscription is new, or has changed. */
  put(client: Client, kind: ResourceKind, subscription: Subscription): void {
    this.kinds[kind].put(client, subscription);
  }

  /** The client has left. */
  drop(client: Client): void {
    for (const kind of PUSH_ORDER) this.kinds[kind].drop(client);
  }

  /** The clients that are subscribed to something that has changed. */
  concernedBy(changed: ChangedNames): ReadonlySet<Client> {
    const concerned = new Set<Client>();
    for (const kind of PUSH_ORDER) {
      this.kinds[kind].collect(changed[kind], concerned);
      if (changed[kind].size > 0) this.kinds[kind].collectWildcards(concerned);
    }
    // A wildcard covers none of these names.
    for (const name of changed.alias)
      this.kinds[name === OUTBOUND_ROUTES ? 'route' : 'listener'].collect([name], concerned);
    return concerned;
  }
}

/** Clients with the same set of names. */
interface Holder<Client> {
  names: NameSet;
  readonly clients: Set<Client>;
}

class KindInterests<Client> {
  private readonly wildcards = new Set<Client>();
  private readonly holderOf = new Map<Client, Holder<Client>>();
  private readonly holders = new Map<NameSet, Holder<Client>>();
  /** Most names are in one set only: then there is no set of holders. */
  private readonly byName = new Map<string, Holder<Client> | Set<Holder<Client>>>();

  put(client: Client, { wildcard, nameSet }: Subscription): void {
    if (wildcard) this.wildcards.add(client);
    else this.wildcards.delete(client);
    const before = this.holderOf.get(client);
    if (before?.names === nameSet) return;
    if (nameSet.names.size === 0) this.leave(client, before);
    else this.move(client, before, nameSet);
  }

  drop(client: Client): void {
    this.wildcards.delete(client);
    this.leave(client, this.holderOf.get(client));
  }

  collect(names: Iterable<string>, into: Set<Client>): void {
    for (const name of names) {
      const found = this.byName.get(name);
      if (found === undefined) continue;
      const holders = found instanceof Set ? found : [found];
      for (const { clients } of holders) for (const client of clients) into.add(client);
    }
  }

  collectWildcards(into: Set<Client>): void {
    for (const client of this.wildcards) into.add(client);
  }

  private move(client: Client, before: Holder<Client> | undefined, names: NameSet): void {
    const known = this.holders.get(names);
    if (known === undefined && before?.clients.size === 1) {
      this.rename(before, names);
      return;
    }
    this.leave(client, before);
    const holder = known ?? this.newHolder(names);
    holder.clients.add(client);
    this.holderOf.set(client, holder);
  }

  /** A client that adds one name to thousands of its own costs the comparison, not an index of all. */
  private rename(holder: Holder<Client>, after: NameSet): void {
    const before = holder.names;
    for (const name of before.names) if (!after.names.has(name)) this.unlink(name, holder);
    for (const name of after.names) if (!before.names.has(name)) this.link(name, holder);
    this.holders.delete(before);
    this.holders.set(after, holder);
    holder.names = after;
  }

  private newHolder(names: NameSet): Holder<Client> {
    const holder: Holder<Client> = { names, clients: new Set() };
    this.holders.set(names, holder);
    for (const name of names.names) this.link(name, holder);
    return holder;
  }

  private leave(client: Client, holder: Holder<Client> | undefined): void {
    if (holder === undefined) return;
    this.holderOf.delete(client);
    holder.clients.delete(client);
    if (holder.clients.size > 0) return;
    this.holders.delete(holder.names);
    for (const name of holder.names.names) this.unlink(name, holder);
  }

  private link(name: string, holder: Holder<Client>): void {
    const found = this.byName.get(name);
    if (found instanceof Set) found.add(holder);
    else this.byName.set(name, found === undefined ? holder : new Set([found, holder]));
  }

  private unlink(name: string, holder: Holder<Client>): void {
    const found = this.byName.get(name);
    if (!(found instanceof Set)) {
      this.byName.delete(name);
      return;
    }
    found.delete(holder);
    const [only] = found;
    if (found.size === 1 && only !== undefined) this.byName.set(name, only);
  }
}
