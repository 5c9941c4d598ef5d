/**
 * Names of the resources that our control plane serves. A service's route configuration is `shop/checkout`, the
 * cluster and load assignment of a release `shop/checkout/v1`; its listener goes by each host that callers use.
 */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

export function routeConfigurationName({ namespace, name }: ServiceName): string {
  return `${namespace}/${name}`;
}

/**
 * The route configuration that has the virtual hosts of every service, for clients with one listener for all of
 * them: Envoy. No service has this name, since a service's has a slash. It is never part of a wildcard.
 */
export const OUTBOUND_ROUTES = 'outbound';

export function clusterName({ namespace, name }: ServiceName, release: string): string {
  return `${namespace}/${name}/${release}`;
}

/** The one listener name under which a wildcard subscription gets a service. */
export function listenerName({ namespace, name }: ServiceName): string {
  return `${name}.${namespace}`;
}
