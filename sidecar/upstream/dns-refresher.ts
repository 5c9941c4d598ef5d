import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { normalAuthority } from '../../src/http/authority.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { AddressFamily, DiscoveryConfig } from '../../src/xds/cluster.js';
import { type EndpointConfig, inCanonicalOrder } from '../../src/xds/endpoint.js';
import { formatAddress } from '../../src/xds/fields.js';

export type DnsConfig = Extract<DiscoveryConfig, { kind: 'dns' }>;

/** An address behind a name. */
export interface ResolvedAddress {
  readonly host: string;
  readonly port: number;
}

/** Finds every address behind `host:port`. */
export type Resolve = (host: string, port: number) => Promise<readonly ResolvedAddress[]>;

/** The system's resolver, which also reads the hosts file and follows search domains. */
export const resolveBySystem: Resolve = async (host, port) => {
  const found = await dnsLookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => ({ host: address, port }));
};

/**
 * A resolver with some names answered from a table: `host:port` → addresses.
 */
export function resolveWithOverrides(
  overrides: ReadonlyMap<string, readonly ResolvedAddress[]>,
  otherwise: Resolve,
): Resolve {
  const named = new Map([...overrides].map(([name, found]) => [oneSpelling(name), found]));
  return async (host, port) => named.get(oneSpelling(formatAddress(host, port))) ?? otherwise(host, port);
}

function oneSpelling(address: string): string {
  return normalAuthority(address) ?? address;
}

function ofFamily(found: readonly ResolvedAddress[], family: AddressFamily): readonly ResolvedAddress[] {
  if (family === 'any') return found;
  const version = family === '6' ? 6 : 4;
  const wanted = found.filter(({ host }) => isIP(host) === version);
  return family === 'prefer-4' && wanted.length === 0 ? found : wanted;
}

/**
 * Keeps one cluster's endpoints at what its DNS names resolve to. A name that stops resolving keeps its last
 * addresses: a name server's bad minute takes no endpoint away.
 */
export class DnsRefresher {
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly lastGood = new Map<string, readonly EndpointConfig[]>();
  private published = '';

  constructor(
    private readonly cluster: string,
    private readonly config: DnsConfig,
    private readonly resolve: Resolve,
    private readonly onEndpoints: (endpoints: readonly EndpointConfig[]) => void,
    private readonly log: Logger,
  ) {
    void this.refresh();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async refresh(): Promise<void> {
    const found = (await Promise.all(this.config.endpoints.map((name) => this.lookUp(name)))).flat();
    if (this.closed) return;
    const unique = new Map(found.map((endpoint) => [endpoint.address, endpoint]));
    const endpoints = [...unique.values()].sort(inCanonicalOrder);
    const signature = endpoints.map(({ address }) => address).join();
    if (signature !== this.published || this.published === '') {
      this.published = signature;
      this.onEndpoints(endpoints);
    }
    this.timer = setTimeout(() => void this.refresh(), this.config.refreshMs).unref();
  }

  /** Of a name's addresses those of the family that is wanted, and of a logical name's one, the same while it is there. */
  private choose(found: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
    const { family, logical } = this.config;
    const wanted = ofFamily(found, family);
    if (!logical) return wanted;
    const used = wanted.find(({ host, port }) => formatAddress(host, port) === this.published);
    return used === undefined ? wanted.slice(0, 1) : [used];
  }

  private async lookUp(name: EndpointConfig): Promise<readonly EndpointConfig[]> {
    try {
      const addresses = this.choose(await this.resolve(name.host, name.port));
      const endpoints = addresses.map(({ host, port }) => ({
        ...name,
        host,
        port,
        address: formatAddress(host, port),
      }));
      this.lastGood.set(name.address, endpoints);
      return endpoints;
    } catch (error) {
      const kept = this.lastGood.get(name.address) ?? [];
      this.log.warn(
        { cluster: this.cluster, name: name.host, err: error, kept: kept.length },
        'a DNS name does not resolve',
      );
      return kept;
    }
  }
}
