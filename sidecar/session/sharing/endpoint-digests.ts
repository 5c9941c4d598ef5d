import type { Endpoint } from '../../../src/routing/endpoint-set.js';
import type { EndpointNames, SharedEndpointName } from './fleet-views.js';
import type { SharedAffinities } from './shared-affinities.js';

/** What is asked of the sidecar's clusters. */
interface EndpointsByAddress<E> {
  find(cluster: string): { find(address: string): E | undefined } | undefined;
}

/** Names endpoints by their digest among those of their service: no reader of the stream can tell their addresses. */
export class EndpointDigests<E> implements EndpointNames<E> {
  constructor(
    private readonly affinities: SharedAffinities,
    private readonly clusters: EndpointsByAddress<E>,
    private readonly joins: (service: string) => boolean,
  ) {}

  nameOf(cluster: string, address: string): SharedEndpointName | undefined {
    const service = this.affinities.serviceOf(cluster);
    if (service === undefined || !this.joins(service)) return undefined;
    const [digest] = this.affinities.find(service)?.digests.ofEndpoint(address) ?? [];
    return digest === undefined ? undefined : { service, digest };
  }

  find({
    service,
    digest,
  }: SharedEndpointName): { readonly cluster: string; readonly endpoint: E } | undefined {
    const affinity = this.affinities.find(service);
    for (const { name, endpoints } of affinity?.clusters ?? []) {
      const index = endpoints.findByDigest(digest, (affinity as NonNullable<typeof affinity>).digests);
      const address: Endpoint['address'] | undefined = index < 0 ? undefined : endpoints.at(index).address;
      const endpoint = address === undefined ? undefined : this.clusters.find(name)?.find(address);
      if (endpoint !== undefined) return { cluster: name, endpoint };
    }
    return undefined;
  }
}
