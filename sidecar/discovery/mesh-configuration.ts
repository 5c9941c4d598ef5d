import { randomBytes } from 'node:crypto';
import { compileVirtualHost } from '../../src/routing/compile.js';
import { type DomainEntry, DomainTable } from '../../src/routing/domains.js';
import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { decodeCluster } from '../../src/xds/cluster.js';
import { decodeAssignment } from '../../src/xds/endpoint.js';
import { InvalidXdsError } from '../../src/xds/fields.js';
import { decodeListener, type ListenerDefaults, type ListenerResource } from '../../src/xds/listener.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { decodeRouteConfiguration, type RouteConfigurationResource } from '../../src/xds/route.js';
import type { ClusterRegistry } from '../upstream/cluster-registry.js';
import type { ResourceConsumer } from './ads-client.js';
import { WILDCARD } from './held-resources.js';
import type { ReceivedResource, RefusedResource } from './response-entries.js';

/** How long a name that the server says nothing about is waited for (xDS: 15 s), before it counts as not there. */
const MISSING_AFTER_MS = 15_000;

export interface MeshConfigurationOptions {
  readonly clusters: ClusterRegistry;
  /** Changes what is asked for. */
  subscribe(kind: ResourceKind, names: ReadonlySet<string>): void;
  nowMs(): number;
  readonly log: Pick<Logger, 'info'>;
}

/** A route configuration on its way into force. */
interface RouteSet {
  /** The newest accepted version. */
  pending: RouteConfigurationResource | undefined;
  pendingSinceMs: number;
  /** What it names and is not there is not waited for any longer. */
  overdue: boolean;
  /** What is in force. */
  active:
    | { readonly resource: RouteConfigurationResource; readonly hosts: readonly VirtualHost[] }
    | undefined;
}

/**
 * Turns resources into the routing table. Listeners name route configurations, those name clusters, those name
 * endpoints; a route configuration comes into force once everything that it names is here, and until then the
 * one before it stays. So no request ever meets half a change.
 */
export class MeshConfiguration implements ResourceConsumer {
  private readonly listeners = new Map<string, ListenerResource>();
  private readonly routeSets = new Map<string, RouteSet>();
  private current: RoutingTable | undefined;
  private listenersSeen = false;
  private connectedNow = false;
  private changedAtMs: number;

  constructor(private readonly options: MeshConfigurationOptions) {
    this.changedAtMs = options.nowMs();
    options.clusters.onResolved = () => this.update();
  }

  /** Asks for everything that the control plane lets this sidecar see. */
  start(): void {
    this.options.subscribe('listener', new Set([WILDCARD]));
  }

  /** Undefined until the first configuration is in force. */
  get table(): RoutingTable | undefined {
    return this.current;
  }

  get connected(): boolean {
    return this.connectedNow;
  }

  /** When the table last changed, on the coarse clock. */
  get lastChangeMs(): number {
    return this.changedAtMs;
  }

  /** Route configurations that are accepted and not in force yet: something that they name is not there. */
  get waiting(): string[] {
    return [...this.routeSets].flatMap(([name, { pending }]) => (pending === undefined ? [] : [name]));
  }

  /** Everything that was accepted is in force. */
  get isSettled(): boolean {
    return (
      this.current !== undefined && [...this.routeSets.values()].every(({ pending }) => pending === undefined)
    );
  }

  /** What is in force was configured this long ago, in an earlier life of this sidecar. */
  backdate(ageMs: number): void {
    this.changedAtMs = this.options.nowMs() - ageMs;
  }

  /** The resources in force, for people to look at. Secrets are left out. */
  dump(): object {
    const routes = [...this.routeSets.values()].map(({ active, pending }) => ({
      active: active?.resource,
      pending,
    }));
    const redact = (key: string, value: unknown) => {
      if (key === 'pinSecret') return undefined;
      return value instanceof Set ? [...value] : value;
    };
    return JSON.parse(JSON.stringify({ listeners: [...this.listeners.values()], routes }, redact)) as object;
  }

  onConnected(connected: boolean): void {
    this.connectedNow = connected;
  }

