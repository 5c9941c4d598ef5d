import { packAny } from '../../../src/xds/descriptors.js';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../../src/xds/listener.js';
import { FILTER_CONFIG_TYPE } from '../../../src/xds/policy.js';
import { fault, filterConfig, ownCertificate, policies, systemTrust, unknown } from './honoured-fields.js';
import {
  CLUSTER,
  CORE,
  ENDPOINT,
  type Fields,
  HTTP_OPTIONS,
  LB,
  LISTENER,
  MANAGER_PACKAGE,
  ROUTE,
  TLS,
} from './packages.js';

const choices = { taken: [{ choiceCount: { value: 2 } }], refused: [{ choiceCount: { value: 3 } }] };
const smallestRings = {
  taken: [{ minimumRingSize: { value: 7 }, maximumRingSize: { value: 7 } }],
  refused: [{ minimumRingSize: { value: 8 }, maximumRingSize: { value: 7 } }],
};
const largestRings = {
  taken: [{ maximumRingSize: { value: 8_388_608 } }],
  refused: [{ maximumRingSize: { value: 8_388_609 } }],
};
const tables = {
  taken: [{ tableSize: { value: 7 } }, { tableSize: { value: 5_000_011 } }],
  refused: [{ tableSize: { value: 9 } }, { tableSize: { value: 5_000_077 } }],
};
const enabled = {
  taken: [{}, { enabled: { value: true } }],
  refused: [{ enabled: { value: false } }],
};
const upgrades = {
  taken: [{ upgradeConfigs: [{ upgradeType: 'websocket' }] }],
  refused: [{ upgradeConfigs: [{ enabled: { value: false } }] }],
};
const sources = { taken: [{ ads: {} }, { self: {} }], refused: [] };
const appended = (appendAction: string) => ({ appendAction });
const transport = (type: string) => ({
  transportSocket: {
    name: 'x',
    typedConfig: {
      typeUrl: `type.googleapis.com/envoy.extensions.transport_sockets.${type}`,
      value: Buffer.from([]),
    },
  },
});
const RAW = 'raw_buffer.v3.RawBuffer';
const QUIC = 'quic.v3.QuicUpstreamTransport';

/** Fields of which only some values are honoured, some that are, and some that are refused. */
export const LIMITED: Readonly<
  Record<string, { readonly taken: readonly Fields[]; readonly refused: readonly Fields[] }>
