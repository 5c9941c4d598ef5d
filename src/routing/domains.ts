import { sameByDefaultPort } from '../http/authority.js';
import type { KeySourceConfig } from '../xds/hash-policy.js';
import { LayeredMap } from './layered-map.js';
import type { RoutingTable, VirtualHost } from './table.js';

/** A virtual host with the domains that it claims. */
export type DomainEntry = readonly [domains: readonly string[], host: VirtualHost];

/** A virtual host with its place among those that may claim the same domain: the lowest has it. */
interface Claim {
  readonly host: VirtualHost;
  readonly rank: number;
}

interface Pattern {
  /** Without its `*`. */
  readonly text: string;
  readonly host: VirtualHost;
}

/** Domains that are looked at in one way, as they were at one time. Never changed. */
interface Domains {
  readonly exact: LayeredMap<Claim>;
  /** Longest first. */
  readonly suffixes: readonly Pattern[];
  readonly prefixes: readonly Pattern[];
  readonly catchAll: VirtualHost | undefined;
  /** Of every group. */
  readonly entries: readonly (readonly DomainEntry[])[];
}

/**
 * Finds virtual hosts by authority in Envoy's order: exact, then the longest `*suffix`, then the longest
 * `prefix*`, then `*`. Where there is none, the authority's other spelling with or without the default port is
 * looked for. Never changed: see {@link DomainIndex}.
 */
export class DomainTable implements RoutingTable {
  /** @param portless of configurations that look at no port; looked at after the others */
  constructor(
    private readonly domains: Domains,
    private readonly portless: Domains,
    readonly keySources: readonly KeySourceConfig[],
  ) {}

  /**
   * Of two virtual hosts that claim one domain, the one given first has it.
   *
   * @param ignoringPort looked at after the others, by the authority without its port
   */
  static of(entries: Iterable<DomainEntry>, ignoringPort: Iterable<DomainEntry> = []): DomainTable {
    const index = new DomainIndex();
    index.put('', [...entries]);
    const portless = [...ignoringPort];
    if (portless.length > 0) index.put('ignoring the port', portless, true);
    return index.table();
  }

  get virtualHosts(): readonly VirtualHost[] {
    return [...this.domains.entries, ...this.portless.entries].flat().map(([, host]) => host);
  }

  find(authority: string): VirtualHost | undefined {
    const found = findIn(this.domains, authority) ?? this.findIgnoringPort(authority);
    if (found !== undefined) return found;
    const other = sameByDefaultPort(authority);
    return other === undefined ? undefined : findIn(this.domains, other);
  }

  private findIgnoringPort(authority: string): VirtualHost | undefined {
    if (this.portless.entries.length === 0) return undefined;
    return findIn(this.portless, authority.replace(/:\d+$/, ''));
  }
}

function findIn(
  { exact, suffixes, prefixes, catchAll }: Domains,
  authority: string,
): VirtualHost | undefined {
  const longer = authority.length;
  return (
    exact.get(authority)?.host ??
    suffixes.find(({ text }) => longer > text.length && authority.endsWith(text))?.host ??
    prefixes.find(({ text }) => longer > text.length && authority.startsWith(text))?.host ??
    catchAll
  );
}

/**
 * Makes a {@link DomainTable} of groups of virtual hosts (route configurations) that come, change and go one by one:
 * what a change costs depends on the group, not on the mesh. Of two groups that claim a domain, the one that came
 * first has it.
 */
export class DomainIndex {
  private readonly withPort = new Groups();
  private readonly portless = new Groups();
  private readonly keySources = new Map<string, { readonly source: KeySourceConfig; users: number }>();

  /**
   * Adds a group, or takes another in place of what it was.
   *
   * @param ignoresPort its domains are compared with authorities without their port
   */
  put(name: string, entries: readonly DomainEntry[], ignoresPort = false): void {
    const [to, other] = ignoresPort ? [this.portless, this.withPort] : [this.withPort, this.portless];
    this.countKeySources(to.entriesOf(name), -1);
    this.countKeySources(other.entriesOf(name), -1);
    this.countKeySources(entries, 1);
    other.drop(name);
    to.put(name, entries);
  }

  drop(name: string): void {
    for (const groups of [this.withPort, this.portless]) {
      this.countKeySources(groups.entriesOf(name), -1);
      groups.drop(name);
    }
  }

  /** As everything is now. */
  table(): DomainTable {
    const sources = [...this.keySources.values()].map(({ source }) => source);
    return new DomainTable(this.withPort.domains(), this.portless.domains(), sources);
  }

