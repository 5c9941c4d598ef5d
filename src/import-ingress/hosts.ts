import { normalAuthority } from '../http/authority.js';
import { formatPath, type Path } from '../model/problems.js';
import { hostname } from '../model/scalars.js';
import { generatedHosts } from '../model/service-hosts.js';
import type { Group } from './groups.js';
import { annotationPath, type Ingress } from './ingress.js';
import type { Remark } from './report.js';

/** A group with the name that its MeshService gets. */
export interface NamedGroup {
  readonly group: Group;
  readonly name: string;
  readonly namespace: string;
}

/** A host that an Ingress asks for: in a rule, or as an alias. */
interface Claim {
  readonly host: string;
  readonly ingress: Ingress;
  readonly at: Path;
  readonly field: string;
}

/**
 * The hosts of each group's rules that its MeshService can answer to. In a mesh a host leads to one service, so one
 * whose paths lead to several stays with none.
 */
export function assignHosts(groups: readonly NamedGroup[]): Map<Group, string[]> {
  const owners = findOwners(groups);
  const hosts = new Map(groups.map(({ group }) => [group, [] as string[]]));
  const said = new Set<string>();
  for (const named of groups) {
    for (const claim of claimsOf(named.group)) {
      const { host, ingress, at, field } = claim;
      const remark = judge(host, owners.get(host) ?? [named]);
      const kept = hosts.get(named.group) ?? [];
      if (remark.becomes === 'hosts' && !kept.includes(host)) kept.push(host);
      const key = `${ingress.manifest.key} ${field} ${host}`;
      if (!said.has(key)) ingress.find(at, field, host || '(every host)', remark);
      said.add(key);
    }
  }
  return hosts;
}

type Owners = readonly NamedGroup[];

/** Which services each host leads to; those of generated names belong to the service of that name. */
function findOwners(groups: readonly NamedGroup[]): ReadonlyMap<string, Owners> {
  const owners = new Map<string, NamedGroup[]>();
  for (const named of groups) {
    const hosts = [...namesOf(named), ...claimsOf(named.group).map(({ host }) => host)];
    for (const host of new Set(hosts)) owners.set(host, [...(owners.get(host) ?? []), named]);
  }
  return owners;
}

function namesOf({ name, namespace }: NamedGroup): string[] {
  return [name, ...generatedHosts({ name, namespace })];
}

function judge(host: string, owners: Owners): Remark {
  const names = owners.map(({ name, namespace }) => `${name}.${namespace}`);
  const dial = `callers in the mesh dial ${names.join(', ')}`;
  if (host === '') return { outcome: 'changes', note: `a service has names, not every host: ${dial}` };
  if (owners.length > 1)
    return { outcome: 'none', note: `leads to several services by path, a host of the mesh to one: ${dial}` };
  if (owners.some((owner) => namesOf(owner).includes(host)))
    return { outcome: 'exact', note: 'a name that the service has anyway' };
  if (!hostname.safeParse(host).success)
    return { outcome: 'none', note: `no host name (wildcards and expressions are none): ${dial}` };
  const note = `the name that clients outside use; ${dial}. It is kept, so that calls to it through a sidecar get there too`;
  return { outcome: 'changes', becomes: 'hosts', note };
}

function claimsOf({ rules }: Group): Claim[] {
  const claims = rules.flatMap(({ ingress, host, at }): Claim[] => {
    // spec.rules[0].http.paths[0] has its host at spec.rules[0].host; a default backend has none.
    const hostAt = at[1] === 'rules' ? [...at.slice(0, 3), 'host'] : at;
    const aliases = (ingress.text('server-alias') ?? '').split(',').map((alias) => alias.trim());
    return [
      { host: normalAuthority(host) ?? host, ingress, at: hostAt, field: formatPath(hostAt) },
      ...aliases
        .filter((alias) => alias !== '')
        .map((alias) => ({
          host: normalAuthority(alias) ?? alias,
          ingress,
          at: annotationPath('server-alias'),
          field: 'server-alias',
        })),
    ];
  });
  return [
    ...new Map(
      claims.map((claim) => [`${claim.ingress.manifest.key} ${claim.field} ${claim.host}`, claim]),
    ).values(),
  ];
}
