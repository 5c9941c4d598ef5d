import { formatPath, type Path } from '../model/problems.js';
import { hostname } from '../model/scalars.js';
import { generatedHosts } from '../model/service-hosts.js';
import type { Group } from './groups.js';
import type { Ingress } from './ingress.js';
import type { Remark } from './report.js';

/** A group with the name that its MeshService gets. */
export interface NamedGroup {
  readonly group: Group;
  readonly name: string;
  readonly namespace: string;
}

interface Claim {
  readonly host: string;
  readonly ingress: Ingress;
  /** Undefined: an alias, which is an annotation. */
  readonly at: Path | undefined;
}

/**
 * The hosts of each group's rules that its MeshService can answer to. In a mesh a host leads to one service, so one
 * whose paths lead to several stays with none.
 */
export function assignHosts(groups: readonly NamedGroup[]): Map<Group, string[]> {
  const owners = findOwners(groups);
  return new Map(
    groups.map((named) => {
      const kept = new Set<string>();
      for (const claim of claimsOf(named.group)) {
        const remark = judge(claim.host, named, owners.get(claim.host) ?? new Set());
        if (remark.becomes === 'hosts') kept.add(claim.host);
        const { ingress, host, at } = claim;
        if (at) ingress.find(at, formatPath(at), host || '(every host)', remark);
        else ingress.remark('server-alias', remark);
      }
      return [named.group, [...kept]];
    }),
  );
}

/** Which services each host leads to; those of generated names belong to the service of that name. */
function findOwners(groups: readonly NamedGroup[]): ReadonlyMap<string, ReadonlySet<string>> {
  const owners = new Map<string, Set<string>>();
  const add = (host: string, owner: string) => owners.set(host, (owners.get(host) ?? new Set()).add(owner));
  for (const { group, name, namespace } of groups) {
    const owner = `${namespace}/${name}`;
    for (const host of [name, ...generatedHosts({ name, namespace })]) add(host, owner);
    for (const { host } of claimsOf(group)) add(host, owner);
  }
  return owners;
}

function judge(host: string, { name, namespace }: NamedGroup, owners: ReadonlySet<string>): Remark {
  const dial = `callers in the mesh dial ${name} or ${name}.${namespace}`;
  if (host === '') return { outcome: 'changes', note: `a service has names, not every host: ${dial}` };
  if ([name, ...generatedHosts({ name, namespace })].includes(host) && owners.size === 1)
    return { outcome: 'exact', note: 'a name that the service has anyway' };
  if (!hostname.safeParse(host).success)
    return {
      outcome: 'none',
      note: `"${host}" is no host name (wildcards and expressions are none): ${dial}`,
    };
  if (owners.size > 1) {
    const others = [...owners].filter((owner) => owner !== `${namespace}/${name}`).join(', ');
    return {
      outcome: 'none',
      note: `leads to ${others} too, and a host of the mesh leads to one service: ${dial}`,
    };
  }
  const note = `the name that clients outside use; ${dial}. It is kept, so that calls to it through a sidecar get there too`;
  return { outcome: 'changes', becomes: 'hosts', note };
}

function claimsOf({ rules }: Group): Claim[] {
  const seen = new Set<string>();
  return rules.flatMap(({ ingress, host, at }): Claim[] => {
    // A path lies four steps below the rule that has the host.
    const ruleAt = at.length > 2 ? [...at.slice(0, 3), 'host'] : at;
    const aliases = (ingress.text('server-alias') ?? '').split(',').map((alias) => alias.trim());
    const claims = [
      { host, ingress, at: ruleAt },
      ...aliases.filter((alias) => alias !== '').map((alias) => ({ host: alias, ingress, at: undefined })),
    ];
    return claims.filter(({ host: name, at: place }) => {
      const key = `${ingress.manifest.key} ${place?.join('.')} ${name}`;
      return !seen.has(key) && seen.add(key);
    });
  });
}
