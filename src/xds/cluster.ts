import type { RingSize } from '../hashing/ring.js';
import {
  type HealthCheckConfig,
  type LimitsConfig,
  type OutlierConfig,
  readHealthCheck,
  readLimits,
  readOutlier,
  readPanicThreshold,
  readSlowStart,
} from './cluster-calm.js';
import { codec, type Message, unpackAny } from './descriptors.js';
import { type EndpointConfig, readLocalities } from './endpoint.js';
import { durationMs, message, messages, Problems, text, wrapped } from './fields.js';
import { messageNameOf } from './resource-types.js';
import { readUpstreamTls, type UpstreamTlsConfig } from './upstream-tls.js';

/** Where a cluster's endpoints come from. */
export type DiscoveryConfig =
  | { readonly kind: 'eds'; readonly serviceName: string }
  | { readonly kind: 'static'; readonly endpoints: readonly EndpointConfig[] }
  | { readonly kind: 'dns'; readonly endpoints: readonly EndpointConfig[]; readonly refreshMs: number };

export type LoadBalancerKind = 'round-robin' | 'least-request' | 'random' | 'ring-hash' | 'maglev';

export interface LoadBalancerConfig {
  readonly kind: LoadBalancerKind;
  /** Ring hash: bounds on the entries, or in proportion to the endpoints (`proportionalRingSize`). */
  readonly ringSize: RingSize | 'proportional';
  /** Maglev: slots, a prime. */
  readonly tableSize: number;
  /** Time over which a new endpoint's share grows to its weight; 0: it has it at once. */
  readonly slowStartMs: number;
  /** Ring hash and Maglev; undefined: neither is so configured. */
  readonly hashing?: HashingConfig | undefined;
}

/** What makes consistent hashing differ from Envoy's defaults. */
export interface HashingConfig {
  /** Most requests in flight that an endpoint may have, in percent of the average; 0: any number. */
  readonly balanceFactor: number;
  /** Localities have weights of their own. */
  readonly byLocality: boolean;
  /** Endpoints are hashed by hostname, where they have one. */
  readonly byHostname: boolean;
}

