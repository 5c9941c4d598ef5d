import { splitHostPort } from '../../src/model/formats.js';
import type { VersionSpec } from '../../src/model/schema.js';
import { inCanonicalOrder } from '../../src/xds/endpoint.js';
import type { AssignedEndpoint } from '../endpoints/live-endpoint.js';

type EndpointSpec = NonNullable<VersionSpec['endpoints']>[number];
/** An endpoint from a document, or a live one. */
type TranslatedEndpoint = EndpointSpec & { readonly status?: AssignedEndpoint['status'] };

/** The load assignment of a release whose endpoints are known, with a locality for each zone. */
export function translateAssignment(clusterName: string, endpoints: readonly TranslatedEndpoint[]): object {
  const zones = new Map<string, TranslatedEndpoint[]>();
  const zoned = endpoints.map((endpoint) => ({ ...endpoint, zone: endpoint.zone ?? '' }));
  for (const endpoint of zoned.sort(inCanonicalOrder)) {
    const members = zones.get(endpoint.zone);
    if (members === undefined) zones.set(endpoint.zone, [endpoint]);
    else members.push(endpoint);
  }
  return {
    clusterName,
    endpoints: [...zones].map(([zone, members]) => ({
      locality: { zone },
      lbEndpoints: members.map(translateEndpoint),
      // gRPC drops a locality without a weight, and multiplies it with the endpoints': 1 leaves those as they are.
      loadBalancingWeight: { value: 1 },
    })),
  };
}

function translateEndpoint({ address, weight, status = 'healthy' }: TranslatedEndpoint): object {
  return {
    endpoint: { address: socketAddress(address) },
    loadBalancingWeight: { value: weight },
    ...(status === 'healthy' ? {} : { healthStatus: status === 'draining' ? 'DRAINING' : 'UNHEALTHY' }),
  };
}

/** `host:port` as Envoy's Address. */
export function socketAddress(hostPort: string): object {
  const address = splitHostPort(hostPort);
  if (address === undefined) throw new Error(`"${hostPort}" passed validation and is not a HOST:PORT`);
  return { socketAddress: { address: address.host, portValue: address.port } };
}
