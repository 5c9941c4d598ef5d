import { randomBytes } from 'node:crypto';
import { compileVirtualHost } from '../../src/routing/compile.js';
import { newSessionKey, RANDOM_BYTES } from '../../src/routing/session-cookie.js';
import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { decodeCluster } from '../../src/xds/cluster.js';
import { decodeAssignment } from '../../src/xds/endpoint.js';
import { InvalidXdsError } from '../../src/xds/fields.js';
import { decodeListener, type ListenerResource } from '../../src/xds/listener.js';
import { type NameChanges, ReferencedNames } from '../../src/xds/referenced-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { decodeRouteConfiguration, type RouteConfigurationResource } from '../../src/xds/route.js';
import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { ResourceConsumer } from './ads-client.js';
import type { ReceivedResource, RefusedResource } from './response-entries.js';
import { RouteSets } from './route-sets.js';

/** Which listeners are asked for, and whether the server has said all that there is to say of them. */
export interface Demand {
  readonly isAnswered: boolean;
  start(): void;
  resume(listeners: readonly string[]): void;
  wants(listener: string): boolean;
  onListener(name: string, isThere: boolean): void;
  onResponse(refused: readonly string[]): void;
  onTable(find: (host: string) => boolean): void;
  tick(nowMs: number): void;
}

export interface MeshConfigurationOptions {
  readonly clusters: ClusterRegistry;
  readonly demand: Demand;
  /** Changes what is asked for. */
  subscribe(kind: ResourceKind, changes: NameChanges): void;
  nowMs(): number;
  readonly log: Pick<Logger, 'info'>;
}

/**
 * Turns resources into the routing table. Listeners name route configurations, those name clusters, those name
 * endpoints; a route configuration comes into force once everything that it names is here, and until then the
 * one before it stays. So no request ever meets half a change.
 */
export class MeshConfiguration implements ResourceConsumer {
  private readonly listeners = new Map<string, ListenerResource>();
  /** Names of the listeners that name or hold a route configuration. */
  private readonly holders = new Map<string, Set<string>>();
  private readonly routeNames = new ReferencedNames();
  private readonly routes: RouteSets;
  private current: RoutingTable | undefined;
  private connectedNow = false;
  private changedAtMs: number;
  /** Told when another table is in force. */
  onPublished: () => void = () => {};

  constructor(private readonly options: MeshConfigurationOptions) {
    this.changedAtMs = options.nowMs();
    this.routes = new RouteSets({
      isResolved: (cluster) => options.clusters.isResolved(cluster),
      compile: (resource) => this.compile(resource),
      nowMs: () => options.nowMs(),
    });
    options.clusters.onResolved = () => this.update();
  }

  /** Asks for what this sidecar wants. */
  start(): void {
    this.options.demand.start();
  }

  /** Before a restoration of what an earlier life of this sidecar had. @param listeners those that there were */
  resume(listeners: readonly string[]): void {
    this.options.demand.resume(listeners);
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
    return this.routes.waiting;
  }

  /** Everything that was accepted is in force. */
  get isSettled(): boolean {
    return this.current !== undefined && this.waiting.length === 0;
  }

  /** What is in force was configured this long ago, in an earlier life of this sidecar. */
  backdate(ageMs: number): void {
    this.changedAtMs = this.options.nowMs() - ageMs;
  }

  /** The resources in force, for people to look at. Secrets are left out. */
  dump(): object {
    const redact = (key: string, value: unknown) => {
      if (key === 'pinSecret') return undefined;
      return value instanceof Set ? [...value] : value;
    };
    const all = { listeners: [...this.listeners.values()], routes: this.routes.dump() };
    return JSON.parse(JSON.stringify(all, redact)) as object;
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
    if (kind === 'listener') this.options.demand.onResponse(problems.map(({ name }) => name));
    this.update();
    return problems;
  }

  /** Listeners are not asked for any more: what came by way of them goes. */
  forget(listeners: readonly string[]): void {
    for (const name of listeners) this.removeListener(name);
    this.update();
  }

  /**
   * Gives up waiting for names that the server is silent about. Called now and then.
   *
   * @returns the route configurations that do not wait any longer
   */
  checkDeadlines(nowMs: number): readonly string[] {
    this.options.demand.tick(nowMs);
    const overdue = this.routes.overdue(nowMs);
    if (overdue.length > 0) this.stopWaiting(overdue);
    return overdue;
  }

  /** Puts route configurations in force without what they name and is not there. */
  stopWaiting(routes: readonly string[]): void {
    this.routes.stopWaiting(routes);
    this.update();
  }

  /** The route configuration that a virtual host is of; undefined: of none that there is. */
  routesOf(host: VirtualHost): string | undefined {
    return this.routes.nameOf(host);
  }

