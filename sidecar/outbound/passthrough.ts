import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { UpstreamProtocol } from '../cluster/stream-pool.js';
import { UpstreamEndpoint, type UpstreamSettings, unwatched } from '../cluster/upstream-endpoint.js';
import type { DestinationGuard } from './destination-guard.js';

/** Most destinations whose connections are pooled; the one used longest ago gives way. */
const MAX_DESTINATIONS = 1000;
const CONNECT_TIMEOUT_MS = 5000;

/** Where requests go that leave the mesh. */
export interface Passthrough {
  readonly guard: DestinationGuard;
  /** @param fromMachine the client is on this machine: it shares no connections with those that are not */
  get(destination: SocketAddress, fromMachine: boolean): UpstreamEndpoint;
  /** The same destinations, spoken to in this protocol. */
  over(protocol: UpstreamProtocol): Passthrough;
}

/** Endpoints for destinations outside the mesh, made as clients name them. */
export class PassthroughEndpoints implements Passthrough {
  private readonly endpoints = new Map<string, UpstreamEndpoint>();

  /** @param guard of destinations; those that are addresses are to be judged before they come here */
  constructor(
    private readonly settings: UpstreamSettings,
    readonly guard: DestinationGuard,
  ) {}

  over(protocol: UpstreamProtocol): Passthrough {
    return {
      guard: this.guard,
      get: (destination, fromMachine) => this.get(destination, fromMachine, protocol),
      over: (other) => this.over(other),
    };
  }

  get(
    destination: SocketAddress,
    fromMachine: boolean,
    protocol: UpstreamProtocol = 'http1',
  ): UpstreamEndpoint {
    const address = formatAddress(destination.host, destination.port);
    const key = `${address} ${protocol} ${fromMachine ? 'from here' : 'from elsewhere'}`;
    const endpoint = this.endpoints.get(key) ?? this.make(destination, fromMachine, protocol);
    // The map's order is the order of use.
    this.endpoints.delete(key);
    this.endpoints.set(key, endpoint);
    return endpoint;
  }

  closeIdle(nowMs: number): void {
    for (const endpoint of this.endpoints.values()) endpoint.closeIdle(nowMs);
  }

  close(): void {
    for (const endpoint of this.endpoints.values()) endpoint.retire();
  }

  private make(
    { host, port }: SocketAddress,
    fromMachine: boolean,
    protocol: UpstreamProtocol,
  ): UpstreamEndpoint {
    if (this.endpoints.size >= MAX_DESTINATIONS) {
      const [oldest] = this.endpoints;
      oldest?.[1].retire();
      this.endpoints.delete(oldest?.[0] ?? '');
    }
    const address = formatAddress(host, port);
    const lookup = this.guard.lookupFor(port, fromMachine);
    const config = { host, port, address, weight: 1, zone: '', status: 'healthy' } as const;
    return new UpstreamEndpoint(config, CONNECT_TIMEOUT_MS, this.settings, unwatched(lookup, protocol));
  }
}
