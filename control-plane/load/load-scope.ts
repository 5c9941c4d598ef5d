import { splitHostPort } from '../../src/model/formats.js';
import type { MeshService } from '../../src/model/mesh-service.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { Configuration } from '../store/configuration.js';

/** What clients may report of: a client that invents names must not push out what others have reported. */
export interface LoadScope {
  /** Whether the configuration has a cluster of this name. */
  hasCluster(name: string): boolean;
  /** Whether a cluster has an endpoint at an address, as far as the control plane can know. */
  hasEndpoint(cluster: string, address: string): boolean;
}

export const ANYTHING: LoadScope = { hasCluster: () => true, hasEndpoint: () => true };

type Version = MeshService['spec']['versions'][number];

/** The scope of the configuration as it is at each moment. */
export function scopeOf(store: { readonly current: Configuration }): LoadScope {
  const listed = new WeakMap<Version, ReadonlySet<string>>();
  const versionOf = (cluster: string): Version | undefined => {
    const [namespace, name, release, ...rest] = cluster.split('/');
    if (rest.length > 0) return undefined;
    const versions = store.current.services.get(`${namespace}/${name}`)?.service.spec.versions;
    return versions?.find((version) => version.name === release);
  };
  return {
    hasCluster: (name) => versionOf(name) !== undefined,
    hasEndpoint(cluster, address) {
      const version = versionOf(cluster);
      // What a DNS name resolves to is known to the clients alone.
      if (version?.endpoints === undefined) return version !== undefined;
      const addresses = listed.get(version) ?? addressesOf(version.endpoints);
      listed.set(version, addresses);
      return addresses.has(address);
    },
  };
}

function addressesOf(endpoints: NonNullable<Version['endpoints']>): ReadonlySet<string> {
  return new Set(
    endpoints.map(({ address }) => {
      const split = splitHostPort(address);
      return split === undefined ? address : formatAddress(split.host, split.port);
    }),
  );
}
