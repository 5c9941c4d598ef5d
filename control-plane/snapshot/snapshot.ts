import { type MeshService, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import { serviceAuthorities, withPort } from '../../src/model/service-hosts.js';
import { OUTBOUND_ROUTES, routeConfigurationName } from '../../src/xds/resource-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { ChangedReleases } from '../endpoints/live-endpoints.js';
import { translateListener } from '../translate/listener.js';
import type { TranslateContext } from '../translate/policy.js';
import { encode } from '../translate/service.js';
import { type ChangedNames, type MutableChangedNames, noChanges } from './changed-names.js';
import { HostIndex } from './host-index.js';
import { mergeRoutes, type SnapshotResource, snapshotResource, versionOfAll } from './resource.js';
import {
  collectChanges,
  makeResources,
  type ServiceResources,
  withLiveEndpoints,
} from './service-resources.js';

/** A cluster or load assignment that the configuration has dropped and that is still served. */
interface Lingering {
  readonly kind: 'cluster' | 'endpoint';
  readonly resource: SnapshotResource;
  readonly sinceMs: number;
}

/**
 * Everything that the control plane serves, at one revision. A change of configuration replaces what the changed
 * services contribute, all in one step: between two steps every reader sees one whole, consistent snapshot.
 *
 * Clusters and load assignments that the configuration drops stay until {@link forget}: a client must have its
 * new routes before it loses what the old ones lead to, and some clients never take back a name that they saw
 * removed a moment ago.
 */
export class Snapshot {
  private currentRevision = 0;
  private currentSequence = 0;
  /** By kind and name. */
  private readonly lingering = new Map<string, Lingering>();
  private readonly services = new Map<ServiceKey, ServiceResources>();
  private readonly byName = {
    cluster: new Map<string, SnapshotResource>(),
    endpoint: new Map<string, SnapshotResource>(),
  };
  private readonly serviceByRoutes = new Map<string, ServiceResources>();
  private readonly hosts = new HostIndex();
  /** Listeners under other names than their first, made on demand; bounded by the hosts that exist. */
  private readonly aliases = new Map<string, SnapshotResource>();
  /** Per kind and view, thrown away by every change. */
  private readonly lists = new Map<string, readonly SnapshotResource[]>();
  private readonly typeVersions = new Map<string, string>();
  /** By namespace; thrown away by every change as well. */
  private readonly outbound = new Map<string, SnapshotResource>();

  /** @param resourcesOf what a service becomes */
  constructor(private readonly resourcesOf: typeof makeResources = makeResources) {}

  /** Revision of the configuration that this is made from. */
  get revision(): number {
    return this.currentRevision;
  }

  /** Counts every change of what is served; there are more of them than revisions. */
  get sequence(): number {
    return this.currentSequence;
  }

  /** When the longest lingering resource was dropped; undefined where nothing lingers. */
  get lingeringSinceMs(): number | undefined {
    const [oldest] = this.lingering.values();
    return oldest?.sinceMs;
  }

  /**
   * Moves to a revision.
   *
   * @param changed the services that differ; `undefined`: the service is gone
   * @returns the resources that differ
   */
  update(
    revision: number,
    changed: ReadonlyMap<ServiceKey, MeshService | undefined>,
    context: TranslateContext,
    nowMs: number,
  ): ChangedNames {
    const names = noChanges();
    // Translated first: if one cannot be, nothing has happened yet.
    const translated = [...changed].map(
      ([key, service]) =>
        [key, service && withLiveEndpoints(this.resourcesOf(service, context), context)] as const,
    );
    const replaced: ServiceResources[] = [];
    for (const [key, after] of translated) {
      const before = this.services.get(key);
      if (before) replaced.push(before);
      if (before) this.remove(before);
      // A service that is replaced keeps its place, which is where its hosts are in lists of all.
      if (after) this.add(key, after);
      else this.services.delete(key);
      collectChanges(before, after, names);
      this.keepDropped(before, nowMs);
    }
    const current = translated.flatMap(([, after]) => after ?? []);
    for (const { service } of [...replaced, ...current]) this.collectRivals(service, names);
    for (const { kind, resource } of this.lingering.values()) names[kind].delete(resource.name);
    if (names.route.size > 0) names.alias.add(OUTBOUND_ROUTES);
    this.currentRevision = revision;
    this.changed();
    return names;
  }

  /**
   * Takes over live endpoints that have changed. The revision stays: the configuration is the same.
   *
   * @param changed releases of which they may have; those that are not served are passed over
   * @returns the load assignments that differ
   */
  updateEndpoints(changed: ChangedReleases, context: TranslateContext): ChangedNames {
    const names = noChanges();
    for (const [key, releases] of changed) {
      const before = this.services.get(key);
      const after = before && withLiveEndpoints(before, context, releases);
      if (after === undefined || after === before) continue;
      this.services.set(key, after);
      this.serviceByRoutes.set(after.routesName, after);
      for (const resource of after.shared.get('endpoint') ?? []) {
        if (this.byName.endpoint.get(resource.name) === resource) continue;
        this.byName.endpoint.set(resource.name, resource);
        names.endpoint.add(resource.name);
      }
    }
    if (names.endpoint.size > 0) this.endpointsChanged();
    return names;
  }

  /** Stops serving what was dropped at this time or before. @returns its names */
  forget(droppedUntilMs: number): ChangedNames {
    const names = noChanges();
    for (const [key, { kind, resource, sinceMs }] of this.lingering) {
      if (sinceMs > droppedUntilMs) continue;
      this.lingering.delete(key);
      this.byName[kind].delete(resource.name);
      names[kind].add(resource.name);
    }
    if (names.cluster.size + names.endpoint.size > 0) this.changed();
    return names;
  }

  /** One resource as a caller of a namespace may see it. */
  get(kind: ResourceKind, name: string, namespace: string): SnapshotResource | undefined {
    switch (kind) {
      case 'cluster':
      case 'endpoint':
        return this.byName[kind].get(name);
      case 'route': {
        if (name === OUTBOUND_ROUTES) return this.outboundRoutes(namespace);
        const resources = this.serviceByRoutes.get(name);
        return resources && this.routesOf(resources, namespace);
      }
      case 'listener':
        return this.listener(name, namespace);
    }
  }

  /** Everything of one kind, for a wildcard subscription: each listener once, under its service's own name. */
  list(kind: ResourceKind, namespace: string): readonly SnapshotResource[] {
    const cacheKey = viewKey(kind, namespace);
    let list = this.lists.get(cacheKey);
    if (list === undefined) {
      const all = [...this.services.values()];
      list =
        kind === 'route'
          ? all.map((resources) => this.routesOf(resources, namespace))
          : [...all.flatMap(({ shared }) => shared.get(kind) ?? []), ...this.lingeringOf(kind)];
      this.lists.set(cacheKey, list);
    }
    return list;
  }

  /** The routes of a service as a caller of a namespace sees them: with the hosts that lead it there. */
  private routesOf(resources: ServiceResources, namespace: string): SnapshotResource {
    return resources.routesFor(this.hosts.hostsOf(resources.service, namespace));
  }

  /** The virtual hosts of every service in one route configuration; made where a client asks for it. */
  private outboundRoutes(namespace: string): SnapshotResource {
    let routes = this.outbound.get(namespace);
    if (routes === undefined) {
      routes = mergeRoutes(OUTBOUND_ROUTES, this.list('route', namespace));
      this.outbound.set(namespace, routes);
    }
    return routes;
  }

  /** Version of everything of one kind, for state-of-the-world responses: a digest of the resources' versions. */
  typeVersion(kind: ResourceKind, namespace: string): string {
    const cacheKey = viewKey(kind, namespace);
    let version = this.typeVersions.get(cacheKey);
    if (version === undefined) {
      version = versionOfAll(this.list(kind, namespace));
      this.typeVersions.set(cacheKey, version);
    }
    return version;
  }

  private changed(): void {
    this.lists.clear();
    this.typeVersions.clear();
    this.outbound.clear();
    this.currentSequence++;
  }

  /** What is derived of other kinds stays: it is large, and endpoints change often. */
  private endpointsChanged(): void {
    const view = viewKey('endpoint', '');
    this.lists.delete(view);
    this.typeVersions.delete(view);
    this.currentSequence++;
  }

  /** Services that list a host of one that has come, changed or gone: it may lead elsewhere than before. */
  private collectRivals(service: MeshService, names: MutableChangedNames): void {
    for (const rival of this.hosts.rivalsOf(service)) {
      names.route.add(routeConfigurationName(rival));
      for (const host of rival.spec.hosts) for (const name of withPort(rival, host)) names.alias.add(name);
    }
  }

  private keepDropped(before: ServiceResources | undefined, sinceMs: number): void {
    for (const kind of ['cluster', 'endpoint'] as const) {
      for (const resource of before?.shared.get(kind) ?? []) {
        if (this.byName[kind].has(resource.name)) continue;
        this.byName[kind].set(resource.name, resource);
        this.lingering.set(lingeringKey(kind, resource.name), { kind, resource, sinceMs });
      }
    }
  }

  /** A listener by any name that callers use for a service: its own, or one of the hosts, with the port or without. */
  private listener(name: string, namespace: string): SnapshotResource | undefined {
    const host = name.replace(/:\d+$/, '');
    const owner = this.hosts.ownerOf(host, namespace);
    const found = owner && this.services.get(owner);
    if (found === undefined || !withPort(found.service, host).includes(name)) return undefined;
    const own = found.shared.get('listener')?.[0];
    if (own?.name === name) return own;
    const cacheKey = aliasKey(name, found);
    let alias = this.aliases.get(cacheKey);
    if (alias === undefined) {
      alias = snapshotResource(
        encode('listener', name, translateListener(name, found.service, found.listenerMark)),
      );
      this.aliases.set(cacheKey, alias);
    }
    return alias;
  }

  private lingeringOf(kind: ResourceKind): SnapshotResource[] {
    return [...this.lingering.values()]
      .filter((entry) => entry.kind === kind)
      .map(({ resource }) => resource);
  }

  private add(key: ServiceKey, resources: ServiceResources): void {
    this.services.set(key, resources);
    for (const kind of ['cluster', 'endpoint'] as const) {
      for (const resource of resources.shared.get(kind) ?? []) {
        this.byName[kind].set(resource.name, resource);
        this.lingering.delete(lingeringKey(kind, resource.name));
      }
    }
    this.serviceByRoutes.set(resources.routesName, resources);
    this.hosts.put(resources.service, resources.grant);
  }

  private remove(resources: ServiceResources): void {
    for (const kind of ['cluster', 'endpoint'] as const) {
      for (const resource of resources.shared.get(kind) ?? []) this.byName[kind].delete(resource.name);
    }
    this.serviceByRoutes.delete(resources.routesName);
    this.hosts.drop(serviceKey(resources.service));
    for (const host of serviceAuthorities(resources.service, resources.service.namespace))
      this.aliases.delete(aliasKey(host, resources));
  }
}

/** Only route configurations differ by who looks at them. */
function viewKey(kind: ResourceKind, namespace: string): string {
  return kind === 'route' ? `${kind} ${namespace}` : kind;
}

function lingeringKey(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`;
}

function aliasKey(name: string, { service }: ServiceResources): string {
  return `${name} ${routeConfigurationName(service)}`;
}