  onResources(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): readonly RefusedResource[] {
    const problems: RefusedResource[] = [];
    for (const resource of resources) {
      try {
        this.accept(kind, resource);
      } catch (error) {
        const name = error instanceof InvalidXdsError ? error.resourceName || resource.name : resource.name;
        problems.push({ name, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    for (const name of removed) this.remove(kind, name);
    if (kind === 'listener') this.listenersSeen = true;
    this.update();
    return problems;
  }

  /** Route configurations that have waited for longer than anything is waited for. */
  overdue(nowMs: number): string[] {
    const names: string[] = [];
    for (const [name, { pending, pendingSinceMs, overdue }] of this.routeSets) {
      if (pending !== undefined && !overdue && nowMs - pendingSinceMs >= MISSING_AFTER_MS) names.push(name);
    }
    return names;
  }

  /** Puts route configurations in force without what they name and is not there: the server is silent about it. */
  stopWaiting(routes: readonly string[]): void {
    for (const name of routes) {
      const set = this.routeSets.get(name);
      if (set !== undefined) set.overdue = true;
    }
    this.update();
  }

  private accept(kind: ResourceKind, { name, bytes }: ReceivedResource): void {
    const { clusters } = this.options;
    switch (kind) {
      case 'listener':
        this.acceptListener(name, decodeListener(bytes));
        return;
      case 'route':
        this.acceptRoutes(name, decodeRouteConfiguration(bytes));
        return;
      case 'cluster':
        clusters.configure(decodeCluster(bytes));
        return;
      case 'endpoint':
        clusters.assign(decodeAssignment(bytes));
    }
  }

  private acceptListener(name: string, listener: ListenerResource): void {
    const before = this.listeners.get(name);
    this.listeners.set(name, listener);
    if (JSON.stringify(before?.defaults) === JSON.stringify(listener.defaults)) return;
    // Its routes are compiled with it.
    for (const routes of listener.routeConfigNames) {
      const resource = this.routeSets.get(routes)?.active?.resource;
      if (resource !== undefined) this.acceptRoutes(routes, resource);
    }
  }

  /** What the listener of a route configuration says for routes that say nothing else. */
  private defaultsFor({ name }: RouteConfigurationResource): ListenerDefaults | undefined {
    for (const { routeConfigNames, inlineRoutes, defaults } of this.listeners.values()) {
      if (routeConfigNames.includes(name) || inlineRoutes.some((routes) => routes.name === name))
        return defaults;
    }
    return undefined;
  }

  private acceptRoutes(name: string, resource: RouteConfigurationResource): void {
    const { active } = this.routeSets.get(name) ?? { active: undefined };
    const pendingSinceMs = this.options.nowMs();
    this.routeSets.set(name, { pending: resource, pendingSinceMs, overdue: false, active });
  }

  private remove(kind: ResourceKind, name: string): void {
    const { clusters } = this.options;
    switch (kind) {
      case 'listener':
        this.listeners.delete(name);
        return;
      case 'route':
        this.routeSets.delete(name);
        // Subscribed and not there: nothing to wait for.
        this.acceptRoutes(name, { name, virtualHosts: [], ignoresPort: false });
        return;
      case 'cluster':
        clusters.remove(name);
        return;
      case 'endpoint':
        clusters.removeAssignment(name);
    }
  }

  /** Brings subscriptions and table up to date with what has been accepted. */
  private update(): void {
    this.takeInlineRoutes();
    const routeNames = new Set(
      [...this.listeners.values()].flatMap(({ routeConfigNames }) => routeConfigNames),
    );
    const inline = new Set(
      [...this.listeners.values()].flatMap(({ inlineRoutes }) => inlineRoutes.map(({ name }) => name)),
    );
    const dropped = [...this.routeSets.keys()].filter((name) => !routeNames.has(name) && !inline.has(name));
    for (const name of dropped) this.routeSets.delete(name);
    this.options.subscribe('route', routeNames);
    this.options.subscribe('cluster', this.clusterNames());
    this.options.subscribe('endpoint', this.options.clusters.assignmentNames());
    const activated = this.activate();
    const complete =
      this.listenersSeen && [...routeNames].every((name) => this.routeSets.get(name)?.active !== undefined);
    if (this.current === undefined ? complete : activated || dropped.length > 0) this.publish();
  }

  private takeInlineRoutes(): void {
    for (const { inlineRoutes } of this.listeners.values()) {
      for (const resource of inlineRoutes) {
        const known = this.routeSets.get(resource.name);
        if (known?.pending !== resource && known?.active?.resource !== resource)
          this.acceptRoutes(resource.name, resource);
      }
    }
  }

  private clusterNames(): Set<string> {
    const sets = [...this.routeSets.values()];
    return new Set(
      sets.flatMap(({ pending, active }) => [...clustersOf(pending), ...clustersOf(active?.resource)]),
    );
  }

  /** Puts every route configuration in force that has all it needs. @returns whether there was one */
  private activate(): boolean {
    const { clusters } = this.options;
    let any = false;
    for (const set of this.routeSets.values()) {
      const { pending } = set;
      if (pending === undefined) continue;
      const missing = clustersOf(pending).some((name) => !clusters.isResolved(name));
      if (missing && !set.overdue) continue;
      const options = {
        cluster: (name: string) => clusters.get(name),
        mintKey: () => randomBytes(16).toString('base64url'),
        listener: this.defaultsFor(pending),
      };
      set.active = {
        resource: pending,
        hosts: pending.virtualHosts.map((host) => compileVirtualHost(host, options)),
      };
      set.pending = undefined;
      any = true;
    }
    return any;
  }

  private publish(): void {
    const first = this.current === undefined;
    const active = [...this.routeSets.values()].flatMap((set) => set.active ?? []);
    const entries = (ignoringPort: boolean) =>
      active.flatMap(({ resource, hosts }) =>
        resource.ignoresPort === ignoringPort
          ? hosts.map((host, i): DomainEntry => [resource.virtualHosts[i]?.domains ?? [], host])
          : [],
      );
    this.current = new DomainTable(entries(false), entries(true));
    this.changedAtMs = this.options.nowMs();
    // What the old table alone referred to can go now.
    this.options.clusters.keepOnly(this.clusterNames());
    if (first) this.options.log.info({ services: active.length }, 'the first configuration is in force');
  }
}

/** Every cluster that a route configuration may send a request to. */
function clustersOf(resource: RouteConfigurationResource | undefined): string[] {
  return (resource?.virtualHosts ?? []).flatMap(({ routes, policy }) => [
    ...routes.flatMap(({ split, mirrors }) => [...split, ...mirrors].map(({ cluster }) => cluster)),
    ...(policy?.releases ?? []).map(({ cluster }) => cluster),
  ]);
}