  /** Something is sent by way of a route configuration. */
  noteUse(routes: string): void {
    this.routes.noteUse(routes);
  }

  /** When something was last sent by way of a listener; 0: never. */
  lastUsedMs(listener: string): number {
    const found = this.listeners.get(listener);
    return found === undefined
      ? 0
      : Math.max(0, ...routesOf(found).map((name) => this.routes.lastUsedMs(name)));
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
    if (!this.options.demand.wants(name)) return;
    const before = this.listeners.get(name);
    this.listeners.set(name, listener);
    this.options.demand.onListener(name, true);
    for (const routes of routesOf(listener)) {
      const holders = this.holders.get(routes) ?? new Set();
      this.holders.set(routes, holders.add(name));
    }
    for (const routes of listener.routeConfigNames) this.routeNames.add(routes);
    if (before !== undefined) this.letGo(name, before, listener);
    for (const resource of listener.inlineRoutes) this.routes.accept(resource.name, resource);
    if (JSON.stringify(before?.defaults) !== JSON.stringify(listener.defaults))
      this.compileAnew(listener.routeConfigNames);
  }

  private acceptRoutes(name: string, resource: RouteConfigurationResource): void {
    if (this.holders.has(name)) this.routes.accept(name, resource);
  }

  /** What a listener says for routes that say nothing else is compiled into them. */
  private compileAnew(names: readonly string[]): void {
    for (const name of names) {
      const resource = this.routes.newest(name);
      if (resource !== undefined) this.routes.accept(name, resource);
    }
  }

  /** @param now the listener that has taken the place of the one before; undefined: it is gone */
  private letGo(name: string, before: ListenerResource, now?: ListenerResource): void {
    for (const routes of before.routeConfigNames) this.routeNames.release(routes);
    const kept = now === undefined ? [] : routesOf(now);
    for (const routes of routesOf(before)) {
      if (kept.includes(routes)) continue;
      const holders = this.holders.get(routes);
      holders?.delete(name);
      if (holders === undefined || holders.size > 0) continue;
      this.holders.delete(routes);
      this.routes.drop(routes);
    }
  }

  private compile(resource: RouteConfigurationResource): readonly VirtualHost[] {
    const [holder] = this.holders.get(resource.name) ?? [];
    const options = {
      cluster: (name: string) => this.options.clusters.get(name),
      mintKey: () => newSessionKey(randomBytes(RANDOM_BYTES), Date.now() / 1000),
      listener: holder === undefined ? undefined : this.listeners.get(holder)?.defaults,
    };
    return resource.virtualHosts.map((host) => compileVirtualHost(host, options));
  }

  private remove(kind: ResourceKind, name: string): void {
    const { clusters, demand } = this.options;
    switch (kind) {
      case 'listener':
        this.removeListener(name);
        demand.onListener(name, false);
        return;
      case 'route':
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

  private removeListener(name: string): void {
    const listener = this.listeners.get(name);
    if (listener === undefined) return;
    this.listeners.delete(name);
    this.letGo(name, listener);
  }

  /** Brings subscriptions and table up to date with what has been accepted. */
  private update(): void {
    const { clusters, demand } = this.options;
    this.subscribe('route', this.routeNames.takeChanges());
    const changed = this.routes.activate();
    const named = this.routes.clusters.takeChanges();
    clusters.keep(named.added);
    const publishes = this.current === undefined ? this.isComplete() : changed;
    if (publishes) this.publish();
    // What the old table alone referred to can go now.
    clusters.letGo(named.dropped);
    if (publishes) this.subscribe('cluster', { added: [], dropped: clusters.sweep() });
    this.subscribe('cluster', named);
    this.subscribe('endpoint', clusters.takeAssignmentChanges());
    if (publishes) demand.onTable((host) => this.current?.find(host) !== undefined);
  }

  private subscribe(kind: ResourceKind, changes: NameChanges): void {
    if (changes.added.length + changes.dropped.length > 0) this.options.subscribe(kind, changes);
  }

  private isComplete(): boolean {
    if (!this.options.demand.isAnswered) return false;
    for (const name of this.routeNames.names()) if (!this.routes.isActive(name)) return false;
    return true;
  }

  private publish(): void {
    if (this.current === undefined)
      this.options.log.info({ services: this.routes.size }, 'the first configuration is in force');
    this.current = this.routes.table;
    this.changedAtMs = this.options.nowMs();
    this.onPublished();
  }
}

/** Every route configuration that a listener names or holds. */
function routesOf({ routeConfigNames, inlineRoutes }: ListenerResource): string[] {
  return [...routeConfigNames, ...inlineRoutes.map(({ name }) => name)];
}
