import type { MeshService, ServiceKey } from './mesh-service.js';
import type { Problem } from './problems.js';
import { serviceHosts } from './service-hosts.js';

/** Every service of the mesh, by key. */
export type Mesh = ReadonlyMap<ServiceKey, MeshService>;

/**
 * What services demand of each other: no two may answer to the same host where one caller sees both.
 *
 * @returns the problems of each service, by key; a service without problems is not in the map.
 */
export function hostConflicts(mesh: Mesh): Map<ServiceKey, Problem[]> {
  const owners = new Map<string, ServiceKey>();
  const bareNames = new Map([...mesh].map(([key, service]) => [service.name, key]));
  const conflicts = new Map<ServiceKey, Problem[]>();
  // Generated names first, so that it is `spec.hosts` that conflicts with them and not the other way round.
  for (const [key, service] of mesh) {
    for (const host of serviceHosts({ ...service, spec: { ...service.spec, hosts: [] } }, ''))
      owners.set(host, key);
  }
  for (const [key, service] of mesh) {
    service.spec.hosts.forEach((host, index) => {
      const owner = owners.get(host) ?? bareNames.get(host);
      if (owner === undefined) owners.set(host, key);
      else if (owner !== key) {
        const problem = {
          path: ['spec', 'hosts', index],
          message: `"${host}" is a host of ${owner} already; a host leads to one service`,
        };
        conflicts.set(key, [...(conflicts.get(key) ?? []), problem]);
      }
    });
  }
  return conflicts;
}
