import { canonicalIp, groupsOf } from '../../src/net/ip-address.js';

/**
 * What counts as one peer where rates are limited: an IPv4 address; of IPv6 the first 64 bits, since a host that has
 * one address usually has the whole network of that length (RFC 6177, section 2).
 */
export function peerGroup(address: string): string {
  const canonical = canonicalIp(address);
  if (canonical === undefined || !canonical.includes(':')) return canonical ?? address;
  const network = groupsOf(canonical).slice(0, 4);
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}
