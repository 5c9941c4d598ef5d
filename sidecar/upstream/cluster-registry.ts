import type { Cluster } from '../../src/routing/table.js';
import type { ClusterResource, DiscoveryConfig } from '../../src/xds/cluster.js';
import type { AssignmentResource, EndpointConfig } from '../../src/xds/endpoint.js';
import type { DnsConfig } from './dns-refresher.js';
import type { HealthChecker } from './health-checker.js';
import type { LiveCluster } from './live-cluster.js';

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
}

/** Every cluster by name, with where its endpoints come from. */
export class ClusterRegistry {
  private readonly entries = new Map<string, Entry>();
  /** Assignments that arrived, by their own name. */
  private readonly assignments = new Map<string, AssignmentResource>();
  /** Called when a cluster has become resolved outside of a response: a DNS name has been looked up. */
  onResolved: () => void = () => {};

  constructor(
    private readonly newCluster: (name: string) => LiveCluster,
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
    entry.discovery = discovery;
    entry.live.configure(config);
    if (unchanged) return;
    entry.dns?.close();
    entry.dns = undefined;
    if (discovery.kind === 'static') {
      entry.live.setEndpoints(discovery.endpoints);
      entry.assigned = true;
    } else if (discovery.kind === 'eds') {
      const known = this.assignments.get(discovery.serviceName);
      entry.assigned = known !== undefined;
      if (known !== undefined) entry.live.setEndpoints(known.endpoints);
    } else {
      entry.assigned = false;
      const take = (found: readonly EndpointConfig[]) => {
        entry.live.setEndpoints(found);
        if (entry.assigned) return;
        entry.assigned = true;
        this.onResolved();
      };
      entry.dns = this.followNames(config.name, discovery, take);
    }
  }

  assign(assignment: AssignmentResource): void {
    this.assignments.set(assignment.name, assignment);
    for (const entry of this.entries.values()) {
      if (entry.discovery?.kind !== 'eds' || entry.discovery.serviceName !== assignment.name) continue;
      entry.live.setEndpoints(assignment.endpoints);
      entry.assigned = true;
    }
  }

  /**
   * The server says that there is no such cluster. One that requests still go to stays as it is until the table
   * refers to it no more: the routes that drop it may only be on their way.
   */
  remove(name: string): void {
    const entry = this.entry(name);
    entry.configured = true;
    if (entry.discovery === undefined) entry.assigned = true;
  }

  /** The server says that there are no such endpoints; those of a cluster in use stay, for the same reason. */
  removeAssignment(name: string): void {
    for (const entry of this.entries.values()) {
      if (entry.discovery?.kind === 'eds' && entry.discovery.serviceName === name) entry.assigned = true;
    }
  }

  /** Assignments that the clusters need. */
  assignmentNames(): Set<string> {
    const names = [...this.entries.values()].flatMap(({ discovery }) =>
      discovery?.kind === 'eds' ? [discovery.serviceName] : [],
    );
    return new Set(names);
  }

  /** Lets go of every other cluster. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const [name, entry] of this.entries) {
      if (names.has(name)) continue;
      entry.dns?.close();
      entry.live.retire();
      this.entries.delete(name);
    }
    const needed = this.assignmentNames();
    for (const name of this.assignments.keys()) if (!needed.has(name)) this.assignments.delete(name);
  }

  /**
   * What time alone brings about. Called on the coarse clock's tick.
   *
   * @param checker in the thread that checks
   */
  tick(nowMs: number, checker?: HealthChecker): void {
    for (const { live } of this.entries.values()) {
      for (const endpoint of live.upstreams) endpoint.tick(nowMs);
      live.tick(nowMs);
      checker?.tick(live, nowMs);
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
    const live = this.newCluster(name);
    const made: Entry = { live, discovery: undefined, dns: undefined, configured: false, assigned: false };
    this.entries.set(name, made);
    return made;
  }
}
