import { isIP, isIPv4 } from 'node:net';
import { groupsOf } from '../net/ip-address.js';

/** What happens to the pod's connections while no sidecar runs: they fail at once, or go past it. */
export const WHEN_DOWN = ['fail', 'bypass'] as const;

/** Which connections the kernel redirects, and where. */
export interface RedirectSettings {
  /** The sidecar's user and group: connections of either are never redirected. */
  readonly uid: number;
  readonly gid: number;
  /** Ports on which the sidecar accepts redirected connections. */
  readonly inboundPort: number;
  readonly outboundPort: number;
  /** Port of the sidecar's admin interface, which other machines must not reach. */
  readonly adminPort: number;
  readonly excludeInboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  /** Canonical, see {@link canonicalCidr}. */
  readonly excludeOutboundCidrs: readonly string[];
  readonly excludeInterfaces: readonly string[];
  readonly whenDown: (typeof WHEN_DOWN)[number];
}

/** Names stay as their servers answer them, over TCP too. */
export const DNS_PORT = 53;

/** RFC 3927 and RFC 4291: the link, where clouds have their metadata services. No service of a mesh is there. */
export const LINK_LOCAL = { ipv4: '169.254.0.0/16', ipv6: 'fe80::/10' } as const;

/** A sidecar sends a datagram to its own outbound port every second; without one for this long it is down. */
export const HEARTBEAT_LOST_SECONDS = 3;

export type Family = 'ipv4' | 'ipv6';

export function familyOf(cidr: string): Family {
  return cidr.includes(':') ? 'ipv6' : 'ipv4';
}

/**
 * The one spelling of an address range: with its prefix length, and without the bits behind it.
 *
 * @param text `10.8.0.0/16`, `fd00::/8`, or one address
 * @returns undefined where it is not one
 */
export function canonicalCidr(text: string): string | undefined {
  const [address = '', length, ...more] = text.split('/');
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  const bits = length === undefined ? most : Number(length);
  const isLength = length === undefined || /^\d{1,3}$/.test(length);
  if (most === 0 || more.length > 0 || !isLength || bits > most || address.includes('%')) return undefined;
  return `${maskAddress(address, bits)}/${bits}`;
}

function maskAddress(address: string, bits: number): string {
  if (isIPv4(address)) {
    const masked = address
      .split('.')
      .map((part, i) => Number(part) & (0xff & ~(0xff >> clamp(bits - 8 * i, 8))));
    return masked.join('.');
  }
  const masked = groupsOf(address).map(
    (group, i) => group & (0xffff & ~(0xffff >> clamp(bits - 16 * i, 16))),
  );
  return new URL(`http://[${masked.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

function clamp(bits: number, most: number): number {
  return Math.min(Math.max(bits, 0), most);
}

/** Linux (`dev_valid_name`): what an interface may be called. */
export function isInterfaceName(text: string): boolean {
  return /^[A-Za-z0-9_.@-]{1,15}$/.test(text) && text !== '.' && text !== '..';
}

/** What is wrong between settings that are right one by one. */
export function settingsProblems(settings: RedirectSettings): string[] {
  const { inboundPort, outboundPort, adminPort } = settings;
  const problems: string[] = [];
  const clash = (first: string, second: string, port: number) =>
    problems.push(`--${first} and --${second}: both are ${port}; the sidecar needs a port for each`);
  if (inboundPort === outboundPort) clash('inbound-port', 'outbound-port', inboundPort);
  if (adminPort === inboundPort) clash('admin-port', 'inbound-port', adminPort);
  if (adminPort === outboundPort) clash('admin-port', 'outbound-port', adminPort);
  return problems;
}
