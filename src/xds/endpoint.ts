import { isIP } from 'node:net';
import type { Locality } from '../hashing/host-shares.js';
import { formatAddress } from '../net/ip-address.js';
import { decodeResource } from './decode-resource.js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, text, wrapped } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** One address behind a cluster. */
export interface EndpointConfig {
  /** An IP address, or a name where the cluster resolves names. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly weight: number;
  /** Empty: none. */
  readonly zone: string;
  /**
   * `draining`: finishes what it has and keeps its sessions, nothing new goes there; `degraded`: the same while there
   * are better ones.
   */
  readonly status: 'healthy' | 'degraded' | 'draining' | 'unhealthy';
  /** What consistent hashing may go by, beside the address and the weight. */
  readonly hashing?: EndpointHashing | undefined;
}

export interface EndpointHashing {
  /** Hashed in the address's place: metadata `envoy.lb`, `hash_key`. Empty: none. */
  readonly key: string;
  /** Empty: none. */
  readonly hostname: string;
  /** Its weight is 0 where none is given, as in Envoy. */
  readonly locality: Locality;
}

export interface AssignmentResource {
  readonly name: string;
  /** As they are listed: what Envoy makes of them can depend on their order. */
  readonly endpoints: readonly EndpointConfig[];
}

/** @throws InvalidXdsError */
export function decodeAssignment(bytes: Uint8Array): AssignmentResource {
  return decodeResource('endpoint', bytes, (raw, problems) => {
    const name = text(raw.clusterName);
    if (name === '') problems.add('cluster_name', 'is empty');
    return { name, endpoints: readLocalities(raw, 'endpoints', problems, checkIp) };
  });
}

export function checkIp(host: string, path: string, problems: Problems): void {
  if (isIP(host) === 0) problems.add(path, `"${host}" is not an IP address`);
}

const ASSIGNMENT = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

/** Reads the localities of an assignment, either discovered or inside a cluster. */
export function readLocalities(
  assignment: Message,
  path: string,
  problems: Problems,
  checkHost: typeof checkIp,
): readonly EndpointConfig[] {
  refuseUnsupported(ASSIGNMENT, assignment, '', problems);
  refuseUnsupported(`${ASSIGNMENT}.Policy`, message(assignment.policy) ?? {}, 'policy', problems);
  const seen = new Map<string, EndpointConfig>();
  messages(assignment.endpoints).forEach((locality, l) => {
    const at = `${path}[${l}]`;
    refuseUnsupported('envoy.config.endpoint.v3.LocalityLbEndpoints', locality, at, problems);
    const where = readLocality(locality);
    messages(locality.lbEndpoints).forEach((lbEndpoint, e) => {
      const here = `${at}.lb_endpoints[${e}]`;
      const endpoint = readEndpoint(lbEndpoint, where, here, problems);
      if (endpoint === undefined) return;
      checkHost(endpoint.host, here, problems);
      if (seen.has(endpoint.address)) problems.add(here, `${endpoint.address} is listed twice`);
      seen.set(endpoint.address, endpoint);
    });
  });
  return Object.freeze([...seen.values()]);
}

/**
 * By zone, then by address: the order in which our control plane lists endpoints, whatever the operator's is. A ring
 * of weighted endpoints can depend on it by an entry (its arithmetic rounds), and where bounded load goes does.
 */
export function inCanonicalOrder(
  a: { readonly zone: string; readonly address: string },
  b: { readonly zone: string; readonly address: string },
): number {
  if (a.zone !== b.zone) return a.zone < b.zone ? -1 : 1;
  return a.address < b.address ? -1 : 1;
}

function readEndpoint(
  lbEndpoint: Message,
  { zone, locality }: Where,
  path: string,
  problems: Problems,
): EndpointConfig | undefined {
  const socket = readSocketAddress(lbEndpoint, path, problems);
  const host = text(socket?.address);
  const port = Number(socket?.portValue ?? 0);
  if (host === '' || port < 1 || port > 65_535) {
    problems.add(path, 'needs an endpoint.address.socket_address with an address and a port_value');
    return undefined;
  }
  const weight = wrapped(lbEndpoint.loadBalancingWeight) ?? 1;
  if (weight < 1) problems.add(`${path}.load_balancing_weight`, 'must be at least 1');
  return Object.freeze({
    host,
    port,
    address: formatAddress(host, port),
    weight,
    zone,
    status: readStatus(lbEndpoint.healthStatus),
    hashing: {
      key: hashKeyIn(lbEndpoint),
      hostname: text(message(lbEndpoint.endpoint)?.hostname),
      locality,
    },
  });
}

function readSocketAddress(lbEndpoint: Message, path: string, problems: Problems): Message | undefined {
  refuseUnsupported('envoy.config.endpoint.v3.LbEndpoint', lbEndpoint, path, problems);
  const endpoint = message(lbEndpoint.endpoint) ?? {};
  refuseUnsupported('envoy.config.endpoint.v3.Endpoint', endpoint, `${path}.endpoint`, problems);
  const address = message(endpoint.address) ?? {};
  refuseUnsupported('envoy.config.core.v3.Address', address, `${path}.endpoint.address`, problems);
  const socket = message(address.socketAddress);
  const at = `${path}.endpoint.address.socket_address`;
  refuseUnsupported('envoy.config.core.v3.SocketAddress', socket ?? {}, at, problems);
  return socket;
}

interface Where {
  readonly zone: string;
  readonly locality: Locality;
}

/** Names sort as Envoy sorts localities: by region, zone and sub-zone. */
function readLocality(raw: Message): Where {
  const { region, zone, subZone } = message(raw.locality) ?? {};
  const name = [text(region), text(zone), text(subZone)].join('\0');
  return { zone: text(zone), locality: { name, weight: wrapped(raw.loadBalancingWeight) ?? 0 } };
}

function hashKeyIn({ metadata }: Message): string {
  const fields = message(message(message(metadata)?.filterMetadata)?.['envoy.lb'])?.fields;
  return text(message(message(fields)?.hash_key)?.stringValue);
}

function readStatus(status: unknown): EndpointConfig['status'] {
  switch (status) {
    case 'DRAINING':
      return 'draining';
    case 'DEGRADED':
      return 'degraded';
    case 'UNHEALTHY':
    case 'TIMEOUT':
      return 'unhealthy';
    default:
      return 'healthy';
  }
}
