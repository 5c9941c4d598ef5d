import { isReservedEndpoint, withinReach } from '../../src/model/grant.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import type { VersionSpec } from '../../src/model/schema.js';
import { serviceAuthorities } from '../../src/model/service-hosts.js';
import { codec } from '../../src/xds/descriptors.js';
import { clusterName, listenerName, routeConfigurationName } from '../../src/xds/resource-names.js';
import { messageNameOf, type ResourceKind } from '../../src/xds/resource-types.js';
import { hasLiveEndpoints } from '../endpoints/live-endpoint.js';
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
    const endpoints = version.endpoints ?? liveEndpoints(service, version, context);
    if (endpoints) shared.push(encode('endpoint', name, translateAssignment(name, endpoints)));
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

/**
 * The load assignments of a service's live releases as they are now: with no endpoint rather than none at all.
 *
 * @param releases only these; absent: all
 */
export function translateLive(
  service: MeshService,
  context: TranslateContext,
  releases?: ReadonlySet<string>,
): EncodedResource[] {
  return service.spec.versions.flatMap((version) => {
    if (releases?.has(version.name) === false) return [];
    const endpoints = liveEndpoints(service, version, context);
    const name = clusterName(service, version.name);
    return endpoints ? [encode('endpoint', name, translateAssignment(name, endpoints))] : [];
  });
}

/** Undefined: the release's document says where its endpoints are. */
function liveEndpoints(service: MeshService, version: VersionSpec, context: TranslateContext) {
  if (!hasLiveEndpoints(version)) return undefined;
  const endpoints = context.endpointsOf?.(service, version.name) ?? [];
  // A tenant may write what a source follows, and an admin does not approve live addresses one by one.
  if (context.grantOf?.(service) === undefined) return endpoints;
  return endpoints.filter(({ address }) => !isReservedEndpoint(address));
}

export function encode(kind: ResourceKind, name: string, message: object): EncodedResource {
  return { kind, name, bytes: codec(messageNameOf(kind)).encode(message) };
}
