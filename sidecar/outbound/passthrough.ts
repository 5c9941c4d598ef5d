import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/xds/fields.js';
import { UpstreamEndpoint, type UpstreamSettings, unwatched } from '../upstream/upstream-endpoint.js';

/** Most destinations whose connections are pooled; the one used longest ago gives way. */
const MAX_DESTINATIONS = 1000;
const CONNECT_TIMEOUT_MS = 5000;

/** Endpoints for destinations outside the mesh, made as clients name them. */
export class PassthroughEndpoints {
  private readonly endpoints = new Map<string, UpstreamEndpoint>();

  constructor(private readonly settings: UpstreamSettings) {}

  get(destination: SocketAddress): UpstreamEndpoint {
    const address = formatAddress(destination.host, destination.port);
    const endpoint = this.endpoints.get(address) ?? this.make(destination, address);
    // The map's order is the order of use.
    this.endpoints.delete(address);
    this.endpoints.set(address, endpoint);
    return endpoint;
  }

  closeIdle(nowMs: number): void {
    for (const endpoint of this.endpoints.values()) endpoint.closeIdle(nowMs);
  }

  close(): void {
    for (const endpoint of this.endpoints.values()) endpoint.retire();
  }

  private make({ host, port }: SocketAddress, address: string): UpstreamEndpoint {
    if (this.endpoints.size >= MAX_DESTINATIONS) {
      const [oldest] = this.endpoints;
      oldest?.[1].retire();
      this.endpoints.delete(oldest?.[0] ?? '');
    }
    const config = { host, port, address, weight: 1, zone: '', status: 'healthy' } as const;
    return new UpstreamEndpoint(config, CONNECT_TIMEOUT_MS, this.settings, unwatched());
  }
}
