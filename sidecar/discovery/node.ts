import { hostname } from 'node:os';
import { toStruct } from '../../src/api/struct.js';
import { VERSION } from '../../src/version.js';
import type { BootstrapNode } from '../../src/xds/grpc-bootstrap.js';

interface Identity {
  readonly service: { readonly name: string; readonly namespace: string };
  /** Empty: not told. */
  readonly release: string;
  /** What a gRPC bootstrap says. */
  readonly node?: BootstrapNode;
}

/** What servers may send (xDS protocol, "Client features"), and that localities do not spill over by a factor. */
const CLIENT_FEATURES = ['xds.config.supports-resource-ttl', 'envoy.lb.does_not_support_overprovisioning'];

/** What this sidecar tells servers about itself (`envoy.config.core.v3.Node`). */
export function nodeOf({ service, release, node }: Identity): object {
  const fullName = `${service.name}.${service.namespace}`;
  return {
    id: node?.id || `${fullName}${release === '' ? '' : `/${release}`}@${hostname()}:${process.pid}`,
    cluster: node?.cluster || fullName,
    ...(node?.locality ? { locality: node.locality } : {}),
    userAgentName: 'roost',
    userAgentVersion: VERSION,
    clientFeatures: CLIENT_FEATURES,
    metadata: toStruct({
      ...node?.metadata,
      service: service.name,
      namespace: service.namespace,
      release,
    }),
  };
}
