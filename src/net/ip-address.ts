import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { isLoopback } from '../access/loopback.js';

/** IP addresses as text: one spelling for each, and which of them lead nowhere but to the machine itself or its host. */

const MAPPED = '::ffff:';

/**
 * The one spelling of an address: without a zone, IPv6 as RFC 5952 has it, an IPv4-mapped one (RFC 4291 section
 * 2.5.5.2) as IPv4. A socket that listens on both families names its IPv4 peers in the mapped form.
 *
 * @returns undefined where the text is not an IP address
 */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text)) return undefined;
  const zone = text.indexOf('%');
  const bare = zone === -1 ? text : text.slice(0, zone);
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' });
  return address.startsWith(MAPPED) && isIPv4(address.slice(MAPPED.length))
    ? address.slice(MAPPED.length)
    : address;
}

/** The address of a socket's peer in its one spelling; empty where the socket has lost its peer. */
export function peerIp({ remoteAddress }: { readonly remoteAddress?: string | undefined }): string {
  if (remoteAddress === undefined) return '';
  return isIPv4(remoteAddress) ? remoteAddress : (canonicalIp(remoteAddress) ?? remoteAddress);
}

/**
 * Whether a socket's peer is on this machine: it comes from loopback, or from the address that it connects to, or it
 * connects to loopback, which other machines cannot. A redirected connection keeps its source and ends at loopback.
 */
export function isFromThisMachine(socket: {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}): boolean {
  const peer = peerIp(socket);
  const local = peerIp({ remoteAddress: socket.localAddress });
  return isLoopback(peer) || (peer !== '' && (peer === local || isLoopback(local)));
}

/** Where an address leads that is not just another machine. */
export type NearbyScope =
  /** This machine: loopback, and the unspecified address, which connects to it. */
  | 'loopback'
  /** The link: where clouds have their metadata services, and those of them that are elsewhere. */
  | 'link-local';

/** @param address in any spelling; not a name */
export function nearbyScope(address: string): NearbyScope | undefined {
  const canonical = canonicalIp(address);
  if (canonical === undefined) return undefined;
  const embedded = embeddedIpv4(canonical);
  return scopeOf(canonical) ?? (embedded === undefined ? undefined : scopeOf(embedded));
}

function scopeOf(address: string): NearbyScope | undefined {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (LOOPBACK.check(address, family)) return 'loopback';
  return LINK_LOCAL.check(address, family) ? 'link-local' : undefined;
}

const LOOPBACK = blockList([
  ['127.0.0.0', 8],
  // RFC 1122 section 3.2.1.3: "this host on this network"; Linux connects 0.0.0.0 to itself.
  ['0.0.0.0', 8],
  ['::1', 128],
  ['::', 128],
]);

const LINK_LOCAL = blockList([
  ['169.254.0.0', 16],
  ['fe80::', 10],
  // Metadata services that are not link-local: of AWS, Google, Oracle, Alibaba and Azure.
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
  ['fd00:c1::', 32],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
]);

function blockList(subnets: readonly (readonly [network: string, prefix: number])[]): BlockList {
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

/** The eight groups of an IPv6 address. @param address canonical */
export function groupsOf(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text =
    dotted === null
      ? address
      : `${dotted[1]}${pair(dotted[2], dotted[3]).toString(16)}:${pair(dotted[4], dotted[5]).toString(16)}`;
  const [head = '', tail] = text.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(gap).fill('0'), ...after].map((group) => Number.parseInt(group, 16));
}

function pair(high = '0', low = '0'): number {
  return Number(high) * 256 + Number(low);
}
