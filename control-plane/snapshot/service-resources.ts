import type { Grant } from '../../src/model/grant.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import { serviceAuthorities, withPort } from '../../src/model/service-hosts.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { hasLiveEndpoints } from '../endpoints/live-endpoint.js';
import type { TranslateContext } from '../translate/policy.js';
import { translateLive, translateService } from '../translate/service.js';
import type { ChangedNames, MutableChangedNames } from './changed-names.js';
import { type SnapshotResource, snapshotResource, versionOf } from './resource.js';

/** What one service contributes to a snapshot. */
export interface ServiceResources {
  readonly service: MeshService;
  readonly grant: Grant | undefined;
  /** Of its listeners, whatever their name. */
  readonly listenerMark: string;
  /** By kind; route configurations are kept apart, since they differ by caller. */
  readonly shared: ReadonlyMap<ResourceKind, readonly SnapshotResource[]>;
  /** Name of its route configuration. */
  readonly routesName: string;
  /** Tells what its virtual host has besides domains. */
  readonly routesVersion: string;
  /** The route configuration for callers who use these hosts. */
  routesFor(hosts: readonly string[]): SnapshotResource;
}

/** @param translated where the service has been translated with this context already */
export function makeResources(
  service: MeshService,
  context: TranslateContext,
  translated = translateService(service, context),
): ServiceResources {
  const { shared, listenerMark, routesFor } = translated;
  const byKind = new Map<ResourceKind, SnapshotResource[]>();
  for (const resource of shared) {
    const known = byKind.get(resource.kind) ?? [];
    known.push(snapshotResource(resource));
    byKind.set(resource.kind, known);
  }
  const { name, bytes } = routesFor([]);
  return {
    service,
    grant: context.grantOf?.(service),
    listenerMark,
    shared: byKind,
    routesName: name,
    routesVersion: versionOf(bytes),
    routesFor: remembering((hosts) =>
      snapshotResource(routesFor(hosts.flatMap((host) => withPort(service, host)))),
    ),
  };
}

/**
 * The same with the load assignments of live releases as they are now; the argument itself where none differs.
 *
 * @param releases those that may differ; absent: all
 */
export function withLiveEndpoints(
  resources: ServiceResources,
  context: TranslateContext,
  releases?: ReadonlySet<string>,
): ServiceResources {
  const { service, shared } = resources;
  if (!service.spec.versions.some(hasLiveEndpoints)) return resources;
  const live = new Map(
    translateLive(service, context, releases).map((each) => [each.name, snapshotResource(each)]),
  );
  const before = shared.get('endpoint') ?? [];
  const after = before.map((old) => {
    const now = live.get(old.name);
    return now === undefined || now.version === old.version ? old : now;
  });
  if (after.every((resource, i) => resource === before[i])) return resources;
  return { ...resources, shared: new Map(shared).set('endpoint', after) };
}

/** Sets of hosts whose routes are kept: those of the service's own namespace, of the others, and of exceptions. */
const MAX_HOST_SETS = 8;

function remembering(make: ServiceResources['routesFor']): ServiceResources['routesFor'] {
  const made = new Map<string, SnapshotResource>();
  return (hosts) => {
    const id = hosts.join(' ');
    const resource = made.get(id) ?? make(hosts);
    if (made.size === MAX_HOST_SETS && !made.has(id)) made.clear();
    made.set(id, resource);
    return resource;
  };
}

/** Adds the names of everything that differs between what a service contributed and what it does now. */
export function collectChanges(
  before: ServiceResources | undefined,
  after: ServiceResources | undefined,
  names: MutableChangedNames,
): void {
  for (const set of Object.keys(names) as (keyof ChangedNames)[]) {
    const [old, now] = [versionsOf(before, set), versionsOf(after, set)];
    for (const name of new Set([...old.keys(), ...now.keys()]))
      if (old.get(name) !== now.get(name)) names[set].add(name);
  }
}

function versionsOf(resources: ServiceResources | undefined, set: keyof ChangedNames): Map<string, string> {
  if (resources === undefined) return new Map();
  const { service, shared, grant, routesName, routesVersion } = resources;
  const own = shared.get('listener')?.[0] as SnapshotResource;
  const granted = grant === undefined ? '*' : grant.hosts.join(' ');
  switch (set) {
    case 'route': {
      const domains = serviceAuthorities(service, service.namespace).join(' ');
      return new Map([[routesName, `${routesVersion} ${domains} ${granted}`]]);
    }
    case 'alias':
      // Listeners by other names than the first are there, or other, with the first and with what is granted.
      return new Map(
        serviceAuthorities(service, service.namespace)
          .filter((name) => name !== own.name)
          .map((name) => [name, `${own.version} ${granted}`]),
      );
    default:
      return new Map((shared.get(set) ?? []).map(({ name, version }) => [name, version]));
  }
}
