import { isIP } from 'node:net';
import type { VersionSpec } from '../../src/model/schema.js';
import { formatAddress } from '../../src/net/ip-address.js';

/** One address behind a release, as a source sees it now. */
export interface LiveEndpoint {
  /** An IP address, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** Share of requests beside the release's other endpoints, 1 to 1000; absent: 1. */
  readonly weight?: number;
  /** Absent: none. */
  readonly zone?: string;
  /** Absent: `healthy`. */
  readonly status?: LiveStatus;
}

/**
 * - `healthy`: takes requests.
 * - `draining`: finishes what it has and keeps its sessions; nothing new goes there. A pod that terminates and still
 *   serves.
 * - `unhealthy`: takes no requests and stays known, so that its sessions come back to it. A pod that is not ready.
 *
 * An endpoint that is gone for good is left out of the list.
 */
export type LiveStatus = 'healthy' | 'draining' | 'unhealthy';

/** A live endpoint in the form that translation takes, with every default filled in. */
export interface AssignedEndpoint {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly weight: number;
  readonly zone?: string;
  readonly status: LiveStatus;
}

/** Whether a release's endpoints are live: its document says how to find them, not where they are. */
export function hasLiveEndpoints({ endpoints, dns }: VersionSpec): boolean {
  return endpoints === undefined && dns === undefined;
}

const MAX_WEIGHT = 1000;

/** @returns what is wrong with an endpoint; undefined: nothing */
export function endpointProblem({ address, port, weight = 1 }: LiveEndpoint): string | undefined {
  if (isIP(address) === 0) return `"${address}" is not an IP address`;
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    return `${address}: port ${port} is not a number from 1 to 65535`;
  if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT)
    return `${formatAddress(address, port)}: weight ${weight} is not a whole number from 1 to ${MAX_WEIGHT}`;
  return undefined;
}

const BEST_FIRST: readonly LiveStatus[] = ['healthy', 'draining', 'unhealthy'];

/**
 * Endpoints in one order, each address once. An address that is listed twice, as while an endpoint moves from one
 * slice to another, has the better status of the two.
 */
export function assignedEndpoints(endpoints: readonly LiveEndpoint[]): readonly AssignedEndpoint[] {
  const found = new Map<string, AssignedEndpoint>();
  for (const { address: host, port, weight = 1, zone, status = 'healthy' } of endpoints) {
    const address = formatAddress(host, port);
    const known = found.get(address);
    if (known !== undefined && BEST_FIRST.indexOf(known.status) <= BEST_FIRST.indexOf(status)) continue;
    found.set(address, { address, weight, status, ...(zone ? { zone } : {}) });
  }
  return [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
}
