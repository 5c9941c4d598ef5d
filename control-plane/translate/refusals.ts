import type { MeshService } from '../../src/model/mesh-service.js';
import type { Path, Problem } from '../../src/model/problems.js';
import { decodeCluster } from '../../src/xds/cluster.js';
import { decodeAssignment } from '../../src/xds/endpoint.js';
import { InvalidXdsError } from '../../src/xds/fields.js';
import { decodeListener } from '../../src/xds/listener.js';
import { clusterName } from '../../src/xds/resource-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../src/xds/route.js';
import type { EncodedResource, TranslatedService } from './service.js';

/** What sidecars do with a resource: the same code. Each throws an {@link InvalidXdsError} with every problem. */
const DECODERS: Readonly<Record<ResourceKind, (bytes: Uint8Array) => unknown>> = {
  cluster: decodeCluster,
  endpoint: decodeAssignment,
  listener: decodeListener,
  route: decodeRouteConfiguration,
};

/**
 * Does with a service what its callers' sidecars will do with its resources, before anything is stored: whatever they
 * would refuse is a problem of the document. The schema and the cross-checks find almost everything first; what only
 * shows in the whole of a resource, such as its size, shows here.
 */
export function refusalsIn(service: MeshService, { shared, localRoutes }: TranslatedService): Problem[] {
  return [...shared, localRoutes].flatMap((resource) =>
    problemsIn(resource).map((problem) => ({
      path: pathOf(problem, resource, service),
      message: `sidecars would refuse this: ${problem}`,
    })),
  );
}

function problemsIn({ kind, bytes }: EncodedResource): readonly string[] {
  try {
    DECODERS[kind](bytes);
    return [];
  } catch (error) {
    if (error instanceof InvalidXdsError) return error.problems;
    throw error;
  }
}

/** Of a cluster's fields, the part of the document that they are made of. */
const CLUSTER_FIELDS: Readonly<Record<string, Path>> = {
  connect_timeout: ['spec', 'timeouts', 'connect'],
  outlier_detection: ['spec', 'outlier'],
  health_checks: ['spec', 'health'],
  circuit_breakers: ['spec', 'limits'],
  transport_socket: ['spec', 'tls'],
  load_balancing_policy: ['spec', 'loadBalancer'],
};

/** Where in the document it comes from, as near as that can be told. */
function pathOf(problem: string, { kind, name }: EncodedResource, service: MeshService): Path {
  const { versions } = service.spec;
  const version = versions.findIndex((each) => clusterName(service, each.name) === name);
  switch (kind) {
    case 'endpoint':
      return ['spec', 'versions', version, 'endpoints'];
    case 'cluster':
      return CLUSTER_FIELDS[/^\w*/.exec(problem)?.[0] ?? ''] ?? ['spec', 'versions', version];
    case 'route':
      return routePath(problem, service);
    default:
      return ['spec'];
  }
}

function routePath(problem: string, { spec }: MeshService): Path {
  const found = /^virtual_hosts\[0\]\.routes\[(\d+)\]/.exec(problem);
  if (found === null) return ['spec', 'routes'];
  // Each alternative of a match is a route of its own.
  const origins = spec.routes.flatMap(({ match }, i) => (match ?? [undefined]).map(() => i));
  return ['spec', 'routes', origins[Number(found[1])] ?? 0];
}
