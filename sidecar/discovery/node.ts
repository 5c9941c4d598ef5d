import { hostname } from 'node:os';
import { VERSION } from '../../src/version.js';

interface Identity {
  readonly service: { readonly name: string; readonly namespace: string };
  /** Empty: not told. */
  readonly release: string;
  /** Empty: made from service, release and host. */
  readonly nodeId: string;
}

/** What servers may send (xDS protocol, "Client features"), and that localities do not spill over by a factor. */
const CLIENT_FEATURES = ['xds.config.supports-resource-ttl', 'envoy.lb.does_not_support_overprovisioning'];

/** What this sidecar tells servers about itself (`envoy.config.core.v3.Node`). */
export function nodeOf({ service, release, nodeId }: Identity): object {
  const fields = { service: service.name, namespace: service.namespace, release };
  return {
    id:
      nodeId ||
      `${service.name}.${service.namespace}${release === '' ? '' : `/${release}`}@${hostname()}:${process.pid}`,
    cluster: `${service.name}.${service.namespace}`,
    userAgentName: 'roost',
    userAgentVersion: VERSION,
    clientFeatures: CLIENT_FEATURES,
    metadata: {
      fields: Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, { stringValue: value }]),
      ),
    },
  };
}
