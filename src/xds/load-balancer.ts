import { DEFAULT_MAGLEV_TABLE_SIZE } from '../hashing/maglev.js';
import { DEFAULT_RING_SIZE, type RingSize } from '../hashing/ring.js';
import { hasPromise } from './cluster-metadata.js';
import { readSlowStart } from './cluster-protection.js';
import { type Message, unpackAny } from './descriptors.js';
import { message, messages, type Problems, text, wrapped } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

export type LoadBalancerKind = 'round-robin' | 'least-request' | 'random' | 'ring-hash' | 'maglev';

export interface LoadBalancerConfig {
  readonly kind: LoadBalancerKind;
  /** Ring hash: bounds on the entries, or in proportion to the endpoints (`proportionalRingSize`). */
  readonly ringSize: RingSize | 'proportional';
  /** Maglev: slots, a prime. */
  readonly tableSize: number;
  /** Time over which a new endpoint's share grows to its weight; 0: it has it at once. */
  readonly slowStartMs: number;
  /** Undefined: as Envoy has it by default. */
  readonly hashing?: HashingConfig | undefined;
}

/** What makes picking differ from Envoy's defaults. */
export interface HashingConfig {
  /** Most requests in flight that an endpoint may have, in percent of the average; 0: any number. */
  readonly balanceFactor: number;
  /** Localities have weights of their own, for picks by load as well. */
  readonly byLocality: boolean;
  /** Endpoints are hashed by hostname, where they have one. */
  readonly byHostname: boolean;
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
const WRR_LOCALITY = `${LB_PACKAGE}.wrr_locality.v3.WrrLocality`;
const LOCALITY_LB = `${LB_PACKAGE}.common.v3.LocalityLbConfig`;
const POLICY_TYPES: readonly [string, LoadBalancerKind][] = [
  [`${LB_PACKAGE}.ring_hash.v3.RingHash`, 'ring-hash'],
  [`${LB_PACKAGE}.maglev.v3.Maglev`, 'maglev'],
  [`${LB_PACKAGE}.least_request.v3.LeastRequest`, 'least-request'],
  [`${LB_PACKAGE}.round_robin.v3.RoundRobin`, 'round-robin'],
];

/** `load_balancing_policy` wins over `lb_policy`; of its list, the first that is known. */
export function readLoadBalancer(raw: Message, problems: Problems): LoadBalancerConfig {
  const policies = messages(message(raw.loadBalancingPolicy)?.policies);
  const known = readPolicies(raw, policies, problems);
  if (known !== undefined) return known;
  if (policies.length > 0) problems.add('load_balancing_policy', 'names no policy that is supported');
  return readLegacyBalancer(raw, problems);
}

function readPolicies(
  raw: Message,
  policies: readonly Message[],
  problems: Problems,
): LoadBalancerConfig | undefined {
  for (const policy of policies) {
    const typed = message(policy.typedExtensionConfig)?.typedConfig ?? {};
    const byLocality = readWrrLocality(raw, unpackAny(typed, WRR_LOCALITY), problems);
    if (byLocality !== undefined) return byLocality;
    for (const [typeName, kind] of POLICY_TYPES) {
      const found = unpackAny(typed, typeName);
      if (found === undefined) continue;
      refuseUnsupported(typeName, found, 'load_balancing_policy', problems);
      return loadBalancer(raw, kind, found, 'load_balancing_policy', problems);
    }
  }
  return undefined;
}

/** Localities by their weights; within them, what the policy has inside. */
function readWrrLocality(
  raw: Message,
  policy: Message | undefined,
  problems: Problems,
): LoadBalancerConfig | undefined {
  if (policy === undefined) return undefined;
  refuseUnsupported(WRR_LOCALITY, policy, 'load_balancing_policy', problems);
  const inner = readPolicies(raw, messages(message(policy.endpointPickingPolicy)?.policies), problems);
  return inner && { ...inner, hashing: { ...(inner.hashing ?? PLAIN_HASHING), byLocality: true } };
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

function loadBalancer(
  raw: Message,
  kind: LoadBalancerKind,
  config: Message,
  path: string,
  problems: Problems,
): LoadBalancerConfig {
  checkChoices(config, path, problems);
  const size = readRingSize(config, path, problems);
  return {
    kind,
    ringSize: hasPromise(raw, 'proportionalRing') ? 'proportional' : size,
    tableSize: readTableSize(config, path, problems),
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

const PLAIN_HASHING: HashingConfig = { balanceFactor: 0, byLocality: false, byHostname: false };
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
  const locality = message(policy.localityLbConfig) ?? {};
  refuseUnsupported(LOCALITY_LB, locality, 'load_balancing_policy.locality_lb_config', problems);
  const byLocality =
    message(policy.localityWeightedLbConfig) ??
    message(locality.localityWeightedLbConfig) ??
    message(common?.localityWeightedLbConfig);
  const byHostname = consistent.useHostnameForHashing === true || policy.useHostnameForHashing === true;
  if (factor === 0 && byLocality === undefined && !byHostname) return {};
  return { hashing: { balanceFactor: factor, byLocality: byLocality !== undefined, byHostname } };
}

/** Envoy's bounds: tables of a hundred megabytes and more. */
const MAX_RING_SIZE = 8_388_608;
const MAX_TABLE_SIZE = 5_000_011;

function readRingSize(config: Message, path: string, problems: Problems): RingSize {
  const min = wrapped(config.minimumRingSize) ?? DEFAULT_RING_SIZE.min;
  const max = wrapped(config.maximumRingSize) ?? DEFAULT_RING_SIZE.max;
  if (max > MAX_RING_SIZE) problems.add(`${path}.maximum_ring_size`, `${max} is more than ${MAX_RING_SIZE}`);
  else if (min > max) problems.add(`${path}.minimum_ring_size`, `${min} is more than the maximum, ${max}`);
  return { min, max };
}

/** In a table of any other size hosts would look for free slots for ever. */
function readTableSize(config: Message, path: string, problems: Problems): number {
  const size = wrapped(config.tableSize) ?? DEFAULT_MAGLEV_TABLE_SIZE;
  if (!isPrime(size) || size > MAX_TABLE_SIZE)
    problems.add(`${path}.table_size`, `${size} is not a prime number up to ${MAX_TABLE_SIZE}`);
  return size;
}

function isPrime(number: number): boolean {
  if (number < 2) return false;
  for (let divisor = 2; divisor * divisor <= Math.min(number, MAX_TABLE_SIZE); divisor++)
    if (number % divisor === 0) return false;
  return true;
}
