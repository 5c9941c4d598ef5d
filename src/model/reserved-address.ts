import { BlockList, isIP } from 'node:net';

/**
 * Addresses that mean the machine which connects to them, that machine's link, or no single machine: RFC 6890's
 * loopback, link-local, unspecified and multicast blocks, and what cloud providers' metadata services listen on
 * beside 169.254.169.254. Nobody serves other machines there.
 */
const RESERVED = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  // Metadata and platform services: Alibaba Cloud, Azure, Oracle Cloud.
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
] as const)
  RESERVED.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  // Unspecified, loopback, and IPv4 addresses in the form that RFC 4291 section 2.5.5.1 deprecates.
  ['::', 96],
  ['fe80::', 10],
  ['ff00::', 8],
  // Metadata services: AWS, Google Cloud.
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
] as const)
  RESERVED.addSubnet(network, prefix, 'ipv6');

/** Whether an IP address is reserved; IPv4 in IPv6 (`::ffff:127.0.0.1`) counts as the IPv4 address that it holds. */
export function isReservedAddress(address: string): boolean {
  const [bare = ''] = address.split('%');
  const version = isIP(bare);
  return version !== 0 && RESERVED.check(bare, version === 4 ? 'ipv4' : 'ipv6');
}
