import { type Confinement, readConfinement } from './cluster-metadata.js';
import {
  type HealthCheckConfig,
  type LimitsConfig,
  type OutlierConfig,
  readHealthCheck,
  readLimits,
  readOutlier,
  readPanicThreshold,
} from './cluster-protection.js';
import { readProtocol } from './cluster-transport.js';
import { checkConfigSource } from './config-source.js';
import { decodeResource } from './decode-resource.js';
import type { Message } from './descriptors.js';
import { checkIp, type EndpointConfig, readLocalities } from './endpoint.js';
import { message, type Problems, readDuration, text } from './fields.js';
import { type LoadBalancerConfig, readLoadBalancer } from './load-balancer.js';
import { readUpstreamTls, type UpstreamTlsConfig } from './tls-config.js';
import { refuseUnsupported } from './unsupported.js';

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
  /** What endpoints are spoken to with. */
  readonly protocol: 'http1' | 'http2';
  /** Undefined: endpoints are reached in plain text. */
  readonly tls: UpstreamTlsConfig | undefined;
  /** Undefined: endpoints may be anywhere. */
  readonly confinement?: Confinement | undefined;
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
    protocol: readProtocol(raw, problems),
    tls: readUpstreamTls(raw, problems),
    confinement: readConfinement(raw),
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
