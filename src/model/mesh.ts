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
  const owners = new Map<string, ServiceKey>();
  for (const [key, { name, namespace }] of mesh) {
    owners.set(name, key);
    for (const host of generatedHosts({ name, namespace })) owners.set(host, key);
  }
  return [...mesh].flatMap(([key, { spec }]) =>
    spec.hosts.flatMap((host, index) => {
      const owner = owners.get(host);
      owners.set(host, owner ?? key);
      return owner === undefined || owner === key ? [] : [{ key, host, index, owner }];
    }),
  );
}
