import type { Cluster } from '../../src/routing/release.js';
import type { ClusterResource, DiscoveryConfig } from '../../src/xds/cluster.js';
import type { AssignmentResource, EndpointConfig } from '../../src/xds/endpoint.js';
import { type NameChanges, ReferencedNames } from '../../src/xds/referenced-names.js';
import type { DnsConfig } from './dns-refresher.js';
import type { HealthChecker } from './health-checker.js';
import type { LiveCluster } from './live-cluster.js';

/** Makes a cluster. @param onAwake time brings something about for it from now on, until it is at rest */
export type NewCluster = (name: string, onAwake: (cluster: LiveCluster) => void) => LiveCluster;

/** Follows what a cluster's names resolve to, and says so whenever it is something else; never before it returns. */
export type FollowNames = (
  cluster: string,
  config: DnsConfig,
  onEndpoints: (found: readonly EndpointConfig[]) => void,
) => { close(): void };

interface Entry {
  readonly live: LiveCluster;
  discovery: DiscoveryConfig | undefined;
  dns: { close(): void } | undefined;
  /** The cluster's configuration has come, or the server has said that there is none. */
  configured: boolean;
  /** The endpoints have come. */
  assigned: boolean;
  /** Something that is in force, or waits to be, names it. */
  claimed: boolean;
}

/** Every cluster by name, with where its endpoints come from. */
export class ClusterRegistry {
  private readonly entries = new Map<string, Entry>();
  /** Clusters that take their endpoints from an assignment, by its name. */
  private readonly users = new Map<string, Set<Entry>>();
  private readonly assignmentNames = new ReferencedNames();
  /** Assignments that arrived, by their own name. */
  private readonly assignments = new Map<string, AssignmentResource>();
  /** What arrived and nobody has named: clusters, and assignments. */
  private readonly stray = { clusters: new Set<string>(), assignments: new Set<string>() };
  /** Clusters for which time brings something about; the others are at rest, and in a large mesh nearly all are. */
  private readonly awake = new Set<LiveCluster>();
  /** Called when a cluster has become resolved outside of a response: a DNS name has been looked up. */
  onResolved: () => void = () => {};