export interface ClusterResource {
  readonly name: string;
  readonly discovery: DiscoveryConfig;
  readonly connectTimeoutMs: number;
  readonly loadBalancer: LoadBalancerConfig;
  readonly outlier: OutlierConfig | undefined;
  readonly healthCheck: HealthCheckConfig | undefined;
  readonly limits: LimitsConfig;
  /** Share of usable endpoints, 0 to 100, below which their health is ignored; 0: never. */
  readonly panicThreshold: number;
  /** Undefined: endpoints are reached in plain text. */
  readonly tls: UpstreamTlsConfig | undefined;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
const DEFAULT_DNS_REFRESH_MS = 5000;
const MIN_DNS_REFRESH_MS = 1000;

/** @throws InvalidXdsError */
export function decodeCluster(bytes: Uint8Array): ClusterResource {
  const raw = codec(messageNameOf('cluster')).decode(bytes);
  const name = text(raw.name);
  const problems = new Problems();
  if (name === '') problems.add('name', 'is empty');
  const discovery = readDiscovery(raw, name, problems);
  const loadBalancer = readLoadBalancer(raw, problems);
  const healthCheck = readHealthCheck(raw, problems);
  const tls = readUpstreamTls(raw, problems);
  problems.throwIfAny(name);
  return Object.freeze({
    name,
    discovery,
    loadBalancer,
    outlier: readOutlier(raw),
    healthCheck,
    limits: readLimits(raw),
    panicThreshold: readPanicThreshold(raw),
    tls,
    connectTimeoutMs: durationMs(raw.connectTimeout) ?? DEFAULT_CONNECT_TIMEOUT_MS,
  });
}

function readDiscovery(raw: Message, name: string, problems: Problems): DiscoveryConfig {
  const assignment = message(raw.loadAssignment) ?? {};
  switch (raw.type ?? 'STATIC') {
    case 'EDS':
      return { kind: 'eds', serviceName: text(message(raw.edsClusterConfig)?.serviceName) || name };
    case 'STATIC':
      return {
        kind: 'static',
        endpoints: readLocalities(assignment, 'load_assignment.endpoints', problems, () => {}),
      };
    case 'STRICT_DNS':
    case 'LOGICAL_DNS':
      return {
        kind: 'dns',
        endpoints: readLocalities(assignment, 'load_assignment.endpoints', problems, () => {}),
        refreshMs: Math.max(MIN_DNS_REFRESH_MS, durationMs(raw.dnsRefreshRate) ?? DEFAULT_DNS_REFRESH_MS),
      };
    default:
      problems.add(
        'type',
        `${String(raw.type)} is not supported; use EDS, STATIC, STRICT_DNS or LOGICAL_DNS`,
      );
      return { kind: 'static', endpoints: [] };
  }
}

const LB_PACKAGE = 'envoy.extensions.load_balancing_policies';
const POLICY_TYPES: readonly [string, LoadBalancerKind][] = [
  [`${LB_PACKAGE}.ring_hash.v3.RingHash`, 'ring-hash'],
  [`${LB_PACKAGE}.maglev.v3.Maglev`, 'maglev'],
  [`${LB_PACKAGE}.least_request.v3.LeastRequest`, 'least-request'],
  [`${LB_PACKAGE}.round_robin.v3.RoundRobin`, 'round-robin'],
];

/** `load_balancing_policy` wins over `lb_policy`; of its list, the first that is known. */
function readLoadBalancer(raw: Message, problems: Problems): LoadBalancerConfig {
  const policies = messages(message(raw.loadBalancingPolicy)?.policies);
  for (const policy of policies) {
    const typed = message(policy.typedExtensionConfig)?.typedConfig;
    for (const [typeName, kind] of POLICY_TYPES) {
      const found = typed === undefined ? undefined : unpackAny(typed, typeName);
      if (found) return loadBalancer(raw, kind, found, problems);
    }
  }
  if (policies.length > 0) problems.add('load_balancing_policy', 'names no policy that is supported');
  switch (raw.lbPolicy ?? 'ROUND_ROBIN') {
    case 'ROUND_ROBIN':
      return loadBalancer(raw, 'round-robin', {}, problems);
    case 'LEAST_REQUEST':
      return loadBalancer(raw, 'least-request', {}, problems);
    case 'RANDOM':
      return loadBalancer(raw, 'random', {}, problems);
    case 'RING_HASH':
      return loadBalancer(raw, 'ring-hash', message(raw.ringHashLbConfig) ?? {}, problems);
    case 'MAGLEV':
      return loadBalancer(raw, 'maglev', message(raw.maglevLbConfig) ?? {}, problems);
    default:
      problems.add('lb_policy', `${String(raw.lbPolicy)} is not supported`);
      return loadBalancer(raw, 'round-robin', {}, problems);
  }
}

/** Key of our own entry in a cluster's metadata. */
export const CLUSTER_METADATA_KEY = 'roost';

function loadBalancer(
  raw: Message,
  kind: LoadBalancerKind,
  config: Message,
  problems: Problems,
): LoadBalancerConfig {
  const size = {
    min: wrapped(config.minimumRingSize) ?? 1024,
    max: wrapped(config.maximumRingSize) ?? 8_388_608,
  };
  const ours = message(message(message(raw.metadata)?.filterMetadata)?.[CLUSTER_METADATA_KEY]);
  const proportional = message(message(ours?.fields)?.proportionalRing)?.boolValue === true;
  return {
    kind,
    ringSize: proportional ? 'proportional' : size,
    tableSize: wrapped(config.tableSize) ?? 65_537,
    slowStartMs: readSlowStart(config),
    ...hashingConfig(raw, config, problems),
  };
}

const LEAST_BALANCE_FACTOR = 100;

/** In the cluster with `lb_policy`, in the policy with `load_balancing_policy`. */
function hashingConfig(
  raw: Message,
  policy: Message,
  problems: Problems,
): Pick<LoadBalancerConfig, 'hashing'> {
  const common = message(raw.commonLbConfig);
  const consistent =
    message(policy.consistentHashingLbConfig) ?? message(common?.consistentHashingLbConfig) ?? {};
  const factor = wrapped(consistent.hashBalanceFactor) ?? wrapped(policy.hashBalanceFactor) ?? 0;
  if (factor !== 0 && factor < LEAST_BALANCE_FACTOR)
    problems.add('hash_balance_factor', `must be at least ${LEAST_BALANCE_FACTOR}`);
  const byLocality = message(policy.localityWeightedLbConfig) ?? message(common?.localityWeightedLbConfig);
  const byHostname = consistent.useHostnameForHashing === true || policy.useHostnameForHashing === true;
  if (factor === 0 && byLocality === undefined && !byHostname) return {};
  return { hashing: { balanceFactor: factor, byLocality: byLocality !== undefined, byHostname } };
}
