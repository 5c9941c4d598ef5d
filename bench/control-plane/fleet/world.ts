import { perKind, type ResourceConsumer } from '../../../sidecar/discovery/ads-client.js';
import { ControlPlanes } from '../../../sidecar/discovery/control-planes.js';
import { DeltaClient } from '../../../sidecar/discovery/delta-client.js';
import { WILDCARD } from '../../../sidecar/discovery/held-resources.js';
import type { ReceivedResource } from '../../../sidecar/discovery/response-entries.js';
import { INSECURE } from '../../../src/access/channel-security.js';
import type { SocketAddress } from '../../../src/model/formats.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { decodeCluster } from '../../../src/xds/cluster.js';
import { decodeListener } from '../../../src/xds/listener.js';
import { ReferencedNames } from '../../../src/xds/referenced-names.js';
import { PUSH_ORDER, type ResourceKind } from '../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../src/xds/route.js';

/** What every sidecar holds: the version of each resource, by kind and name. */
export type World = Readonly<Record<ResourceKind, ReadonlyMap<string, string>>>;

/** And nothing has come for so long. */
const QUIET_MS = 500;

/** Asks a control plane for everything, with the sidecar's own client, and returns once all that is named is here. */
export async function exploreWorld(address: SocketAddress, node: object): Promise<World> {
  const world = perKind(() => new Map<string, string>());
  const wanted = perKind(() => new ReferencedNames());
  let lastMs = performance.now();
  const consumer: ResourceConsumer = {
    onConnected() {},
    onResources(kind, resources, removed) {
      lastMs = performance.now();
      for (const resource of resources) {
        world[kind].set(resource.name, resource.version);
        for (const [next, name] of namedBy(kind, resource))
          if (!wanted[next].has(name)) wanted[next].add(name);
      }
      for (const name of removed) world[kind].delete(name);
      for (const next of PUSH_ORDER) client.subscribe(next, wanted[next].takeChanges());
      return [];
    },
  };
  const log = createLogger('fleet', 'silent');
  const client = new DeltaClient({
    controlPlanes: new ControlPlanes([{ address, security: INSECURE }]),
    node,
    consumer,
    ignoresDeletion: false,
    nowMs: () => performance.now(),
    log,
  });
  client.subscribe('listener', { added: [WILDCARD], dropped: [] });
  client.start();
  const isWhole = () =>
    world.listener.size > 0 &&
    PUSH_ORDER.every((kind) => [...wanted[kind].names()].every((name) => world[kind].has(name)));
  while (!isWhole() || performance.now() - lastMs < QUIET_MS)
    await new Promise((resolve) => setTimeout(resolve, 20));
  client.close();
  return world;
}

/** The resources that a resource names. */
function namedBy(
  kind: ResourceKind,
  { bytes }: ReceivedResource,
): (readonly [kind: ResourceKind, name: string])[] {
  switch (kind) {
    case 'listener':
      return decodeListener(bytes).routeConfigNames.map((name) => ['route', name]);
    case 'route':
      return decodeRouteConfiguration(bytes).virtualHosts.flatMap(({ routes, policy }) =>
        [...routes.flatMap(({ split }) => split), ...(policy?.releases ?? [])].map(
          ({ cluster }) => ['cluster', cluster] as const,
        ),
      );
    case 'cluster': {
      const { name, discovery } = decodeCluster(bytes);
      return discovery.kind === 'eds' ? [['endpoint', discovery.serviceName || name]] : [];
    }
    case 'endpoint':
      return [];
  }
}
