import { type Grant, hostsForAll } from '../../src/model/grant.js';
import { type MeshService, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import { generatedHosts, serviceOfHost } from '../../src/model/service-hosts.js';

interface Claimant {
  readonly key: ServiceKey;
  readonly service: MeshService;
  readonly forAll: ReadonlySet<string>;
}

/**
 * Which service answers to a host, for callers of a namespace. The first that there is:
 *
 * 1. the service that has it for its own full name (`account.bank`, and its longer forms);
 * 2. without a dot in it: the service of that name in the caller's namespace;
 * 3. a service of the caller's namespace that lists it;
 * 4. a service that lists it and is granted it for every namespace.
 *
 * Of several in one place, which no edit leaves behind, the first by key. So no service takes a host from one that
 * goes before it, whichever came first.
 */
export class HostIndex {
  private readonly claimants = new Map<ServiceKey, Claimant>();
  /** Services that list a host, in the order of their keys. */
  private readonly listings = new Map<string, readonly Claimant[]>();

  put(service: MeshService, grant: Grant | undefined): void {
    const key = serviceKey(service);
    this.drop(key);
    const claimant = { key, service, forAll: new Set(hostsForAll(service.spec, grant)) };
    this.claimants.set(key, claimant);
    for (const host of new Set(service.spec.hosts))
      this.listings.set(host, [...(this.listings.get(host) ?? []), claimant].sort(byKey));
  }

  drop(key: ServiceKey): void {
    const claimant = this.claimants.get(key);
    this.claimants.delete(key);
    for (const host of claimant?.service.spec.hosts ?? []) {
      const others = (this.listings.get(host) ?? []).filter((other) => other !== claimant);
      if (others.length > 0) this.listings.set(host, others);
      else this.listings.delete(host);
    }
  }

  /** @param host in lower case, without a port. @param namespace of the caller; empty: one that has no services */
  ownerOf(host: string, namespace: string): ServiceKey | undefined {
    const named = host.includes('.') ? serviceOfHost(host) : (`${namespace}/${host}` as const);
    if (named !== undefined && this.claimants.has(named)) return named;
    const listings = this.listings.get(host) ?? [];
    const local = listings.find(({ service }) => service.namespace === namespace);
    return (local ?? listings.find(({ forAll }) => forAll.has(host)))?.key;
  }

  /** The hosts that lead callers of a namespace to a service. */
  hostsOf({ name, namespace, spec }: MeshService, callerNamespace: string): string[] {
    const key = serviceKey({ name, namespace });
    const bare = callerNamespace === namespace ? [name] : [];
    const listed = spec.hosts.filter((host) => this.ownerOf(host, callerNamespace) === key);
    return [...new Set([...bare, ...generatedHosts({ name, namespace }), ...listed])];
  }

  /** Services whose callers may be led elsewhere where this one comes, changes or goes. */
  rivalsOf({ name, namespace, spec }: MeshService): MeshService[] {
    const hosts = [name, ...generatedHosts({ name, namespace }), ...spec.hosts];
    const rivals = new Set(hosts.flatMap((host) => this.listings.get(host) ?? []));
    return [...rivals]
      .map(({ service }) => service)
      .filter((service) => service.name !== name || service.namespace !== namespace);
  }
}

function byKey(a: Claimant, b: Claimant): number {
  return a.key < b.key ? -1 : 1;
}
