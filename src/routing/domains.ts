import type { KeySourceConfig } from '../xds/hash-policy.js';
import type { RoutingTable, VirtualHost } from './table.js';

export type DomainEntry = readonly [domains: readonly string[], host: VirtualHost];

/**
 * Finds virtual hosts by authority in Envoy's order: exact, then the longest `*suffix`, then the longest
 * `prefix*`, then `*`. Authorities are compared in lower case.
 */
export class DomainTable implements RoutingTable {
  private readonly exact = new Map<string, VirtualHost>();
  /** Longest first. */
  private readonly suffixes: { readonly text: string; readonly host: VirtualHost }[] = [];
  private readonly prefixes: { readonly text: string; readonly host: VirtualHost }[] = [];
  private catchAll: VirtualHost | undefined;
  /** The hosts of configurations that look at no port. */
  private readonly portless: DomainTable | undefined;
  readonly keySources: readonly KeySourceConfig[];
  private readonly hosts = new Set<VirtualHost>();

  /**
   * Of two virtual hosts that claim one domain, the one given first has it.
   *
   * @param ignoringPort looked at after the others, by the authority without its port
   */
  constructor(entries: Iterable<DomainEntry>, ignoringPort: Iterable<DomainEntry> = []) {
    for (const [domains, host] of entries) {
      this.hosts.add(host);
      for (const domain of domains) this.add(domain, host);
    }
    const portless = [...ignoringPort];
    this.portless = portless.length === 0 ? undefined : new DomainTable(portless);
    for (const [, host] of portless) this.hosts.add(host);
    this.keySources = distinctKeySources(this.hosts);
    this.suffixes.sort((a, b) => b.text.length - a.text.length);
    this.prefixes.sort((a, b) => b.text.length - a.text.length);
  }

  get virtualHosts(): readonly VirtualHost[] {
    return [...this.hosts];
  }

  find(authority: string): VirtualHost | undefined {
    const found = this.exact.get(authority);
    if (found !== undefined) return found;
    return this.findLowerCase(authority.toLowerCase()) ?? this.portless?.find(authority.replace(/:\d+$/, ''));
  }

  private findLowerCase(authority: string): VirtualHost | undefined {
    const longer = authority.length;
    return (
      this.exact.get(authority) ??
      this.suffixes.find(({ text }) => longer > text.length && authority.endsWith(text))?.host ??
      this.prefixes.find(({ text }) => longer > text.length && authority.startsWith(text))?.host ??
      this.catchAll
    );
  }

  private add(domain: string, host: VirtualHost): void {
    if (domain === '*') this.catchAll ??= host;
    else if (domain.startsWith('*')) this.suffixes.push({ text: domain.slice(1), host });
    else if (domain.endsWith('*')) this.prefixes.push({ text: domain.slice(0, -1), host });
    else if (!this.exact.has(domain)) this.exact.set(domain, host);
  }
}

function distinctKeySources(hosts: Iterable<VirtualHost>): KeySourceConfig[] {
  const sources = new Map<string, KeySourceConfig>();
  for (const { routes } of hosts) {
    for (const { affinity } of routes) {
      for (const source of affinity?.keys.sources ?? []) sources.set(JSON.stringify(source), source);
    }
  }
  return [...sources.values()];
}
