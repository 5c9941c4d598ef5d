import { BlockList, isIP } from 'node:net';
import { canonicalIp, groupsOf } from './ip-address.js';

/** Where an address leads that is not just another machine. */
export type ReservedScope =
  /** This machine: loopback, and the unspecified address, which connects to it. */
  | 'loopback'
  /** The link: where clouds have their metadata services, and those of them that are elsewhere. */
  | 'link-local'
  /** No single machine: multicast, broadcast, and forms of addresses that nothing uses any more. */
  | 'no-machine';

type Subnet = readonly [network: string, prefix: number];

/** RFC 6890, and what cloud providers' metadata services listen on. The first scope that has an address counts. */
const SUBNETS: Readonly<Record<ReservedScope, readonly Subnet[]>> = {
  loopback: [
    ['127.0.0.0', 8],
    // RFC 1122 section 3.2.1.3: "this host on this network"; Linux connects 0.0.0.0 to itself.
    ['0.0.0.0', 8],
    ['::1', 128],
    ['::', 128],
  ],
  'link-local': [
    ['169.254.0.0', 16],
    ['fe80::', 10],
    // Metadata and platform services that are not link-local: Alibaba Cloud, Azure, Oracle Cloud.
    ['100.100.100.200', 32],
    ['168.63.129.16', 32],
    ['192.0.0.192', 32],
    // AWS and Oracle Cloud keep these for themselves; Google Cloud gives the neighbours of its one to customers.
    ['fd00:ec2::', 32],
    ['fd00:c1::', 32],
    ['fd20:ce::254', 128],
  ],
  'no-machine': [
    ['224.0.0.0', 4],
    ['255.255.255.255', 32],
    ['ff00::', 8],
  ],
};

/** IPv4-compatible (RFC 4291 section 2.5.5.1), which is deprecated: reserved whatever IPv4 address it holds. */
const COMPATIBLE = blockList([['::', 96]]);

const SCOPES = (Object.keys(SUBNETS) as ReservedScope[]).map((scope) => ({
  scope,
  list: blockList(SUBNETS[scope]),
}));

/**
 * The scope of an address that is not just another machine's. An IPv6 address that a translator turns into an IPv4
 * address has the scope of that.
 *
 * @param address in any spelling, with or without a zone; not a name
 */
export function reservedScope(address: string): ReservedScope | undefined {
  const canonical = canonicalIp(address);
  if (canonical === undefined) return undefined;
  const embedded = embeddedIpv4(canonical);
  return (
    scopeOf(canonical) ??
    (embedded === undefined ? undefined : scopeOf(embedded)) ??
    (has(COMPATIBLE, canonical) ? 'no-machine' : undefined)
  );
}

/**
 * Whether an IP address means the machine which connects to it, that machine's link, or no single machine. A service
 * cannot serve other machines there.
 */
export function isReservedAddress(address: string): boolean {
  return reservedScope(address) !== undefined;
}

function scopeOf(address: string): ReservedScope | undefined {
  return SCOPES.find(({ list }) => has(list, address))?.scope;
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function blockList(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets)
    list.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4');
  return list;
}

/** Prefixes behind which a translator finds an IPv4 address: where in the eight groups its two are. */
const TRANSLATED = [
  // NAT64 (RFC 6052 section 2.1) and its local prefix (RFC 8215).
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 },
  { prefix: [0x64, 0xff9b, 1], at: 6 },
  // IPv4-translated (RFC 7915, RFC 2765 section 2.1).
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 },
  // 6to4 (RFC 3056 section 2).
  { prefix: [0x2002], at: 1 },
  // IPv4-compatible (RFC 4291 section 2.5.5.1).
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 },
] as const;

/** @param address canonical */
function embeddedIpv4(address: string): string | undefined {
  if (!address.includes(':')) return undefined;
  const groups = groupsOf(address);
  const found = TRANSLATED.find(({ prefix }) => prefix.every((group, i) => groups[i] === group));
  if (found === undefined) return undefined;
  const [high = 0, low = 0] = groups.slice(found.at, found.at + 2);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
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