  private countKeySources(entries: readonly DomainEntry[], by: 1 | -1): void {
    const all = entries.flatMap(([, { routes }]) =>
      routes.flatMap(({ affinity }) => affinity?.keys.sources ?? []),
    );
    for (const source of all) {
      const key = JSON.stringify(source);
      const users = (this.keySources.get(key)?.users ?? 0) + by;
      if (users === 0) this.keySources.delete(key);
      else this.keySources.set(key, { source, users });
    }
  }
}

interface Group {
  /** Of its first virtual host; the others follow. */
  readonly rank: number;
  entries: readonly DomainEntry[];
}

/** Room for virtual hosts of a group between one rank and the next. */
const RANKS_PER_GROUP = 1_000_000;

/** Groups whose domains are looked at in one way, and who has each domain. */
class Groups {
  private readonly groups = new Map<string, Group>();
  private groupCount = 0;
  private exact = LayeredMap.empty<Claim>();
  /** Not in {@link exact} yet. */
  private readonly changes = new Map<string, Claim | undefined>();
  private readonly patterns = new Map<string, Claim>();
  /** Claims on domains that another has, by domain. */
  private readonly rivals = new Map<string, readonly Claim[]>();

  entriesOf(name: string): readonly DomainEntry[] {
    return this.groups.get(name)?.entries ?? [];
  }

  put(name: string, entries: readonly DomainEntry[]): void {
    const known = this.groups.get(name);
    const group = known ?? { rank: this.groupCount++ * RANKS_PER_GROUP, entries: [] };
    this.groups.set(name, group);
    // What stays is changed from one to the other; in between, it is not read.
    this.forEachClaim(group, (domain, claim) => this.release(domain, claim));
    group.entries = entries;
    this.forEachClaim(group, (domain, claim) => this.claim(domain, claim));
  }

  drop(name: string): void {
    if (!this.groups.has(name)) return;
    this.put(name, []);
    this.groups.delete(name);
  }

  domains(): Domains {
    this.exact = this.exact.with(this.changes);
    this.changes.clear();
    const patterns = [...this.patterns].map(([domain, { host }]) => ({ domain, host }));
    const suffixes = patterns
      .filter(({ domain }) => domain.length > 1 && domain.startsWith('*'))
      .map(({ domain, host }) => ({ text: domain.slice(1), host }));
    const prefixes = patterns
      .filter(({ domain }) => !domain.startsWith('*'))
      .map(({ domain, host }) => ({ text: domain.slice(0, -1), host }));
    return {
      exact: this.exact,
      suffixes: suffixes.sort(longestFirst),
      prefixes: prefixes.sort(longestFirst),
      catchAll: this.patterns.get('*')?.host,
      entries: Array.from(this.groups.values(), ({ entries }) => entries),
    };
  }

  private forEachClaim({ rank, entries }: Group, visit: (domain: string, claim: Claim) => void): void {
    entries.forEach(([domains, host], i) => {
      for (const domain of domains) visit(domain, { host, rank: rank + i });
    });
  }

  private claim(domain: string, claim: Claim): void {
    const holder = this.holder(domain);
    if (holder?.host === claim.host) return;
    if (holder === undefined || claim.rank < holder.rank) this.hold(domain, claim);
    if (holder === undefined) return;
    const loser = claim.rank < holder.rank ? holder : claim;
    this.rivals.set(domain, [...(this.rivals.get(domain) ?? []), loser]);
  }

  private release(domain: string, { host }: Claim): void {
    const rivals = this.rivals.get(domain) ?? [];
    const others = rivals.filter((rival) => rival.host !== host);
    if (this.holder(domain)?.host === host) {
      const [next] = [...others].sort((a, b) => a.rank - b.rank);
      this.hold(domain, next);
      others.splice(next === undefined ? 0 : others.indexOf(next), 1);
    }
    if (others.length > 0) this.rivals.set(domain, others);
    else this.rivals.delete(domain);
  }

  private holder(domain: string): Claim | undefined {
    if (isPattern(domain)) return this.patterns.get(domain);
    return this.changes.has(domain) ? this.changes.get(domain) : this.exact.get(domain);
  }

  private hold(domain: string, claim: Claim | undefined): void {
    if (!isPattern(domain)) this.changes.set(domain, claim);
    else if (claim === undefined) this.patterns.delete(domain);
    else this.patterns.set(domain, claim);
  }
}

function isPattern(domain: string): boolean {
  return domain.startsWith('*') || domain.endsWith('*');
}

function longestFirst(a: Pattern, b: Pattern): number {
  return b.text.length - a.text.length;
}
