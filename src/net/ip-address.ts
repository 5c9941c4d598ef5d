import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';

/** IP addresses as text: one spelling for each. */

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

const LOOPBACK_HOST = /^(localhost|127(\.\d+){3}|::1)$/;

/** Whether data sent to this host, a name or an address, stays on this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOST.test(host);
}

/**
 * `10.0.0.1:80`, `[fd00::1]:80`: Envoy's default host key, and how endpoints are named everywhere. An IPv6 address is
 * written in its canonical spelling.
 */
export function formatAddress(host: string, port: number): string {
  if (isIP(host) !== 6) return `${host}:${port}`;
  return `[${new SocketAddress({ address: host, family: 'ipv6' }).address}]:${port}`;
}
