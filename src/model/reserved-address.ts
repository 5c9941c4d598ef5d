import { BlockList, isIP } from 'node:net';

/**
 * Addresses that mean the machine which connects to them, that machine's link, or no single machine: RFC 6890's
 * loopback, link-local, unspecified and multicast blocks, and what cloud providers' metadata services listen on
 * beside 169.254.169.254. Nobody serves other machines there.
 */
const IPV4 = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  // Metadata and platform services: Alibaba Cloud, Azure, Oracle Cloud.
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
] as const;

const IPV6 = [
  // Unspecified, loopback, and IPv4 addresses in the form that RFC 4291 section 2.5.5.1 deprecates.
  ['::', 96],
  ['fe80::', 10],
  ['ff00::', 8],
  // Metadata services: AWS, Google Cloud.
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
] as const;

/** IPv6 prefixes whose last 32 bits are an IPv4 address that a translator connects to: RFC 7915, 6052. */
const TRANSLATED = ['::ffff:0:', '64:ff9b::'];

const RESERVED = new BlockList();
for (const [network, prefix] of IPV4) {
  RESERVED.addSubnet(network, prefix, 'ipv4');
  for (const before of TRANSLATED) RESERVED.addSubnet(`${before}${network}`, 96 + prefix, 'ipv6');
  // RFC 3056: 6to4 has the IPv4 address after the first 16 bits.
  RESERVED.addSubnet(`2002:${hexOf(network)}::`, 16 + prefix, 'ipv6');
}
for (const [network, prefix] of IPV6) RESERVED.addSubnet(network, prefix, 'ipv6');

function hexOf(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** Whether an IP address is reserved; IPv4 in IPv6 (`::ffff:127.0.0.1`) counts as the IPv4 address that it holds. */
export function isReservedAddress(address: string): boolean {
  const [bare = ''] = address.split('%');
  const version = isIP(bare);
  return version !== 0 && RESERVED.check(bare, version === 4 ? 'ipv4' : 'ipv6');
}

/** Names that hosts files and cloud providers give to the machine that looks them up, or to what is on its link. */
const MACHINE_NAMES = new Set([
  'localhost4',
  'localhost6',
  'ip6-localhost',
  'ip6-loopback',
  'metadata.google.internal',
  'instance-data.ec2.internal',
]);

/**
 * Whether a host is a name of the machine that looks it up, or an IPv4 address in a form that some program takes for
 * one: `127.1`, `0x7f000001`. What other names resolve to is known where they are looked up.
 */
export function isMachineName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.+$/, '');
  return (
    MACHINE_NAMES.has(name) ||
    /(^|\.)localhost(4|6)?(\.localdomain(4|6)?)?$/.test(name) ||
    /(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)
  );
}
