import { createHash } from 'node:crypto';
import type { MeshService, ServiceKey } from '../../src/model/mesh-service.js';
import { serviceAuthorities } from '../../src/model/service-hosts.js';
import { listenerName, routeConfigurationName } from '../../src/xds/resource-names.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import { translateListener } from '../translate/listener.js';
import type { TranslateContext } from '../translate/policy.js';
import { encode, translateService } from '../translate/service.js';
import { type SnapshotResource, snapshotResource } from './resource.js';

/** What one service contributes to a snapshot. */
interface ServiceResources {
  readonly service: MeshService;
  /** By kind, then name; route configurations are kept apart, since they differ by caller. */
  readonly shared: ReadonlyMap<ResourceKind, readonly SnapshotResource[]>;
  readonly localRoutes: SnapshotResource;
  readonly foreignRoutes: SnapshotResource;
}

interface Lingering {
  readonly kind: 'cluster' | 'endpoint';
  readonly name: string;
  readonly resource: SnapshotResource;
  readonly sinceMs: number;
}

/** Names of resources that one snapshot has differently from another, by kind. */
export type ChangedNames = Readonly<Record<ResourceKind, ReadonlySet<string>>>;

/**
 * Everything that the control plane serves, at one revision. A change of configuration replaces what the changed
 * services contribute, all in one step: between two steps every reader sees one whole, consistent snapshot.
 */
export class Snapshot {
  private currentRevision = 0;
  private currentSequence = 0;
  /** Clusters and endpoints that are gone from the configuration and still served, for clients that are not past it. */
  private readonly lingering = new Map<string, Lingering>();
  private readonly services = new Map<ServiceKey, ServiceResources>();
  private readonly byName = {
    cluster: new Map<string, SnapshotResource>(),
    endpoint: new Map<string, SnapshotResource>(),
  };
  private readonly serviceByRoutes = new Map<string, ServiceResources>();
  /** Services by each host, but for bare names. */
  private readonly serviceByHost = new Map<string, ServiceResources>();
  /** Listeners under other names than their first, made on demand; bounded by the hosts that exist. */
  private readonly aliases = new Map<string, SnapshotResource>();
  /** Per kind and namespace, thrown away by every change. */
  private readonly lists = new Map<string, readonly SnapshotResource[]>();
  private readonly typeVersions = new Map<string, string>();

  /** Revision of the configuration that this is made from. */
  get revision(): number {
    return this.currentRevision;
  }

  /** Counts every change of what is served; there are more of them than revisions. */
  get sequence(): number {
    return this.currentSequence;
  }

  /** Something that the configuration has dropped is still served. */
  get hasLingering(): boolean {
    return this.lingering.size > 0;
  }

  /**
   * Moves to a revision.
   *
   * @param changed the services that differ; `undefined`: the service is gone
   * Clusters and endpoints that the configuration drops stay until {@link forget}: a client must have its new
   * routes before it loses what the old ones lead to, and some clients never take back a name that they saw
   * removed a moment ago.
   *
   * @returns the resources that differ
   */
  update(
    revision: number,
    changed: ReadonlyMap<ServiceKey, MeshService | undefined>,
    context: TranslateContext,
    nowMs: number,
  ): ChangedNames {
    const names = emptyChanges();
    // Translated first: if one cannot be, nothing has happened yet.
    const translated = [...changed].map(
      ([key, service]) => [key, service && makeResources(service, context)] as const,
    );
    for (const [key, after] of translated) {
      const before = this.services.get(key);
      if (before) this.remove(key, before);
      if (after) this.add(key, after);
      collectChanges(before, after, names);
      this.keepDropped(before, nowMs);
    }
    for (const { kind, name } of this.lingering.values()) names[kind].delete(name);
    this.currentRevision = revision;
    this.changed();
    return names;
  }

  /** Stops serving what was dropped at this time or before. @returns its names */
  forget(droppedUntilMs: number): ChangedNames {
    const names = emptyChanges();
    for (const [key, { kind, name, resource, sinceMs }] of this.lingering) {
      if (sinceMs > droppedUntilMs) continue;
      this.lingering.delete(key);
      if (this.byName[kind].get(name) === resource) this.byName[kind].delete(name);
      names[kind].add(name);
    }
    this.changed();
    return names;
  }

  private changed(): void {
    this.lists.clear();
    this.typeVersions.clear();
    this.currentSequence++;
  }

  private keepDropped(before: ServiceResources | undefined, sinceMs: number): void {
    for (const kind of ['cluster', 'endpoint'] as const) {
      for (const resource of before?.shared.get(kind) ?? []) {
        const { name } = resource;
        if (this.byName[kind].has(name)) continue;
        this.byName[kind].set(name, resource);
        this.lingering.set(`${kind} ${name}`, { kind, name, resource, sinceMs });
      }
    }
  }

  /** One resource as a caller of a namespace may see it. */
  get(kind: ResourceKind, name: string, namespace: string): SnapshotResource | undefined {
    switch (kind) {
      case 'cluster':
      case 'endpoint':
        return this.byName[kind].get(name);
      case 'route':
        return pickRoutes(this.serviceByRoutes.get(name), namespace);
      case 'listener':
        return this.listener(name, namespace);
    }
  }

