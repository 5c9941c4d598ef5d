import type { MeshService } from '../../src/model/mesh-service.js';
import { serviceAuthorities } from '../../src/model/service-hosts.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { TranslateContext } from '../translate/policy.js';
import { translateService } from '../translate/service.js';
import type { ChangedNames, MutableChangedNames } from './changed-names.js';
import { type SnapshotResource, snapshotResource } from './resource.js';

/** What one service contributes to a snapshot. */
export interface ServiceResources {
  readonly service: MeshService;
  /** Of its listeners, whatever their name. */
  readonly listenerMark: string;
  /** By kind; route configurations are kept apart, since they differ by caller. */
  readonly shared: ReadonlyMap<ResourceKind, readonly SnapshotResource[]>;
  readonly localRoutes: SnapshotResource;
  readonly foreignRoutes: SnapshotResource;
}

export function makeResources(service: MeshService, context: TranslateContext): ServiceResources {
  const translated = translateService(service, context);
  const shared = new Map<ResourceKind, SnapshotResource[]>();
  for (const resource of translated.shared) {
    shared.set(resource.kind, [...(shared.get(resource.kind) ?? []), snapshotResource(resource)]);
  }
  return {
    service,
    listenerMark: translated.listenerMark,
    shared,
    localRoutes: snapshotResource(translated.localRoutes),
    foreignRoutes: snapshotResource(translated.foreignRoutes),
  };
}

/** The routes that a caller of a namespace sees. */
export function routesFor(resources: ServiceResources, namespace: string): SnapshotResource {
  return resources.service.namespace === namespace ? resources.localRoutes : resources.foreignRoutes;
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
  const { service, shared, localRoutes, foreignRoutes } = resources;
  const own = shared.get('listener')?.[0] as SnapshotResource;
  switch (set) {
    case 'route':
      return new Map([[localRoutes.name, `${localRoutes.version} ${foreignRoutes.version}`]]);
    case 'alias':
      // Listeners by other names than the first are there, or other, with the first.
      return new Map(
        serviceAuthorities(service, service.namespace)
          .filter((name) => name !== own.name)
          .map((name) => [name, own.version]),
      );
    default:
      return new Map((shared.get(set) ?? []).map(({ name, version }) => [name, version]));
  }
}
