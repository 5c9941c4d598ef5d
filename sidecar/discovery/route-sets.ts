import { DomainIndex } from '../../src/routing/domains.js';
import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import { ReferencedNames } from '../../src/xds/referenced-names.js';
import type { RouteConfigurationResource } from '../../src/xds/route.js';
import { MISSING_AFTER_MS } from './held-resources.js';

export interface RouteSetsOptions {
  /** Whether everything about a cluster is known. */
  isResolved(cluster: string): boolean;
  /** The virtual hosts of a route configuration, ready to decide. */
  compile(resource: RouteConfigurationResource): readonly VirtualHost[];
  nowMs(): number;
}

/** One version of a route configuration. */
interface Version {
  readonly resource: RouteConfigurationResource;
  /** Every cluster that it may send a request to, each once. */
  readonly clusters: readonly string[];
}

/** A route configuration on its way into force. */
interface RouteSet {
  readonly name: string;
  /** The newest accepted version. */
  pending: Version | undefined;
  pendingSinceMs: number;
  /** What it names and is not there is not waited for any longer. */
  overdue: boolean;
  /** What is in force. */
  active: Version | undefined;
  /** When something was last sent by way of it; 0: never, or it is not asked for. */
  lastUsedMs: number;
}

/**
 * Route configurations, from their arrival until they are in force: that is when every cluster that they name is
 * known, and until then the version before stays. What a change costs depends on what has changed, not on how many
 * there are.
 */
export class RouteSets {
  /** Clusters that something names which is in force or waits to be. */
  readonly clusters = new ReferencedNames();
  private readonly sets = new Map<string, RouteSet>();
  /** Names of those that have something waiting. */
  private readonly pending = new Set<string>();
  private readonly index = new DomainIndex();
  private readonly setOf = new WeakMap<VirtualHost, RouteSet>();
  private changed = false;
  private current: RoutingTable | undefined;

  constructor(private readonly options: RouteSetsOptions) {}

  /** Of what is in force. */
  get table(): RoutingTable {
    if (this.changed || this.current === undefined) this.current = this.index.table();
    this.changed = false;
    return this.current;
  }

  /** Those that are accepted and not in force yet. */
  get waiting(): string[] {
    return [...this.pending];
  }

  /** How many there are, in force or not. */
  get size(): number {
    return this.sets.size;
  }

  isActive(name: string): boolean {
    return this.sets.get(name)?.active !== undefined;
  }

  /** The newest version, in force or not. */
  newest(name: string): RouteConfigurationResource | undefined {
    const set = this.sets.get(name);
    return (set?.pending ?? set?.active)?.resource;
  }

  accept(name: string, resource: RouteConfigurationResource): void {
    const set = this.sets.get(name) ?? newRouteSet(name);
    const before = set.pending;
    set.pending = { resource, clusters: clustersOf(resource) };
    set.pendingSinceMs = this.options.nowMs();
    set.overdue = false;
    for (const cluster of set.pending.clusters) this.clusters.add(cluster);
    for (const cluster of before?.clusters ?? []) this.clusters.release(cluster);
    this.sets.set(name, set);
    this.pending.add(name);
  }

  /** Nothing refers to it any more. */
  drop(name: string): void {
    const set = this.sets.get(name);
    if (set === undefined) return;
    for (const version of [set.pending, set.active])
      for (const cluster of version?.clusters ?? []) this.clusters.release(cluster);
    this.sets.delete(name);
    this.pending.delete(name);
    this.index.drop(name);
    this.changed ||= set.active !== undefined;
  }

  /** Puts in force what has all it needs, or does not wait any longer. @returns whether the table has changed */
  activate(): boolean {
    for (const name of this.pending) {
      const set = this.sets.get(name) as RouteSet;
      const version = set.pending as Version;
      const missing = version.clusters.some((cluster) => !this.options.isResolved(cluster));
      if (missing && !set.overdue) continue;
      for (const cluster of set.active?.clusters ?? []) this.clusters.release(cluster);
      set.active = version;
      set.pending = undefined;
      this.pending.delete(name);
      this.enforce(name, set, version);
    }
    return this.changed;
  }

  /** Those that have waited for so long that they are to come into force without what they wait for. */
  overdue(nowMs: number): string[] {
    const names: string[] = [];
    for (const name of this.pending)
      if (nowMs - (this.sets.get(name) as RouteSet).pendingSinceMs >= MISSING_AFTER_MS) names.push(name);
    return names;
  }

  /** What these name and is not there, is not waited for. */
  stopWaiting(names: readonly string[]): void {
    for (const name of names) {
      const set = this.sets.get(name);
      if (set !== undefined) set.overdue = true;
    }
  }

  /** Of which a virtual host in force is, or was. */
  nameOf(host: VirtualHost): string | undefined {
    return this.setOf.get(host)?.name;
  }

  /** Something is sent by way of it. */
  noteUse(name: string): void {
    const set = this.sets.get(name);
    if (set !== undefined) set.lastUsedMs = this.options.nowMs();
  }

  lastUsedMs(name: string): number {
    return this.sets.get(name)?.lastUsedMs ?? 0;
  }

  dump(): object[] {
    return [...this.sets.values()].map(({ active, pending }) => ({
      active: active?.resource,
      pending: pending?.resource,
    }));
  }

  private enforce(name: string, set: RouteSet, { resource }: Version): void {
    const hosts = this.options.compile(resource);
    for (const host of hosts) this.setOf.set(host, set);
    this.index.put(
      name,
      hosts.map((host, i) => [resource.virtualHosts[i]?.domains ?? [], host]),
      resource.ignoresPort,
    );
    this.changed = true;
  }
}

function newRouteSet(name: string): RouteSet {
  return { name, pending: undefined, pendingSinceMs: 0, overdue: false, active: undefined, lastUsedMs: 0 };
}

function clustersOf({ virtualHosts }: RouteConfigurationResource): string[] {
  const named = virtualHosts.flatMap(({ routes, policy }) => [
    ...routes.flatMap(({ split, mirrors }) => [...split, ...mirrors].map(({ cluster }) => cluster)),
    ...(policy?.releases ?? []).map(({ cluster }) => cluster),
  ]);
  return [...new Set(named)];
}