> = {
  [`${LISTENER}.Listener.traffic_direction`]: {
    taken: [{ trafficDirection: 'OUTBOUND' }, {}],
    refused: [{ trafficDirection: 'INBOUND' }],
  },
  [`${LISTENER}.FilterChain.filter_chain_match`]: {
    taken: [{ filterChainMatch: Buffer.from([]) }],
    refused: [{ filterChainMatch: Buffer.from([0x42, 0]) }],
  },
  [`${LISTENER}.Filter.typed_config`]: {
    taken: [{}],
    refused: [],
  },
  [`${MANAGER_PACKAGE}.HttpFilter.typed_config`]: { taken: [{ typedConfig: fault }], refused: [] },
  [`${MANAGER_PACKAGE}.HttpFilter.is_optional`]: {
    taken: [{ typedConfig: unknown, isOptional: true }],
    refused: [],
  },
  [`${FILTER_CONFIG_TYPE}.is_optional`]: { taken: [{ config: unknown, isOptional: true }], refused: [] },
  [`${ENDPOINT}.ClusterLoadAssignment.policy`]: {
    taken: [{ policy: {} }],
    refused: [{ policy: { dropOverloads: [{ category: 'x' }] } }],
  },
  [`${HTTP_CONNECTION_MANAGER_TYPE}.upgrade_configs`]: upgrades,
  [`${ROUTE}.RouteAction.upgrade_configs`]: upgrades,
  [`${HTTP_CONNECTION_MANAGER_TYPE}.UpgradeConfig.enabled`]: enabled,
  [`${ROUTE}.RouteAction.UpgradeConfig.enabled`]: enabled,
  [`${ROUTE}.WeightedCluster.total_weight`]: {
    taken: [{ totalWeight: { value: 1 } }],
    refused: [{ totalWeight: { value: 2 } }],
  },
  [`${ROUTE}.WeightedCluster.ClusterWeight.typed_per_filter_config`]: {
    taken: [
      { typedPerFilterConfig: { a: filterConfig({ isOptional: true, config: unknown }) } },
      { typedPerFilterConfig: { a: filterConfig({ disabled: true }) } },
    ],
    refused: [{ typedPerFilterConfig: { a: unknown } }, { typedPerFilterConfig: { fault } }],
  },
  [`${ROUTE}.RetryPolicy.retry_on`]: {
    taken: ['connect-failure, reset', 'refused-stream,unavailable,retriable-headers', 'retriable-4xx'].map(
      (retryOn) => ({ retryOn }),
    ),
    refused: [{ retryOn: '5xx,reset-before-request' }],
  },
  [`${ROUTE}.RetryPolicy.retry_host_predicate`]: {
    taken: [{ retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }] }],
    refused: [{ retryHostPredicate: [{ name: 'envoy.retry_host_predicates.omit_canary_hosts' }] }],
  },
  [`${ROUTE}.RetryPolicy.retriable_request_headers`]: {
    taken: [{ retriableRequestHeaders: [{ name: ':method', exactMatch: 'GET' }] }],
    refused: [
      { retriableRequestHeaders: [{ name: 'x-retry', presentMatch: true }] },
      { retriableRequestHeaders: [{ name: ':method', prefixMatch: 'G' }] },
    ],
  },
  [`${CORE}.HeaderValueOption.append_action`]: {
    taken: ['APPEND_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS_OR_ADD'].map(appended),
    refused: ['ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS'].map(appended),
  },
  [`${CORE}.HeaderValue.key`]: { taken: [{ key: 'x-a' }], refused: [{ key: 'x y' }] },
  [`${CORE}.HeaderValue.value`]: { taken: [{ value: '100%%' }], refused: [{ value: '%REQ(x)%' }] },

  [`${CLUSTER}.Cluster.type`]: {
    taken: [{ type: 'STATIC' }, { type: 'STRICT_DNS' }],
    refused: [{ type: 'ORIGINAL_DST' }],
  },
  [`${CLUSTER}.Cluster.lb_policy`]: {
    taken: ['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', 'RING_HASH', 'MAGLEV'].map((lbPolicy) => ({
      lbPolicy,
    })),
    refused: [{ lbPolicy: 'CLUSTER_PROVIDED' }],
  },
  [`${CLUSTER}.Cluster.load_balancing_policy`]: {
    taken: [{ loadBalancingPolicy: policies('maglev.v3.Maglev') }],
    refused: [{ loadBalancingPolicy: policies('none.v1.Unknown') }],
  },
  [`${CLUSTER}.Cluster.transport_socket`]: { taken: [transport(RAW)], refused: [transport(QUIC)] },
  [`${CLUSTER}.Cluster.typed_extension_protocol_options`]: {
    taken: [
      { typedExtensionProtocolOptions: { h: packAny(HTTP_OPTIONS, { useDownstreamProtocolConfig: {} }) } },
    ],
    refused: [{ typedExtensionProtocolOptions: { h: unknown } }],
  },
  [`${CLUSTER}.Cluster.health_checks`]: {
    taken: [{ healthChecks: [{ tcpHealthCheck: {} }] }],
    refused: [{ healthChecks: [{ tcpHealthCheck: {} }, { tcpHealthCheck: {} }] }],
  },
  [`${CLUSTER}.Cluster.EdsClusterConfig.eds_config`]: {
    taken: [{ edsConfig: { ads: {} } }, {}],
    refused: [{ edsConfig: { path: '/etc/eds' } }],
  },
  [`${MANAGER_PACKAGE}.Rds.config_source`]: {
    taken: [{ configSource: { self: {} } }],
    refused: [{ configSource: { path: '/etc/rds' } }],
  },
  [`${CORE}.ConfigSource.ads`]: sources,
  [`${CORE}.ConfigSource.self`]: sources,
  [`${CLUSTER}.Cluster.LeastRequestLbConfig.choice_count`]: choices,
  [`${LB}.least_request.v3.LeastRequest.choice_count`]: choices,
  [`${CLUSTER}.Cluster.RingHashLbConfig.minimum_ring_size`]: smallestRings,
  [`${LB}.ring_hash.v3.RingHash.minimum_ring_size`]: smallestRings,
  [`${CLUSTER}.Cluster.RingHashLbConfig.maximum_ring_size`]: largestRings,
  [`${LB}.ring_hash.v3.RingHash.maximum_ring_size`]: largestRings,
  [`${CLUSTER}.Cluster.MaglevLbConfig.table_size`]: tables,
  [`${LB}.maglev.v3.Maglev.table_size`]: tables,
  [`${CLUSTER}.Cluster.RingHashLbConfig.hash_function`]: {
    taken: [{ hashFunction: 'XX_HASH' }],
    refused: [{ hashFunction: 'MURMUR_HASH_2' }],
  },
  [`${LB}.ring_hash.v3.RingHash.hash_function`]: {
    taken: [{ hashFunction: 'XX_HASH' }, { hashFunction: 'DEFAULT_HASH' }],
    refused: [{ hashFunction: 'MURMUR_HASH_2' }],
  },
  [`${CORE}.TransportSocket.typed_config`]: { taken: [{}], refused: [] },
  [`${TLS}.CommonTlsContext.tls_certificates`]: {
    taken: [{ tlsCertificates: [ownCertificate] }],
    refused: [
      { tlsCertificates: [ownCertificate, ownCertificate] },
      { tlsCertificates: [{ ...ownCertificate, privateKey: { inlineString: 'k' } }] },
    ],
  },
  [`${TLS}.CommonTlsContext.validation_context`]: {
    taken: [systemTrust],
    refused: [{ validationContext: {} }],
  },
  [`${TLS}.SubjectAltNameMatcher.san_type`]: {
    taken: [{ sanType: 'IP_ADDRESS' }],
    refused: [],
  },
  [`${TLS}.SubjectAltNameMatcher.matcher`]: { taken: [{ matcher: { exact: 'b' } }], refused: [] },
  [`${HTTP_OPTIONS}.explicit_http_config`]: {
    taken: [
      { explicitHttpConfig: { httpProtocolOptions: Buffer.from([]) } },
      { explicitHttpConfig: { http2ProtocolOptions: Buffer.from([]) } },
    ],
    refused: [{ explicitHttpConfig: { http3ProtocolOptions: Buffer.from([]) } }],
  },
  [`${HTTP_OPTIONS}.use_downstream_protocol_config`]: {
    taken: [{ useDownstreamProtocolConfig: { http2ProtocolOptions: Buffer.from([]) } }],
    refused: [],
  },
  [`${HTTP_OPTIONS}.ExplicitHttpConfig.http_protocol_options`]: {
    taken: [{ httpProtocolOptions: Buffer.from([]) }],
    refused: [],
  },
  [`${HTTP_OPTIONS}.ExplicitHttpConfig.http2_protocol_options`]: {
    taken: [{ http2ProtocolOptions: Buffer.from([]) }],
    refused: [],
  },
  [`${CLUSTER}.OutlierDetection.enforcing_consecutive_5xx`]: {
    taken: [{ enforcingConsecutive_5xx: { value: 100 } }],
    refused: [{ enforcingConsecutive_5xx: { value: 50 } }],
  },
  [`${CLUSTER}.OutlierDetection.enforcing_success_rate`]: {
    taken: [{ enforcingSuccessRate: { value: 100 } }],
    refused: [{ enforcingSuccessRate: { value: 50 } }],
  },
  [`${CORE}.HealthCheck.HttpHealthCheck.method`]: {
    taken: [{ method: 'GET' }],
    refused: [{ method: 'HEAD' }],
  },
  [`${CORE}.HealthCheck.HttpHealthCheck.codec_client_type`]: {
    taken: [{ codecClientType: 'HTTP1' }, { codecClientType: 'HTTP2' }],
    refused: [{ codecClientType: 'HTTP3' }],
  },
};

/** What a message of some types cannot be without, as a sidecar says it of an empty one. */
export const NEEDED: Readonly<Record<string, readonly string[]>> = {
  [FILTER_CONFIG_TYPE]: [
    'virtual_hosts[0].routes[0].typed_per_filter_config.fault: nothing is not supported here',
  ],
};
