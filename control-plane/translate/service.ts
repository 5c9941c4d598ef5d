import { withinReach } from '../../src/model/grant.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import { serviceAuthorities } from '../../src/model/service-hosts.js';
import { codec } from '../../src/xds/descriptors.js';
import { clusterName, listenerName, routeConfigurationName } from '../../src/xds/resource-names.js';
import { messageNameOf, type ResourceKind } from '../../src/xds/resource-types.js';
import { translateCluster } from './cluster.js';
import { translateAssignment } from './endpoint.js';
import { listenerMark, translateListener } from './listener.js';
import type { TranslateContext } from './policy.js';
import { encodeRouteConfiguration, translateRoutes } from './route.js';

/** One resource, encoded. */
export interface EncodedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly bytes: Buffer;
}

/** Everything that one service becomes. */
export interface TranslatedService {
  /** Of its listeners, whatever their name. */
  readonly listenerMark: string;
  /** The same for every client. */
  readonly shared: readonly EncodedResource[];
  /** The route configuration for callers of the service's own namespace, who may use its bare name. */
  readonly localRoutes: EncodedResource;
  /** The route configuration for everybody else. */
  readonly foreignRoutes: EncodedResource;
  /** The route configuration for callers who use these domains. */
  routesFor(domains: readonly string[]): EncodedResource;
}

/** Translates one service; depends on nothing but its arguments. */
export function translateService(service: MeshService, context: TranslateContext): TranslatedService {
  const mark = listenerMark(service, context);
  const own = listenerName(service);
  const shared: EncodedResource[] = [encode('listener', own, translateListener(own, service, mark))];
  for (const declared of service.spec.versions) {
    const version = withinReach(declared, context.grantOf?.(service));
    const name = clusterName(service, version.name);
    shared.push(encode('cluster', name, translateCluster(name, service, version, context)));
    if (version.endpoints)
      shared.push(encode('endpoint', name, translateAssignment(name, version.endpoints)));
  }
  const name = routeConfigurationName(service);
  const routes = translateRoutes(service, context);
  const routesFor = (domains: readonly string[]): EncodedResource => ({
    kind: 'route',
    name,
    bytes: encodeRouteConfiguration(name, domains, routes),
  });
  return {
    listenerMark: mark,
    shared,
    get localRoutes() {
      return routesFor(serviceAuthorities(service, service.namespace));
    },
    // No namespace has an empty name.
    get foreignRoutes() {
      return routesFor(serviceAuthorities(service, ''));
    },
    routesFor,
  };
}

export function encode(kind: ResourceKind, name: string, message: object): EncodedResource {
  return { kind, name, bytes: codec(messageNameOf(kind)).encode(message) };
}
