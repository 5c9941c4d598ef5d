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
import { checkHttpVersion } from './cluster-transport.js';
import { checkConfigSource } from './config-source.js';
import { decodeResource } from './decode-resource.js';
import { type Message, unpackAny } from './descriptors.js';
import { checkIp, type EndpointConfig, readLocalities } from './endpoint.js';
import { message, messages, type Problems, readDuration, text, wrapped } from './fields.js';
import { refuseUnsupported } from './unsupported.js';
import { readUpstreamTls, type UpstreamTlsConfig } from './upstream-tls.js';

/** Where a cluster's endpoints come from. */
export type DiscoveryConfig =
  | { readonly kind: 'eds'; readonly serviceName: string }
  | { readonly kind: 'static'; readonly endpoints: readonly EndpointConfig[] }
  | {
      readonly kind: 'dns';
      readonly endpoints: readonly EndpointConfig[];
      readonly refreshMs: number;
      /** One address at a time stands for all that a name has. */
      readonly logical: boolean;
      readonly family: AddressFamily;
    };

/** Which of a name's addresses count; `prefer`: those of the other kind where there are none of this. */
export type AddressFamily = 'any' | '4' | '6' | 'prefer-4';

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
  return decodeResource('cluster', bytes, readCluster);
}

function readCluster(raw: Message, problems: Problems): ClusterResource {
  refuseUnsupported('envoy.config.cluster.v3.Cluster', raw, '', problems);
  checkHttpVersion(raw, problems);
  const name = text(raw.name);
  if (name === '') problems.add('name', 'is empty');
  return {
    name,
    discovery: readDiscovery(raw, name, problems),
    loadBalancer: readLoadBalancer(raw, problems),
    outlier: readOutlier(raw, problems),
    healthCheck: readHealthCheck(raw, problems),
    limits: readLimits(raw, problems),
    panicThreshold: readPanicThreshold(raw),
    tls: readUpstreamTls(raw, problems),
    connectTimeoutMs:
      readDuration(raw.connectTimeout, 'connect_timeout', problems, 1) ?? DEFAULT_CONNECT_TIMEOUT_MS,
  };
}

function readDiscovery(raw: Message, name: string, problems: Problems): DiscoveryConfig {
  switch (raw.type ?? 'STATIC') {
    case 'EDS': {
      const eds = message(raw.edsClusterConfig) ?? {};
      refuseUnsupported(
        'envoy.config.cluster.v3.Cluster.EdsClusterConfig',
        eds,
        'eds_cluster_config',
        problems,
      );
      checkConfigSource(eds.edsConfig, 'eds_cluster_config.eds_config', problems);
      return { kind: 'eds', serviceName: text(eds.serviceName) || name };
    }
    case 'STATIC':
      return { kind: 'static', endpoints: readEndpoints(raw, checkIp, problems) };
    case 'STRICT_DNS':
    case 'LOGICAL_DNS':
      return readDns(raw, problems);
    default:
      problems.add(
        'type',
        `${String(raw.type)} is not supported; use EDS, STATIC, STRICT_DNS or LOGICAL_DNS`,
      );
      return { kind: 'static', endpoints: [] };
  }
}

function readEndpoints(raw: Message, checkHost: typeof checkIp, problems: Problems) {
  const path = 'load_assignment.endpoints';
  return readLocalities(message(raw.loadAssignment) ?? {}, path, problems, checkHost);
}

const FAMILY: Readonly<Record<string, AddressFamily>> = {
  V4_ONLY: '4',
  V6_ONLY: '6',
  V4_PREFERRED: 'prefer-4',
};

function readDns(raw: Message, problems: Problems): DiscoveryConfig {
  const logical = raw.type === 'LOGICAL_DNS';
  const endpoints = readEndpoints(raw, () => {}, problems);
  if (logical && endpoints.length !== 1)
    problems.add('load_assignment', `has ${endpoints.length} endpoints; of LOGICAL_DNS it must be one`);
  return {
    kind: 'dns',
    endpoints,
    refreshMs: Math.max(
      MIN_DNS_REFRESH_MS,
      readDuration(raw.dnsRefreshRate, 'dns_refresh_rate', problems) ?? DEFAULT_DNS_REFRESH_MS,
    ),
    logical,
    family: FAMILY[text(raw.dnsLookupFamily)] ?? 'any',
  };
}

const LB_PACKAGE = 'envoy.extensions.load_balancing_policies';
/** `lb_policy`, and the type of its settings, which is also their field's name. */
const LEGACY = 'envoy.config.cluster.v3.Cluster';
const LEGACY_CONFIG: Readonly<Record<string, readonly [LoadBalancerKind, type: string]>> = {
  ROUND_ROBIN: ['round-robin', 'RoundRobinLbConfig'],
  LEAST_REQUEST: ['least-request', 'LeastRequestLbConfig'],
  RING_HASH: ['ring-hash', 'RingHashLbConfig'],
  MAGLEV: ['maglev', 'MaglevLbConfig'],
  RANDOM: ['random', ''],
};
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
      if (found === undefined) continue;
      refuseUnsupported(typeName, found, 'load_balancing_policy', problems);
      return loadBalancer(raw, kind, found, 'load_balancing_policy', problems);
    }
  }
  if (policies.length > 0) problems.add('load_balancing_policy', 'names no policy that is supported');
  return readLegacyBalancer(raw, problems);
}

function readLegacyBalancer(raw: Message, problems: Problems): LoadBalancerConfig {
  const known = LEGACY_CONFIG[text(raw.lbPolicy) || 'ROUND_ROBIN'];
  if (known === undefined) {
    problems.add('lb_policy', `${String(raw.lbPolicy)} is not supported`);
    return loadBalancer(raw, 'round-robin', {}, 'lb_policy', problems);
  }
  const [kind, type] = known;
  const config = message(raw[type.charAt(0).toLowerCase() + type.slice(1)]);
  if (config === undefined) return loadBalancer(raw, kind, {}, 'lb_policy', problems);
  const path = `${kind.replace('-', '_')}_lb_config`;
  refuseUnsupported(`${LEGACY}.${type}`, config, path, problems);
  return loadBalancer(raw, kind, config, path, problems);
}

/** Key of our own entry in a cluster's metadata. */
export const CLUSTER_METADATA_KEY = 'roost';

function loadBalancer(
  raw: Message,
  kind: LoadBalancerKind,
  config: Message,
  path: string,
  problems: Problems,
): LoadBalancerConfig {
  checkChoices(config, path, problems);
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
    slowStartMs: readSlowStart(config, path, problems),
    ...hashingConfig(raw, config, problems),
  };
}

/** Least request picks among two; consistent hashing hashes by XXH64. */
function checkChoices(config: Message, path: string, problems: Problems): void {
  const choices = wrapped(config.choiceCount) ?? 2;
  if (choices !== 2) problems.add(`${path}.choice_count`, `${choices} is not supported; it must be 2`);
  if (config.hashFunction === 'MURMUR_HASH_2')
    problems.add(`${path}.hash_function`, 'MURMUR_HASH_2 is not supported; use XX_HASH');
}

const LEAST_BALANCE_FACTOR = 100;

const COMMON_LB_TYPE = 'envoy.config.cluster.v3.Cluster.CommonLbConfig';

/** In the cluster with `lb_policy`, in the policy with `load_balancing_policy`. */
function hashingConfig(
  raw: Message,
  policy: Message,
  problems: Problems,
): Pick<LoadBalancerConfig, 'hashing'> {
  const common = message(raw.commonLbConfig);
  refuseUnsupported(COMMON_LB_TYPE, common ?? {}, 'common_lb_config', problems);
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
