import type { Grant } from './grant.js';
import { hostsForAll } from './grant.js';
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

/** How a service comes to a host: by its full name, by its bare name, or by listing it, for every namespace or its own. */
type Title = 'full-name' | 'bare-name' | 'listed-for-all' | 'listed';

interface Owner {
  readonly key: ServiceKey;
  readonly namespace: string;
  readonly title: Title;
}

/**
 * What services demand of each other: no two may answer to the same host where one caller sees both and neither goes
 * before the other. The names that follow from a service's own name go before any that another lists.
 *
 * @param grantOf what is approved of a service's hosts; the others lead callers of its own namespace alone
 */
export function hostConflicts(
  mesh: Mesh,
  grantOf: (key: ServiceKey) => Grant | undefined = () => undefined,
): HostConflict[] {
  const owners = new Map<string, Owner[]>();
  const own = (host: string, owner: Owner) => {
    const all = owners.get(host);
    const last = all?.at(-1);
    if (all === undefined) owners.set(host, [owner]);
    // A host that a service lists many times is its once.
    else if (last?.key !== owner.key || last.title !== owner.title) all.push(owner);
  };
  for (const [key, { name, namespace }] of mesh) {
    own(name, { key, namespace, title: 'bare-name' });
    for (const host of generatedHosts({ name, namespace })) own(host, { key, namespace, title: 'full-name' });
  }
  return [...mesh].flatMap(([key, { spec, namespace }]) => {
    const forAll = new Set(hostsForAll(spec, grantOf(key)));
    return spec.hosts.flatMap((host, index) => {
      const claim: Owner = { key, namespace, title: forAll.has(host) ? 'listed-for-all' : 'listed' };
      const rival = owners.get(host)?.find((owner) => owner.key !== key && meets(claim, owner));
      if (rival !== undefined) return [{ key, host, index, owner: rival.key }];
      own(host, claim);
      return [];
    });
  });
}

/** What a service lists for its own namespace goes before what others list for all, and a bare name before both. */
function meets(claim: Owner, { namespace, title }: Owner): boolean {
  if (claim.namespace === namespace || title === 'full-name') return true;
  return claim.title === 'listed-for-all' && title !== 'listed';
}
