import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isReservedAddress } from '../../src/net/reserved-address.js';
import type { Confinement } from '../../src/xds/cluster-metadata.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';

/** The machine that a sidecar is on, as far as other people's services are not to reach into it. */
export interface OwnMachine {
  /** Of the sidecar's service: its own services may be on its own machine. */
  readonly namespace: string;
  /** The machine's addresses as they are now. */
  addresses(): BlockList;
}

/** The addresses of all network interfaces. */
export function interfaceAddresses(): BlockList {
  const list = new BlockList();
  for (const known of Object.values(networkInterfaces()))
    for (const { address, family } of known ?? [])
      list.addAddress(address.split('%')[0] as string, family === 'IPv6' ? 'ipv6' : 'ipv4');
  return list;
}

/**
 * Which endpoints of a cluster would lead a request to the machine that sends it: loopback, link-local and metadata
 * addresses for everyone, the machine's own addresses where the service is of another namespace. A name that is looked
 * up here may resolve to any of these, whatever it resolved to for the control plane.
 *
 * @param confinement undefined: endpoints may be anywhere
 */
export function outOfReach(
  endpoints: readonly EndpointConfig[],
  confinement: Confinement | undefined,
  machine: OwnMachine,
): ReadonlySet<EndpointConfig> {
  if (confinement === undefined) return NONE;
  const { namespace, approved } = confinement;
  const own = namespace === machine.namespace ? undefined : machine.addresses();
  const found = endpoints.filter(
    ({ host, address }) =>
      !approved.has(address) &&
      (isReservedAddress(host) || own?.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4') === true),
  );
  return found.length === 0 ? NONE : new Set(found);
}

const NONE: ReadonlySet<EndpointConfig> = new Set();
