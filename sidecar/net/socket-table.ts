import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { groupsOf } from '../../src/net/ip-address.js';

/** One connection, as one of its two sockets has it. */
export interface SocketPair {
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
}

/** What the kernel knows of a connection. */
export interface ConnectionEnds {
  /** This end: connected, or the peer has sent its end; `absent`: there is no such socket any more. */
  readonly own: 'connected' | 'peer-ended' | 'absent';
  /** The other end: a program has it open, or none has; `elsewhere`: it is not a socket of this machine. */
  readonly peer: 'open' | 'closed' | 'elsewhere';
}

/** `/proc/net/tcp` and `tcp6`, see proc_net_tcp.rst of the Linux kernel: local address, peer's, state, inode. */
const FILES = ['/proc/net/tcp', '/proc/net/tcp6'];
const ROW = /^ *\d+: ([\dA-F]+:[\dA-F]{4}) ([\dA-F]+:[\dA-F]{4}) ([\dA-F]{2}) \S+ \S+ \S+ +\d+ +\d+ (\d+)/gm;
const CLOSE_WAIT = '08';
/** The inode of what no program has open. */
const CLOSED = '0';
/** Of an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2), in words of the machine's order. */
const MAPPED = '0000000000000000FFFF0000';

/**
 * Reads the kernel's table of TCP sockets: all those of this network namespace.
 *
 * @returns undefined where there is none to be read, as on other systems than Linux
 */
export async function readSocketTable(): Promise<string | undefined> {
  // Addresses are written as words of the machine's byte order; only the usual one is read here.
  if (process.platform !== 'linux' || endianness() !== 'LE') return undefined;
  try {
    return (await Promise.all(FILES.map((file) => readFile(file, 'latin1')))).join('');
  } catch {
    // Not allowed, or without IPv6: then no owner can be looked up.
    return undefined;
  }
}

/** What the table says of each connection, in their order. */
export function findEnds(table: string, connections: readonly SocketPair[]): ConnectionEnds[] {
  const wanted = new Map<string, { state: string; inode: string } | undefined>();
  const keys = connections.map(({ localIp, localPort, remoteIp, remotePort }) => {
    const [local, remote] = [hexOf(localIp, localPort), hexOf(remoteIp, remotePort)];
    return { own: `${local} ${remote}`, peer: `${remote} ${local}` };
  });
  for (const { own, peer } of keys) wanted.set(own, undefined).set(peer, undefined);
  for (const [, local, remote, state = '', inode = ''] of table.matchAll(ROW)) {
    const key = `${unmapped(local)} ${unmapped(remote)}`;
    if (wanted.has(key)) wanted.set(key, { state, inode });
  }
  return keys.map(({ own: ownKey, peer }) => {
    const own = wanted.get(ownKey);
    // A table that has no inode for a socket that is open here says nothing by having none for another.
    return { own: ownEnd(own), peer: peerEnd(own?.inode === CLOSED ? undefined : wanted.get(peer)) };
  });
}

function ownEnd(row: { state: string } | undefined): ConnectionEnds['own'] {
  if (row === undefined) return 'absent';
  return row.state === CLOSE_WAIT ? 'peer-ended' : 'connected';
}

/** What no program has open has no inode; the kernel keeps it for a while after it was closed. */
function peerEnd(row: { inode: string } | undefined): ConnectionEnds['peer'] {
  if (row === undefined) return 'elsewhere';
  return row.inode === CLOSED ? 'closed' : 'open';
}

function unmapped(address = ''): string {
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}

function hexOf(ip: string, port: number): string {
  const bytes = isIPv4(ip)
    ? ip.split('.').map(Number)
    : groupsOf(ip).flatMap((group) => [group >> 8, group & 0xff]);
  const address = Buffer.from(bytes).swap32().toString('hex').toUpperCase();
  return `${address}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}
