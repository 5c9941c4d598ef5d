import { type Endpoint, EndpointSet, UNUSABLE } from '../../src/routing/endpoint-set.js';
import type { Cluster } from '../../src/routing/table.js';
import type { ClusterResource, LoadBalancerConfig } from '../../src/xds/cluster.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import { type ReachabilityListener, UpstreamEndpoint, type UpstreamSettings } from './upstream-endpoint.js';

const DEFAULT_LOAD_BALANCER: LoadBalancerConfig = {
  kind: 'least-request',
  ringSize: { min: 1024, max: 8_388_608 },
  tableSize: 65_537,
  slowStartMs: 0,
};
const DEFAULT_CONNECT_TIMEOUT_MS = 2000;

/**
 * A cluster that configuration names: its endpoints as they are now, and their connections, which outlive every
 * change of configuration that keeps the address.
 */
export class LiveCluster implements Cluster {
  endpoints: EndpointSet;
  unusableSinceMs: number | undefined;
  private byAddress = new Map<string, UpstreamEndpoint>();
  private loadBalancer = DEFAULT_LOAD_BALANCER;
  private connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS;

  constructor(
    readonly name: string,
    private readonly settings: UpstreamSettings,
    private readonly onReachability: ReachabilityListener,
  ) {
    this.endpoints = EndpointSet.of([], this.loadBalancer, () => UNUSABLE);
    this.unusableSinceMs = settings.nowMs();
  }

  get upstreams(): Iterable<UpstreamEndpoint> {
    return this.byAddress.values();
  }

  /** Takes over everything of the cluster but its endpoints. */
  configure(config: ClusterResource): void {
    this.loadBalancer = config.loadBalancer;
    this.connectTimeoutMs = config.connectTimeoutMs;
    for (const endpoint of this.byAddress.values()) endpoint.connectTimeoutMs = config.connectTimeoutMs;
    this.publish(EndpointSet.of(this.endpoints.endpoints, this.loadBalancer, usabilityOf));
  }

  /** Takes over the endpoints. Those that stay keep their connections and their health. */
  setEndpoints(configs: readonly EndpointConfig[]): void {
    const next = new Map(configs.map((config) => [config.address, this.endpointFor(config)]));
    for (const [address, endpoint] of this.byAddress) if (!next.has(address)) endpoint.retire();
    this.byAddress = next;
    this.publish(EndpointSet.of([...next.values()], this.loadBalancer, usabilityOf));
  }

  /** The cluster is gone from the configuration. */
  retire(): void {
    this.setEndpoints([]);
  }

  private endpointFor(config: EndpointConfig): UpstreamEndpoint {
    const known = this.byAddress.get(config.address);
    if (known === undefined) {
      return new UpstreamEndpoint(config, this.connectTimeoutMs, this.settings, (endpoint) => {
        this.publish(this.endpoints.withUsability(usabilityOf));
        this.onReachability(endpoint);
      });
    }
    known.weight = config.weight;
    known.zone = config.zone;
    known.status = config.status;
    return known;
  }

  private publish(endpoints: EndpointSet): void {
    this.endpoints = endpoints;
    if (endpoints.usableCount > 0) this.unusableSinceMs = undefined;
    else this.unusableSinceMs ??= this.settings.nowMs();
  }
}

/** Endpoint sets of the sidecar hold its own endpoints only. */
export function upstreamOf(endpoint: Endpoint): UpstreamEndpoint {
  if (!(endpoint instanceof UpstreamEndpoint))
    throw new TypeError(`${endpoint.address} is no endpoint of this sidecar`);
  return endpoint;
}

function usabilityOf(endpoint: Endpoint) {
  return upstreamOf(endpoint).usability;
}
