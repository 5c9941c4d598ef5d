/** The xDS v3 resource types that Roost serves and consumes, by their type URL. */
export const TYPE_URL = {
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
} as const;

export type ResourceKind = keyof typeof TYPE_URL;

/**
 * The order in which a consistent push goes out: make before break (xDS protocol, "Eventual consistency
 * considerations").
 */
export const PUSH_ORDER: readonly ResourceKind[] = ['cluster', 'endpoint', 'listener', 'route'];

const KIND_BY_URL = new Map<string, ResourceKind>(PUSH_ORDER.map((kind) => [TYPE_URL[kind], kind]));

export function kindOfTypeUrl(typeUrl: string): ResourceKind | undefined {
  return KIND_BY_URL.get(typeUrl);
}

/** `type.googleapis.com/envoy.config.cluster.v3.Cluster` → `envoy.config.cluster.v3.Cluster` */
export function messageNameOf(kind: ResourceKind): string {
  return TYPE_URL[kind].slice(TYPE_URL[kind].indexOf('/') + 1);
}

export const ADS_SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
