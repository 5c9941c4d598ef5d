import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';

/**
 * Names of resources that one snapshot has differently from another, by kind. `alias`: listeners under a name
 * that is not the service's own, and the routes of all services together, none of which a wildcard covers.
 */
export type ChangedNames = Readonly<Record<ResourceKind | 'alias', ReadonlySet<string>>>;

export type MutableChangedNames = Readonly<Record<ResourceKind | 'alias', Set<string>>>;

export function noChanges(): MutableChangedNames {
  return { cluster: new Set(), endpoint: new Set(), listener: new Set(), route: new Set(), alias: new Set() };
}

export function unionOf(parts: readonly ChangedNames[]): ChangedNames {
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  const union = noChanges();
  for (const part of parts)
    for (const kind of [...PUSH_ORDER, 'alias'] as const)
      for (const name of part[kind]) union[kind].add(name);
  return union;
}
