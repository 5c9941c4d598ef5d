import { isIP } from 'node:net';
import type { MeshServiceInput } from '../../../src/model/schema.js';
import type { ServicePort, ServiceView } from './objects.js';

/** The release of a Service that has no MeshService. */
export const ONLY_RELEASE = 'all';

/** A Service as a document, or why its calls are forwarded as they are. */
export type PlainService = { readonly document: MeshServiceInput } | { readonly reason: string };

/**
 * Meshes a Service that no MeshService describes: one release, all endpoints, no policy. What Roost cannot do as
 * kube-proxy does is left alone, and calls go where the app sent them. Pure.
 */
export function plainService(service: ServiceView): PlainService {
  const { namespace, name, type, clusterIps, internalTrafficPolicy } = service;
  if (type === 'ExternalName') return { reason: 'ExternalName: DNS leads callers outside' };
  if (clusterIps.length === 0) return { reason: 'headless: callers choose a pod themselves' };
  if (namespace === 'default' && name === 'kubernetes')
    return { reason: 'the API server is reached without a mesh' };
  if (internalTrafficPolicy === 'Local')
    return { reason: 'internalTrafficPolicy Local: each node has endpoints of its own' };
  const port = mainPort(service.ports);
  if (port === undefined) return { reason: 'has no TCP port' };
  return {
    document: {
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name, namespace },
      spec: {
        hosts: addressHosts(service),
        port: port.port,
        protocol: protocolOf(port),
        versions: [{ name: ONLY_RELEASE, service: name }],
      },
    },
  };
}

/** The addresses that callers dial, in the form of `spec.hosts`: where intercepted connections go. */
export function addressHosts({ clusterIps }: ServiceView): string[] {
  return clusterIps.map((ip) => (isIP(ip) === 6 ? `[${ip}]` : ip));
}

type Protocol = NonNullable<MeshServiceInput['spec']['protocol']>;

/** What `appProtocol` of a Service may say (KEP-3726), and the prefixes of port names that say the same. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  http: 'http',
  'kubernetes.io/ws': 'http',
  http2: 'http2',
  h2c: 'http2',
  'kubernetes.io/h2c': 'http2',
  grpc: 'grpc',
  tcp: 'tcp',
  https: 'tcp',
  tls: 'tcp',
  'kubernetes.io/wss': 'tcp',
  mysql: 'tcp',
  mongo: 'tcp',
  redis: 'tcp',
  postgres: 'tcp',
  postgresql: 'tcp',
  amqp: 'tcp',
  smtp: 'tcp',
};

/** Undefined: the Service does not say. */
function declaredProtocol({ appProtocol, name }: ServicePort): Protocol | undefined {
  return PROTOCOLS[appProtocol.toLowerCase()] ?? PROTOCOLS[name.toLowerCase().split('-')[0] ?? ''];
}

/** Without a word from the Service, the sidecar looks at the first bytes of a connection. */
function protocolOf(port: ServicePort): Protocol {
  return declaredProtocol(port) ?? 'http';
}

/** The port that is meshed: the first that says it speaks HTTP, else the first that may. */
function mainPort(ports: readonly ServicePort[]): ServicePort | undefined {
  const tcp = ports.filter(({ transport, port }) => transport === 'TCP' && port > 0);
  const speaks = (port: ServicePort) => declaredProtocol(port);
  return (
    tcp.find((port) => speaks(port) !== undefined && speaks(port) !== 'tcp') ??
    tcp.find((port) => speaks(port) === undefined) ??
    tcp[0]
  );
}
