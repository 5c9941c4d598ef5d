import type { LookupFunction } from 'node:net';
import { isIPv4 } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { UpstreamProtocol } from '../cluster/stream-pool.js';
import { UpstreamEndpoint, type UpstreamSettings, unwatched } from '../cluster/upstream-endpoint.js';
import type { OwnPorts } from '../outbound/own-ports.js';

/** How long the local app may take to accept a connection. */
const CONNECT_TIMEOUT_MS = 2000;
/** Most addresses of the app that are kept; the one used longest ago gives way. */
const MAX_ADDRESSES = 256;

/**
 * Where the local app takes calls: at the address that the sidecar was told, or, where a connection was redirected,
 * at the port that the client dialled.
 */
export class AppEndpoints {
  /** The one that the sidecar was told. */
  readonly told: UpstreamEndpoint;
  private readonly endpoints = new Map<string, UpstreamEndpoint>();

  constructor(
    app: SocketAddress,
    private readonly settings: UpstreamSettings,
    private readonly ownPorts: OwnPorts,
    private readonly protocol: UpstreamProtocol = 'http1',
  ) {
    this.told = this.make(app);
  }

  /** @param destination undefined: the connection was not redirected */
  at(destination: SocketAddress | undefined): UpstreamEndpoint | LocalReply {
    if (destination === undefined) return this.told;
    const listener = this.ownPorts.listenerOn(destination.port);
    if (listener !== undefined && listener !== 'metrics') {
      const detail = `port ${destination.port} is this sidecar's own, for ${listener}`;
      return { code: 'forbidden-destination', detail };
    }
    const key = formatAddress(destination.host, destination.port);
    const endpoint = this.endpoints.get(key) ?? this.make(destination, lookupApp(destination.host));
    // The map's order is the order of use.
    this.endpoints.delete(key);
    this.endpoints.set(key, endpoint);
    this.evict();
    return endpoint;
  }

  closeIdle(nowMs: number): void {
    this.told.closeIdle(nowMs);
    for (const endpoint of this.endpoints.values()) endpoint.closeIdle(nowMs);
  }

  close(): void {
    this.told.retire();
    for (const endpoint of this.endpoints.values()) endpoint.retire();
  }

  private evict(): void {
    if (this.endpoints.size <= MAX_ADDRESSES) return;
    const [[key, endpoint]] = this.endpoints as unknown as [[string, UpstreamEndpoint]];
    endpoint.retire();
    this.endpoints.delete(key);
  }

  private make({ host, port }: SocketAddress, lookup?: LookupFunction): UpstreamEndpoint {
    const config = { address: formatAddress(host, port), weight: 1, zone: '', status: 'healthy' } as const;
    const settings = { ...this.settings, connectFailuresToEject: Number.POSITIVE_INFINITY };
    // A host that is no address is looked up: the app may listen on several.
    const dialled = lookup === undefined ? host : 'app';
    return new UpstreamEndpoint(
      { ...config, host: dialled, port },
      CONNECT_TIMEOUT_MS,
      settings,
      unwatched(lookup, this.protocol),
    );
  }
}

/** The address that was dialled, then loopback: an app may listen on either only. Node tries one after the other. */
function lookupApp(host: string): LookupFunction {
  const candidates = isIPv4(host) ? [host, '127.0.0.1', '::1'] : [host, '::1', '127.0.0.1'];
  const addresses = candidates.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }));
  return (_, options, callback) => {
    if (options.all) callback(null, addresses);
    else callback(null, host, isIPv4(host) ? 4 : 6);
  };
}
