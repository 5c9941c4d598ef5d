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

export function clusterName({ namespace, name }: ServiceName, release: string): string {
  return `${namespace}/${name}/${release}`;
}

/** The one listener name under which a wildcard subscription gets a service. */
export function listenerName({ namespace, name }: ServiceName): string {
  return `${name}.${namespace}`;
}
