import { proportionalRingSize } from '../../src/hashing/ring.js';
import { approvedAddresses } from '../../src/model/grant.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import type { VersionSpec } from '../../src/model/schema.js';
import { ourClusterMetadata } from '../../src/xds/cluster-metadata.js';
import { http2Options } from '../../src/xds/cluster-transport.js';
import { packAny } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import type { LoadBalancerKind } from '../../src/xds/load-balancer.js';
import { translateProtection } from './cluster-protection.js';
import { socketAddress } from './endpoint.js';
import { markOf } from './mark.js';
import type { TranslateContext } from './policy.js';
import { translateTls } from './tls-context.js';

/** Of the mark that a cluster has. */
const MARK_BYTES = 3;
const CONNECT_TIMEOUT_MS = 2000;
const DNS_REFRESH_MS = 5000;

/** The cluster of one release. */
export function translateCluster(
  clusterName: string,
  service: MeshService,
  version: VersionSpec,
  context: TranslateContext,
): object {
  const incarnation = context.incarnation(service, version.name);
  const approved = approvedAddresses(version, context.grantOf?.(service));
  const mark = markOf(`cluster ${clusterName}`, incarnation, context).readUIntBE(0, MARK_BYTES);
  return {
    name: clusterName,
    ...translateDiscovery(clusterName, version),
    ...translateLoadBalancer(loadBalancerOf(service), service, version),
    ...translateProtection(service, mark),
    ...translateTls(service.spec.tls),
    ...(speaksHttp2(service) ? http2Options() : {}),
    connectTimeout: toDuration(service.spec.timeouts?.connect ?? CONNECT_TIMEOUT_MS),
    metadata: ourClusterMetadata(
      approved && { namespace: service.namespace, approved },
      service.spec.limits?.perEndpoint?.requests,
    ),
  };
}

/** gRPC is HTTP/2. */
function speaksHttp2({ spec: { protocol } }: MeshService): boolean {
  return protocol === 'http2' || protocol === 'grpc';
}

function loadBalancerOf({ spec }: MeshService): LoadBalancerKind {
  const sticky = spec.affinity !== undefined && spec.affinity.endpoint !== 'none';
  if (!sticky) return spec.loadBalancer ?? 'least-request';
  return spec.loadBalancer === 'maglev' ? 'maglev' : 'ring-hash';
}

function translateDiscovery(clusterName: string, version: VersionSpec): object {
  if (version.dns === undefined) {
    return {
      type: 'EDS',
      edsClusterConfig: { serviceName: clusterName, edsConfig: { ads: {}, resourceApiVersion: 'V3' } },
    };
  }
  return {
    type: 'STRICT_DNS',
    dnsRefreshRate: toDuration(DNS_REFRESH_MS),
    loadAssignment: {
      clusterName,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: socketAddress(version.dns) } }] }],
    },
  };
}

const LB = 'envoy.extensions.load_balancing_policies';

/**
 * The policy in the form that most clients take: gRPC refuses `lb_policy` LEAST_REQUEST and MAGLEV, but of a
 * `load_balancing_policy` list every client takes the first that it knows.
 */
function translateLoadBalancer(kind: LoadBalancerKind, service: MeshService, version: VersionSpec): object {
  const slowStart = slowStartConfig(service);
  switch (kind) {
    case 'ring-hash':
      return { lbPolicy: 'RING_HASH', ringHashLbConfig: { hashFunction: 'XX_HASH', ...ringSize(version) } };
    case 'maglev':
      return preferring(
        [`${LB}.maglev.v3.Maglev`, {}],
        [`${LB}.ring_hash.v3.RingHash`, { hashFunction: 'XX_HASH' }],
      );
    case 'least-request':
      return preferring(
        [`${LB}.least_request.v3.LeastRequest`, slowStart],
        [`${LB}.round_robin.v3.RoundRobin`, slowStart],
      );
    default:
      return preferring([`${LB}.round_robin.v3.RoundRobin`, slowStart]);
  }
}

function slowStartConfig({ spec }: MeshService): object {
  return spec.slowStart === undefined
    ? {}
    : { slowStartConfig: { slowStartWindow: toDuration(spec.slowStart) } };
}

function preferring(...policies: readonly (readonly [typeName: string, config: object])[]): object {
  return {
    loadBalancingPolicy: {
      policies: policies.map(([typeName, config]) => ({
        typedExtensionConfig: { name: typeName, typedConfig: packAny(typeName, config) },
      })),
    },
  };
}

/** For clients that know nothing of proportional rings: the size that comes out the same for these endpoints. */
function ringSize(version: VersionSpec): object {
  if (version.endpoints === undefined) return {};
  const { min, max } = proportionalRingSize(
    version.endpoints.map(({ address, weight }) => ({ key: address, weight })),
  );
  return { minimumRingSize: { value: min }, maximumRingSize: { value: max } };
}
