import type { MeshService, ServiceKey } from './mesh-service.js';
import { generatedHosts } from './service-hosts.js';

/** Every service of the mesh, by key. */
export type Mesh = ReadonlyMap<ServiceKey, MeshService>;

/** A host in `spec.hosts` that leads to another service already. */
export interface HostConflict {
  readonly key: ServiceKey;
  readonly host: string;
  /** Index in `spec.hosts`. */
  readonly index: number;
  /** The service that has it. */
  readonly owner: ServiceKey;
}

/**
 * What services demand of each other: no two may answer to the same host where one caller sees both. The names
 * that follow from a service's own name go before any that another lists.
 */
export function hostConflicts(mesh: Mesh): HostConflict[] {
  // A bare name belongs to every service of that name, each in its namespace.
  const owners = new Map<string, ServiceKey[]>();
  const own = (host: string, key: ServiceKey) => owners.set(host, [...(owners.get(host) ?? []), key]);
  for (const [key, { name, namespace }] of mesh)
    for (const host of [name, ...generatedHosts({ name, namespace })]) own(host, key);
  return [...mesh].flatMap(([key, { spec }]) =>
    spec.hosts.flatMap((host, index) => {
      const owner = owners.get(host)?.find((other) => other !== key);
      if (owner !== undefined) return [{ key, host, index, owner }];
      own(host, key);
      return [];
    }),
  );
}
