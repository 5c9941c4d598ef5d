import { hostname } from 'node:os';
import { VERSION } from '../../src/version.js';

interface Identity {
  readonly service: { readonly name: string; readonly namespace: string };
  /** Empty: not told. */
  readonly release: string;
  /** Empty: made from service, release and host. */
  readonly nodeId: string;
}

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
    metadata: {
      fields: Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, { stringValue: value }]),
      ),
    },
  };
}
