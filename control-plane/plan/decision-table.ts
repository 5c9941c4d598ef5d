import { randomBytes } from 'node:crypto';
import { type MeshService, serviceKey } from '../../src/model/mesh-service.js';
import { compileVirtualHost } from '../../src/routing/compile.js';
import { type Endpoint, EndpointSet, USABLE } from '../../src/routing/endpoint-set.js';
import type { Cluster } from '../../src/routing/release.js';
import { newSessionKey, RANDOM_BYTES } from '../../src/routing/session-cookie.js';
import type { VirtualHost } from '../../src/routing/table.js';
import { type ClusterResource, decodeCluster } from '../../src/xds/cluster.js';
import { type AssignmentResource, decodeAssignment, type EndpointConfig } from '../../src/xds/endpoint.js';
import { decodeRouteConfiguration } from '../../src/xds/route.js';
import type { TranslateContext } from '../translate/policy.js';
import { type TranslatedService, translateService } from '../translate/service.js';

/**
 * A service's virtual host as a sidecar would compile it, made the way a sidecar gets it: translated to xDS,
 * decoded, compiled. Every endpoint counts as usable; a DNS name stands for whatever it resolves to.
 */
export function decisionTable(service: MeshService, context: TranslateContext): VirtualHost {
  const translated = translateService(service, context);
  const clusters = new Map(clustersOf(translated).map((cluster) => [cluster.name, cluster]));
  const [config] = decodeRouteConfiguration(translated.localRoutes.bytes).virtualHosts;
  if (config === undefined) throw new Error(`${serviceKey(service)} was translated to no virtual host`);
  return compileVirtualHost(config, {
    cluster: (name) => clusters.get(name) as Cluster,
    mintKey: () => newSessionKey(randomBytes(RANDOM_BYTES), Date.now() / 1000),
  });
}

function clustersOf({ shared }: TranslatedService): Cluster[] {
  const decoded = <T>(kind: string, decode: (bytes: Uint8Array) => T) =>
    shared.filter((r) => r.kind === kind).map((r) => decode(r.bytes));
  const assignments = new Map(
    decoded('endpoint', decodeAssignment).map((assignment) => [assignment.name, assignment]),
  );
  return decoded('cluster', decodeCluster).map((cluster) => ({
    name: cluster.name,
    endpoints: EndpointSet.of(
      endpointsOf(cluster, assignments).map(idle),
      cluster.loadBalancer,
      () => USABLE,
    ),
    unusableSinceMs: undefined,
  }));
}

function endpointsOf(
  { discovery }: ClusterResource,
  assignments: ReadonlyMap<string, AssignmentResource>,
): readonly EndpointConfig[] {
  return discovery.kind === 'eds'
    ? (assignments.get(discovery.serviceName)?.endpoints ?? [])
    : discovery.endpoints;
}

function idle(config: EndpointConfig): Endpoint {
  return { ...config, activeRequests: 0 };
}