  constructor(
    private readonly newCluster: NewCluster,
    private readonly followNames: FollowNames,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  get endpointCount(): number {
    let count = 0;
    for (const { live } of this.entries.values()) count += live.endpoints.endpoints.length;
    return count;
  }

  /** Every cluster by name, with what it has in hand and what it has refused. */
  get clusters(): LiveCluster[] {
    return [...this.entries.values()].map(({ live }) => live);
  }

  /** The cluster of a name, where there is one. */
  find(name: string): LiveCluster | undefined {
    return this.entries.get(name)?.live;
  }

  /** The cluster of a name, known yet or not: one object for as long as anything refers to it. */
  get(name: string): Cluster {
    return this.entry(name).live;
  }

  /** Everything about the cluster is known: it can take requests, or it is known that it cannot. */
  isResolved(name: string): boolean {
    const entry = this.entries.get(name);
    return entry?.configured === true && entry.assigned;
  }

  configure(config: ClusterResource): void {
    const entry = this.entry(config.name);
    const { discovery } = config;
    const unchanged = JSON.stringify(discovery) === JSON.stringify(entry.discovery);
    entry.configured = true;
    entry.live.configure(config);
    if (!entry.claimed) this.stray.clusters.add(config.name);
    if (unchanged) return;
    this.stopDiscovery(entry);
    entry.discovery = discovery;
    this.startDiscovery(config.name, entry, discovery);
  }

  assign(assignment: AssignmentResource): void {
    const { name, endpoints } = assignment;
    this.assignments.set(name, assignment);
    const users = this.users.get(name);
    if (users === undefined) this.stray.assignments.add(name);
    for (const entry of users ?? []) {
      entry.live.setEndpoints(endpoints);
      entry.assigned = true;
    }
  }

  /**
   * The server says that there is no such cluster. One that requests still go to stays as it is until the table
   * refers to it no more: the routes that drop it may only be on their way. Of one that nothing names any more nothing
   * is kept: whoever names it later asks anew.
   */
  remove(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    entry.configured = true;
    if (entry.discovery === undefined) entry.assigned = true;
  }

  /** The server says that there are no such endpoints; those of a cluster in use stay, for the same reason. */
  removeAssignment(name: string): void {
    for (const entry of this.users.get(name) ?? []) entry.assigned = true;
  }

  /** How the assignments that the clusters need have changed since this was last asked. */
  takeAssignmentChanges(): NameChanges {
    const changes = this.assignmentNames.takeChanges();
    for (const name of changes.dropped) this.assignments.delete(name);
    return changes;
  }

  /** Something names these clusters now. */
  keep(names: readonly string[]): void {
    for (const name of names) {
      this.entry(name).claimed = true;
      this.stray.clusters.delete(name);
    }
  }

  /** Nothing names these clusters any more. */
  letGo(names: readonly string[]): void {
    for (const name of names) {
      const entry = this.entries.get(name);
      if (entry === undefined) continue;
      this.stopDiscovery(entry);
      entry.live.retire();
      this.awake.delete(entry.live);
      this.entries.delete(name);
    }
  }

  /** Lets go of what arrived and nobody has named since. @returns the clusters among it */
  sweep(): readonly string[] {
    const clusters = [...this.stray.clusters];
    this.letGo(clusters);
    for (const name of this.stray.assignments) if (!this.users.has(name)) this.assignments.delete(name);
    this.stray.clusters.clear();
    this.stray.assignments.clear();
    return clusters;
  }

  /**
   * What time alone brings about. Called on the coarse clock's tick.
   *
   * @param checker in the thread that checks
   */
  tick(nowMs: number, checker?: HealthChecker): void {
    for (const live of this.awake) {
      for (const endpoint of live.upstreams) endpoint.tick(nowMs);
      live.tick(nowMs);
      checker?.tick(live, nowMs);
      if (live.isAtRest) this.awake.delete(live);
    }
  }

  /** Stops looking for endpoints and closes idle connections; those in use go with their exchanges. */
  close(): void {
    for (const { dns, live } of this.entries.values()) {
      dns?.close();
      live.retire();
    }
  }

  private entry(name: string): Entry {
    const known = this.entries.get(name);
    if (known) return known;
    const live = this.newCluster(name, (cluster) => this.awake.add(cluster));
    const made = { live, discovery: undefined, dns: undefined, configured: false, assigned: false };
    const entry: Entry = { ...made, claimed: false };
    this.entries.set(name, entry);
    return entry;
  }

  private startDiscovery(name: string, entry: Entry, discovery: DiscoveryConfig): void {
    if (discovery.kind === 'static') {
      entry.live.setEndpoints(discovery.endpoints);
      entry.assigned = true;
    } else if (discovery.kind === 'eds') this.useAssignment(entry, discovery.serviceName);
    else this.useNames(name, entry, discovery);
  }

  private stopDiscovery(entry: Entry): void {
    entry.dns?.close();
    entry.dns = undefined;
    if (entry.discovery?.kind !== 'eds') return;
    const { serviceName } = entry.discovery;
    const users = this.users.get(serviceName);
    users?.delete(entry);
    if (users?.size === 0) this.users.delete(serviceName);
    this.assignmentNames.release(serviceName);
  }

  private useAssignment(entry: Entry, name: string): void {
    this.users.set(name, (this.users.get(name) ?? new Set()).add(entry));
    this.assignmentNames.add(name);
    const known = this.assignments.get(name);
    entry.assigned = known !== undefined;
    if (known !== undefined) entry.live.setEndpoints(known.endpoints);
  }

  private useNames(name: string, entry: Entry, discovery: DnsConfig): void {
    entry.assigned = false;
    const take = (found: readonly EndpointConfig[]) => {
      entry.live.setEndpoints(found);
      if (entry.assigned) return;
      entry.assigned = true;
      this.onResolved();
    };
    entry.dns = this.followNames(name, discovery, take);
  }
}