  /** Whether a listener goes by its service's own name, the one that a wildcard covers. */
  isCanonical(listener: SnapshotResource): boolean {
    return this.serviceByHost.get(listener.name)?.shared.get('listener')?.[0] === listener;
  }

  /** Everything of one kind, for a wildcard subscription. */
  list(kind: ResourceKind, namespace: string): readonly SnapshotResource[] {
    const cacheKey = kind === 'route' ? `${kind} ${namespace}` : kind;
    let list = this.lists.get(cacheKey);
    if (list === undefined) {
      const all = [...this.services.values()];
      list =
        kind === 'route'
          ? all.map((resources) => pickRoutes(resources, namespace) as SnapshotResource)
          : [...all.flatMap(({ shared }) => shared.get(kind) ?? []), ...this.lingeringOf(kind)];
      this.lists.set(cacheKey, list);
    }
    return list;
  }

  /** Version of everything of one kind, for state-of-the-world responses: a digest of the resources' versions. */
  typeVersion(kind: ResourceKind, namespace: string): string {
    const cacheKey = `${kind} ${namespace}`;
    let version = this.typeVersions.get(cacheKey);
    if (version === undefined) {
      const hash = createHash('sha256');
      const lines = this.list(kind, namespace).map((resource) => `${resource.name} ${resource.version}\n`);
      for (const line of lines.sort()) hash.update(line);
      version = hash.digest('base64url').slice(0, 16);
      this.typeVersions.set(cacheKey, version);
    }
    return version;
  }

  /** A listener by any name that callers use for a service: its own, or one of the hosts, with the port or without. */
  private listener(name: string, namespace: string): SnapshotResource | undefined {
    const bare = name.includes('.')
      ? undefined
      : this.services.get(`${namespace}/${name.replace(/:\d+$/, '')}`);
    const found = this.serviceByHost.get(name) ?? bare;
    if (found === undefined || !serviceAuthorities(found.service, namespace).includes(name)) return undefined;
    const own = found.shared.get('listener')?.[0];
    if (own?.name === name) return own;
    const routes = routeConfigurationName(found.service);
    const cacheKey = `${name} ${routes}`;
    let alias = this.aliases.get(cacheKey);
    if (alias === undefined) {
      alias = snapshotResource(encode('listener', name, translateListener(name, routes)));
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
        this.lingering.delete(`${kind} ${resource.name}`);
      }
    }
    this.serviceByRoutes.set(resources.localRoutes.name, resources);
    for (const host of serviceAuthorities(resources.service, '')) this.serviceByHost.set(host, resources);
  }

  private remove(key: ServiceKey, resources: ServiceResources): void {
    this.services.delete(key);
    for (const kind of ['cluster', 'endpoint'] as const) {
      for (const resource of resources.shared.get(kind) ?? []) this.byName[kind].delete(resource.name);
    }
    this.serviceByRoutes.delete(resources.localRoutes.name);
    const routes = routeConfigurationName(resources.service);
    for (const host of serviceAuthorities(resources.service, resources.service.namespace)) {
      if (this.serviceByHost.get(host) === resources) this.serviceByHost.delete(host);
      this.aliases.delete(`${host} ${routes}`);
    }
  }
}

function makeResources(service: MeshService, context: TranslateContext): ServiceResources {
  const translated = translateService(service, context);
  const shared = new Map<ResourceKind, SnapshotResource[]>();
  for (const resource of translated.shared) {
    shared.set(resource.kind, [...(shared.get(resource.kind) ?? []), snapshotResource(resource)]);
  }
  return {
    service,
    shared,
    localRoutes: snapshotResource(translated.localRoutes),
    foreignRoutes: snapshotResource(translated.foreignRoutes),
  };
}

function pickRoutes(
  resources: ServiceResources | undefined,
  namespace: string,
): SnapshotResource | undefined {
  if (resources === undefined) return undefined;
  return resources.service.namespace === namespace ? resources.localRoutes : resources.foreignRoutes;
}

function emptyChanges(): Record<ResourceKind, Set<string>> {
  return { cluster: new Set(), endpoint: new Set(), listener: new Set(), route: new Set() };
}

function collectChanges(
  before: ServiceResources | undefined,
  after: ServiceResources | undefined,
  names: Record<ResourceKind, Set<string>>,
): void {
  for (const kind of PUSH_ORDER) {
    const [old, now] = [versionsOf(before, kind), versionsOf(after, kind)];
    for (const name of new Set([...old.keys(), ...now.keys()]))
      if (old.get(name) !== now.get(name)) names[kind].add(name);
  }
}

function versionsOf(resources: ServiceResources | undefined, kind: ResourceKind): Map<string, string> {
  if (resources === undefined) return new Map();
  const { service, localRoutes, foreignRoutes } = resources;
  if (kind === 'route')
    return new Map([[localRoutes.name, `${localRoutes.version} ${foreignRoutes.version}`]]);
  // Listeners by other names than the first differ only in whether they exist.
  const aliases = kind === 'listener' ? serviceAuthorities(service, service.namespace) : [];
  return new Map([
    ...aliases.map((name): [string, string] => [name, listenerName(service)]),
    ...(resources.shared.get(kind) ?? []).map(({ name, version }): [string, string] => [name, version]),
  ]);
}
