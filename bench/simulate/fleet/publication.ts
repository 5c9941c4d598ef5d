import { type TranslatedService, translateService } from '../../../control-plane/translate/service.js';
import { SharedAffinities } from '../../../sidecar/session/sharing/shared-affinities.js';
import { compileVirtualHost } from '../../../src/routing/compile.js';
import { DomainTable } from '../../../src/routing/domains.js';
import type { Cluster } from '../../../src/routing/release.js';
import type { RoutingTable } from '../../../src/routing/table.js';
import type { ResourceKind } from '../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../src/xds/route.js';
import { type Numbers, type ReadService, readService } from '../oracle/reading.js';
import type { Pods } from '../world/pods.js';
import type { ServiceWorld } from '../world/service-world.js';
import { ClusterVersion, withDraining } from './cluster-version.js';

/** What publishing needs from the fleet: clusters by name, which read the sidecar that is deciding. */
export interface PublishContext {
  readonly pinSecret: Buffer;
  readonly pods: Pods;
  cluster(service: number, name: string): Cluster;
  /** Number of a cluster among its service's. */
  slotOf(service: number, name: string): number;
  mintKey(): string;
  /** Numbers things that are told apart by number. */
  nextId(): number;
}

/** Routes of one service in force at a sidecar: compiled, and as the oracle reads the document they come from. */
export interface RoutesVersion {
  readonly table: RoutingTable;
  readonly read: ReadService;
  readonly shared: SharedAffinities;
  /** Number of each release's cluster, by the release's name. */
  readonly slots: ReadonlyMap<string, number>;
}

/** One revision of a service on its way to the sidecars: translated once, decoded and compiled once. */
export interface Publication {
  readonly revision: number;
  /** For callers of the service's namespace, and for others. */
  readonly local: RoutesVersion;
  readonly foreign: RoutesVersion;
  /** By cluster slot. */
  readonly clusters: ReadonlyMap<number, ClusterVersion>;
}

/** Publishes one service's revisions, keeping what did not change between two of them. */
export class Publisher {
  private readonly clusters = new Map<string, { readonly bytes: Buffer; readonly version: ClusterVersion }>();
  private routes: (Pick<Publication, 'local' | 'foreign'> & { readonly bytes: Buffer }) | undefined;

  constructor(
    private readonly world: ServiceWorld,
    private readonly context: PublishContext,
    private readonly numbers: Numbers,
  ) {}

  publish(): Publication {
    const { world, context } = this;
    const translated = translateService(world.service, {
      pinSecret: context.pinSecret,
      incarnation: (_, release) => world.incarnation(release),
    });
    const { index } = world.traits;
    const names = bytesByName(translated, 'cluster');
    const assignments = bytesByName(translated, 'endpoint');
    const clusters = new Map(
      [...names].map(([name, bytes]) => [
        context.slotOf(index, name),
        this.clusterVersion(name, bytes, assignments.get(name) ?? Buffer.alloc(0)),
      ]),
    );
    const { local, foreign } = this.routesOf(translated);
    return { revision: world.revision, clusters, local, foreign };
  }

  private routesOf({ localRoutes, foreignRoutes }: TranslatedService) {
    if (this.routes?.bytes.equals(localRoutes.bytes)) return this.routes;
    const read = readService(this.world, this.numbers);
    this.routes = {
      bytes: localRoutes.bytes,
      local: this.routesVersion(localRoutes.bytes, read),
      foreign: this.routesVersion(foreignRoutes.bytes, read),
    };
    return this.routes;
  }

  private clusterVersion(name: string, cluster: Buffer, assignment: Buffer): ClusterVersion {
    const withStatus = withDraining(assignment, this.world.draining);
    const bytes = Buffer.concat([cluster, withStatus]);
    const known = this.clusters.get(name);
    if (known?.bytes.equals(bytes)) return known.version;
    const version = new ClusterVersion(cluster, withStatus, this.context.pods, this.context.nextId);
    this.clusters.set(name, { bytes, version });
    return version;
  }

  private routesVersion(bytes: Buffer, read: ReadService): RoutesVersion {
    const { context } = this;
    const { index } = this.world.traits;
    const config = decodeRouteConfiguration(bytes);
    const [host] = config.virtualHosts;
    if (host === undefined) throw new Error(`${config.name} has no virtual host`);
    const slots = new Map(
      (host.policy?.releases ?? []).map(({ name, cluster }) => [name, context.slotOf(index, cluster)]),
    );
    const compiled = compileVirtualHost(host, {
      cluster: (name) => context.cluster(index, name),
      mintKey: context.mintKey,
    });
    const table = DomainTable.of([[host.domains, compiled]]);
    return {
      table,
      shared: new SharedAffinities(() => table),
      read,
      slots,
    };
  }
}

function bytesByName({ shared }: TranslatedService, kind: ResourceKind): Map<string, Buffer> {
  return new Map(shared.filter((each) => each.kind === kind).map(({ name, bytes }) => [name, bytes]));
}
