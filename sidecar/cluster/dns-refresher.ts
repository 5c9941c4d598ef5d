import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { normalAuthority } from '../../src/http/authority.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { AddressFamily, DiscoveryConfig } from '../../src/xds/cluster.js';
import { type EndpointConfig, inCanonicalOrder } from '../../src/xds/endpoint.js';

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
 * How long a name's last addresses are used after name servers began to say that it does not exist: a service that is
 * being replaced has no name for a moment.
 */
export const ABSENT_MS = 30_000;
/**
 * The same while no name server answers, which says nothing of the name: an outage takes no endpoint away. Not for ever,
 * since addresses are given to others in time.
 */
export const UNANSWERED_MS = 3_600_000;

/**
 * A name that has not been answered for so long counts as one without addresses for now: nothing else waits for it, a
 * sidecar that starts least of all. `getaddrinfo` takes tens of seconds where no name server answers.
 */
const FIRST_ANSWER_MS = 3000;

/** What `getaddrinfo` says of a name that does not exist, or that has no address. */
const ABSENT_CODES: ReadonlySet<string | undefined> = new Set(['ENOTFOUND', 'ENODATA']);

interface Known {
  readonly endpoints: readonly EndpointConfig[];
  /** When a name server last said so. */
  readonly atMs: number;
}

export interface DnsRefresherOptions {
  readonly cluster: string;
  readonly config: DnsConfig;
  readonly resolve: Resolve;
  readonly log: Logger;
  nowMs(): number;
  /** How long the first answer is waited for; absent: 3 s. */
  readonly firstAnswerMs?: number;
  onEndpoints(endpoints: readonly EndpointConfig[]): void;
}

/**
 * Keeps one cluster's endpoints at what its DNS names resolve to. A name that stops resolving keeps its last addresses
 * for a bounded time.
 */
export class DnsRefresher {
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly lastGood = new Map<string, Known>();
  /** Names that do not resolve at present: each is logged once. */
  private readonly failing = new Set<string>();
  private published = '';
  private readonly firstAnswer: NodeJS.Timeout;

  constructor(private readonly options: DnsRefresherOptions) {
    this.firstAnswer = setTimeout(() => this.goOnWithout(), options.firstAnswerMs ?? FIRST_ANSWER_MS).unref();
    void this.refresh();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.firstAnswer);
  }

  private async refresh(): Promise<void> {
    const found = (await Promise.all(this.options.config.endpoints.map((name) => this.lookUp(name)))).flat();
    clearTimeout(this.firstAnswer);
    if (this.closed) return;
    const unique = new Map(found.map((endpoint) => [endpoint.address, endpoint]));
    const endpoints = [...unique.values()].sort(inCanonicalOrder);
    const signature = endpoints.map(({ address }) => address).join();
    if (signature !== this.published || this.published === '') {
      this.published = signature;
      this.options.onEndpoints(endpoints);
    }
    this.timer = setTimeout(() => void this.refresh(), this.options.config.refreshMs).unref();
  }

  private goOnWithout(): void {
    const { cluster, config, log, onEndpoints } = this.options;
    const names = config.endpoints.map(({ address }) => address);
    log.warn({ cluster, names }, 'DNS names are not answered; going on without them for now');
    onEndpoints([]);
  }

  /** Of a name's addresses those of the family that is wanted, and of a logical name's one, the same while it is there. */
  private choose(found: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
    const { family, logical } = this.options.config;
    const wanted = ofFamily(found, family);
    if (!logical) return wanted;
    const used = wanted.find(({ host, port }) => formatAddress(host, port) === this.published);
    return used === undefined ? wanted.slice(0, 1) : [used];
  }

  private async lookUp(name: EndpointConfig): Promise<readonly EndpointConfig[]> {
    try {
      const addresses = this.choose(await this.options.resolve(name.host, name.port));
      const endpoints = addresses.map(({ host, port }) => ({
        ...name,
        host,
        port,
        address: formatAddress(host, port),
      }));
      this.lastGood.set(name.address, { endpoints, atMs: this.options.nowMs() });
      if (this.failing.delete(name.address)) this.note('info', name, 'a DNS name resolves again');
      return endpoints;
    } catch (error) {
      return this.keep(name, error as NodeJS.ErrnoException);
    }
  }

  private keep(name: EndpointConfig, err: NodeJS.ErrnoException): readonly EndpointConfig[] {
    const { lastGood, failing } = this;
    const known = lastGood.get(name.address);
    const isNew = !failing.has(name.address);
    failing.add(name.address);
    const boundMs = ABSENT_CODES.has(err.code) ? ABSENT_MS : UNANSWERED_MS;
    if (known !== undefined && this.options.nowMs() - known.atMs < boundMs) {
      const keptForSeconds = boundMs / 1000;
      if (isNew) this.note('warn', name, 'a DNS name does not resolve', { err, keptForSeconds });
      return known.endpoints;
    }
    if (lastGood.delete(name.address))
      this.note('warn', name, 'a DNS name has not resolved for long; its addresses are given up', { err });
    else if (isNew) this.note('warn', name, 'a DNS name does not resolve', { err });
    return [];
  }

  private note(level: 'info' | 'warn', { host }: EndpointConfig, message: string, fields: object = {}): void {
    const { log, cluster } = this.options;
    log[level]({ cluster, name: host, ...fields }, message);
  }
}
