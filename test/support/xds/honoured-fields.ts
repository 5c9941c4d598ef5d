import { packAny } from '../../../src/xds/descriptors.js';
import { FAULT_TYPE } from '../../../src/xds/fault.js';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../../src/xds/listener.js';
import { FILTER_CONFIG_TYPE } from '../../../src/xds/policy.js';
import { ADS, managerWith, ROUTER } from './carriers.js';

/** Fields of a message, as `CARRIERS` takes them. */
type Fields = Readonly<Record<string, unknown>>;

const MANAGER_PACKAGE = HTTP_CONNECTION_MANAGER_TYPE.slice(0, HTTP_CONNECTION_MANAGER_TYPE.lastIndexOf('.'));
const LISTENER = 'envoy.config.listener.v3';
const ROUTE = 'envoy.config.route.v3';
const CLUSTER = 'envoy.config.cluster.v3';
const ENDPOINT = 'envoy.config.endpoint.v3';
const CORE = 'envoy.config.core.v3';
const LB = 'envoy.extensions.load_balancing_policies';
const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const systemTrust = { validationContext: { systemRootCerts: {} } };
const ownCertificate = { certificateChain: { filename: '/c' }, privateKey: { filename: '/k' } };
const managerFilter = { name: 'http', typedConfig: packAny(HTTP_CONNECTION_MANAGER_TYPE, managerWith({})) };
const fault = packAny(FAULT_TYPE, { abort: { httpStatus: 503, percentage: { numerator: 1 } } });
const unknown = { typeUrl: 'type.googleapis.com/some.Filter', value: Buffer.from([]) };
const filterConfig = (fields: object) => packAny(FILTER_CONFIG_TYPE, fields);
const perFilter = { fields: { typedPerFilterConfig: { fault } } };
const header = { key: 'k', value: 'v' };
const mirrors = { fields: { requestMirrorPolicies: [{ cluster: 'm' }] } };
const headersToAdd = (which: string) => ({ fields: { [`${which}HeadersToAdd`]: [{ header }] } });
/** A change at two levels, which of them is made last. */
const levels = (mostSpecificHeaderMutationsWins: boolean) => ({
  mostSpecificHeaderMutationsWins,
  requestHeadersToRemove: ['a'],
  virtualHosts: [
    {
      domains: ['d'],
      requestHeadersToRemove: ['b'],
      routes: [{ match: { prefix: '/' }, route: { cluster: 'c' } }],
    },
  ],
});
const regexRewrite = { fields: { regexRewrite: { pattern: { regex: 'a' }, substitution: 'b' } } };
const percentageOf = (fields: Fields) => ({
  without: fields,
  fields: { ...fields, percentage: { numerator: 7 } },
});
const socket = (address: string, portValue: number) => ({ socketAddress: { address, portValue } });
const slowStart = { fields: { slowStartConfig: { slowStartWindow: { seconds: 7 } } } };
const hashing = { fields: { consistentHashingLbConfig: { hashBalanceFactor: { value: 150 } } } };

/** Where it takes more than any value to show that a field is honoured: fields that make a difference, and to what. */
export const HONOURED: Readonly<Record<string, { readonly fields: Fields; readonly without?: Fields }>> = {
  [`${LISTENER}.Listener.api_listener`]: {
    fields: {
      apiListener: {
        apiListener: packAny(
          HTTP_CONNECTION_MANAGER_TYPE,
          managerWith({ streamIdleTimeout: { seconds: 1 } }),
        ),
      },
    },
  },
  [`${LISTENER}.Listener.filter_chains`]: {
    fields: { filterChains: [{ filters: [managerFilter, managerFilter] }] },
  },
  [`${LISTENER}.Listener.default_filter_chain`]: {
    fields: { defaultFilterChain: { filters: [managerFilter] } },
  },
  [`${LISTENER}.FilterChain.filters`]: { fields: { filters: [managerFilter, managerFilter] } },
  [`${HTTP_CONNECTION_MANAGER_TYPE}.rds`]: {
    fields: { rds: { routeConfigName: 'others', configSource: ADS } },
  },
  [`${HTTP_CONNECTION_MANAGER_TYPE}.route_config`]: {
    fields: { rds: undefined, routeConfig: { name: 'inside' } },
  },
  [`${HTTP_CONNECTION_MANAGER_TYPE}.http_filters`]: {
    fields: { httpFilters: [{ name: 'f', typedConfig: fault }, ROUTER] },
  },
  [`${HTTP_CONNECTION_MANAGER_TYPE}.common_http_protocol_options`]: {
    fields: { commonHttpProtocolOptions: { maxStreamDuration: { seconds: 1 } } },
  },
  [`${MANAGER_PACKAGE}.HttpFilter.typed_config`]: { fields: { typedConfig: fault } },
  [`${MANAGER_PACKAGE}.HttpFilter.disabled`]: {
    without: { typedConfig: fault },
    fields: { typedConfig: fault, disabled: true },
  },

  [`${ROUTE}.RouteConfiguration.virtual_hosts`]: {
    fields: { virtualHosts: [{ name: 'w', domains: ['e'] }] },
  },
  [`${ROUTE}.RouteConfiguration.most_specific_header_mutations_wins`]: {
    without: levels(false),
    fields: levels(true),
  },
  [`${ROUTE}.RouteConfiguration.request_mirror_policies`]: mirrors,
  [`${ROUTE}.RouteConfiguration.typed_per_filter_config`]: perFilter,
  [`${ROUTE}.RouteConfiguration.request_headers_to_add`]: headersToAdd('request'),
  [`${ROUTE}.RouteConfiguration.response_headers_to_add`]: headersToAdd('response'),
  [`${ROUTE}.VirtualHost.routes`]: {
    fields: { routes: [{ match: { prefix: '/b' }, route: { cluster: 'c' } }] },
  },
  [`${ROUTE}.VirtualHost.request_headers_to_add`]: headersToAdd('request'),
  [`${ROUTE}.VirtualHost.response_headers_to_add`]: headersToAdd('response'),
  [`${ROUTE}.VirtualHost.typed_per_filter_config`]: perFilter,
  [`${ROUTE}.VirtualHost.retry_policy`]: { fields: { retryPolicy: { retryOn: '5xx' } } },
  [`${ROUTE}.VirtualHost.request_mirror_policies`]: mirrors,
  [`${ROUTE}.Route.match`]: { fields: { match: { prefix: '/b' } } },
  [`${ROUTE}.Route.route`]: { fields: { route: { cluster: 'd' } } },
  [`${ROUTE}.Route.redirect`]: { fields: { route: undefined, redirect: { hostRedirect: 'x' } } },
  [`${ROUTE}.Route.request_headers_to_add`]: headersToAdd('request'),
  [`${ROUTE}.Route.response_headers_to_add`]: headersToAdd('response'),
  [`${ROUTE}.Route.typed_per_filter_config`]: perFilter,
  [`${ROUTE}.RouteMatch.case_sensitive`]: { fields: { caseSensitive: { value: false } } },
  [`${ROUTE}.RouteMatch.runtime_fraction`]: {
    fields: { runtimeFraction: { defaultValue: { numerator: 7 } } },
  },
  [`${ROUTE}.RouteMatch.headers`]: { fields: { headers: [{ name: 'h' }] } },
  [`${ROUTE}.RouteMatch.query_parameters`]: { fields: { queryParameters: [{ name: 'q' }] } },
  [`${ROUTE}.HeaderMatcher.present_match`]: {
    fields: { presentMatch: false },
    without: { presentMatch: true },
  },
  [`${ROUTE}.HeaderMatcher.string_match`]: { fields: { stringMatch: { exact: 'a' } } },
  [`${ROUTE}.HeaderMatcher.safe_regex_match`]: { fields: { safeRegexMatch: { regex: 'a' } } },
  [`${ROUTE}.QueryParameterMatcher.string_match`]: { fields: { stringMatch: { exact: 'a' } } },
  [`${ROUTE}.QueryParameterMatcher.present_match`]: {
    fields: { presentMatch: false },
    without: { presentMatch: true },
  },
  'envoy.type.matcher.v3.StringMatcher.prefix': { fields: { exact: undefined, prefix: 'a' } },
  'envoy.type.matcher.v3.StringMatcher.suffix': { fields: { exact: undefined, suffix: 'a' } },
  'envoy.type.matcher.v3.StringMatcher.contains': { fields: { exact: undefined, contains: 'a' } },
  'envoy.type.matcher.v3.StringMatcher.safe_regex': {
    fields: { exact: undefined, safeRegex: { regex: 'a' } },
  },
  [`${ROUTE}.RouteAction.weighted_clusters`]: {
    fields: { cluster: undefined, weightedClusters: { clusters: [{ name: 'd', weight: { value: 7 } }] } },
  },
  [`${ROUTE}.RouteAction.regex_rewrite`]: regexRewrite,
  [`${ROUTE}.RouteAction.retry_policy`]: { fields: { retryPolicy: { retryOn: '5xx' } } },
  [`${ROUTE}.RouteAction.request_mirror_policies`]: mirrors,
  [`${ROUTE}.RouteAction.hash_policy`]: { fields: { hashPolicy: [{ header: { headerName: 'h' } }] } },
  [`${ROUTE}.RouteAction.max_stream_duration`]: {
    fields: { maxStreamDuration: { maxStreamDuration: { seconds: 1 } } },
  },
  [`${ROUTE}.RouteAction.RequestMirrorPolicy.runtime_fraction`]: {
    fields: { runtimeFraction: { defaultValue: { numerator: 7 } } },
  },
  [`${ROUTE}.WeightedCluster.clusters`]: { fields: { clusters: [{ name: 'd', weight: { value: 7 } }] } },
  [`${ROUTE}.WeightedCluster.ClusterWeight.request_headers_to_add`]: headersToAdd('request'),
  [`${ROUTE}.WeightedCluster.ClusterWeight.response_headers_to_add`]: headersToAdd('response'),
  [`${ROUTE}.RetryPolicy.retry_on`]: { fields: { retryOn: 'reset' } },
  [`${ROUTE}.RetryPolicy.retriable_status_codes`]: {
    without: { retryOn: 'retriable-status-codes' },
    fields: { retryOn: 'retriable-status-codes', retriableStatusCodes: [429] },
  },
  [`${ROUTE}.RetryPolicy.retry_back_off`]: { fields: { retryBackOff: { baseInterval: { seconds: 1 } } } },
  [`${ROUTE}.RetryPolicy.retriable_request_headers`]: {
    fields: { retriableRequestHeaders: [{ name: ':method', stringMatch: { exact: 'GET' } }] },
  },
  [`${ROUTE}.RedirectAction.scheme_redirect`]: { fields: { schemeRedirect: 'https' } },
  [`${ROUTE}.RedirectAction.path_redirect`]: { fields: { pathRedirect: '/x' } },
  [`${ROUTE}.RedirectAction.regex_rewrite`]: regexRewrite,
  [`${CORE}.HeaderValueOption.header`]: { fields: { header: { key: 'other', value: 'v' } } },
  [`${CORE}.HeaderValueOption.append`]: { fields: { append: { value: false } } },
  [`${CORE}.HeaderValueOption.append_action`]: { fields: { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' } },
  [`${CORE}.HeaderValueOption.keep_empty_value`]: {
    without: { header: { key: 'k' } },
    fields: { header: { key: 'k' }, keepEmptyValue: true },
  },
  [`${CORE}.HeaderValue.key`]: { fields: { key: 'other' } },
  [`${CORE}.HeaderValue.value`]: { fields: { value: 'other' } },
  [`${FILTER_CONFIG_TYPE}.config`]: { without: { isOptional: true }, fields: { config: fault } },
  [`${FILTER_CONFIG_TYPE}.disabled`]: {
    without: { config: fault },
    fields: { config: fault, disabled: true },
  },
  [`${FAULT_TYPE}.delay`]: { fields: { delay: { fixedDelay: { seconds: 1 } } } },
  [`${FAULT_TYPE}.abort`]: { fields: { abort: { httpStatus: 503 } } },
  'envoy.extensions.filters.common.fault.v3.FaultDelay.percentage': percentageOf({
    fixedDelay: { seconds: 1 },
  }),
  'envoy.extensions.filters.http.fault.v3.FaultAbort.http_status': { fields: { httpStatus: 404 } },
  'envoy.extensions.filters.http.fault.v3.FaultAbort.percentage': percentageOf({ httpStatus: 503 }),

  [`${CLUSTER}.Cluster.type`]: { fields: { type: 'STATIC' } },
  [`${CLUSTER}.Cluster.eds_cluster_config`]: {
    fields: { edsClusterConfig: { serviceName: 's', edsConfig: ADS } },
  },
  [`${CLUSTER}.Cluster.lb_policy`]: { fields: { lbPolicy: 'MAGLEV' } },
  [`${CLUSTER}.Cluster.load_balancing_policy`]: {
    fields: {
      loadBalancingPolicy: policies('none.v1.Unknown', 'maglev.v3.Maglev', 'round_robin.v3.RoundRobin'),
    },
  },
  [`${CLUSTER}.Cluster.load_assignment`]: {
    without: { type: 'STATIC' },
    fields: {
      type: 'STATIC',
      loadAssignment: { endpoints: [{ lbEndpoints: [{ endpoint: { address: socket('10.0.0.1', 80) } }] }] },
    },
  },
  [`${CLUSTER}.Cluster.health_checks`]: { fields: { healthChecks: [{ tcpHealthCheck: {} }] } },
  [`${CLUSTER}.Cluster.circuit_breakers`]: {
    fields: { circuitBreakers: { thresholds: [{ maxRequests: { value: 7 } }] } },
  },
  [`${CLUSTER}.Cluster.dns_refresh_rate`]: {
    without: { type: 'STRICT_DNS' },
    fields: { type: 'STRICT_DNS', dnsRefreshRate: { seconds: 7 } },
  },
  [`${CLUSTER}.Cluster.dns_lookup_family`]: {
    without: { type: 'STRICT_DNS' },
    fields: { type: 'STRICT_DNS', dnsLookupFamily: 'V4_ONLY' },
  },
  [`${CLUSTER}.Cluster.ring_hash_lb_config`]: {
    without: { lbPolicy: 'RING_HASH' },
    fields: { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: { value: 7 } } },
  },
  [`${CLUSTER}.Cluster.maglev_lb_config`]: {
    without: { lbPolicy: 'MAGLEV' },
    fields: { lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: { value: 7 } } },
  },
  [`${CLUSTER}.Cluster.least_request_lb_config`]: {
    without: { lbPolicy: 'LEAST_REQUEST' },
    fields: { lbPolicy: 'LEAST_REQUEST', leastRequestLbConfig: slowStart.fields },
  },
  [`${CLUSTER}.Cluster.round_robin_lb_config`]: { fields: { roundRobinLbConfig: slowStart.fields } },
  [`${CLUSTER}.Cluster.common_lb_config`]: {
    fields: { commonLbConfig: { healthyPanicThreshold: { value: 7 } } },
  },
  [`${CLUSTER}.Cluster.metadata`]: {
    fields: {
      metadata: { filterMetadata: { roost: { fields: { proportionalRing: { boolValue: true } } } } },
    },
  },
  [`${CLUSTER}.Cluster.CommonLbConfig.consistent_hashing_lb_config`]: hashing,
  [`${CLUSTER}.Cluster.LeastRequestLbConfig.slow_start_config`]: slowStart,
  [`${CLUSTER}.Cluster.RoundRobinLbConfig.slow_start_config`]: slowStart,
  [`${LB}.least_request.v3.LeastRequest.slow_start_config`]: slowStart,
  [`${LB}.round_robin.v3.RoundRobin.slow_start_config`]: slowStart,
  [`${LB}.ring_hash.v3.RingHash.hash_balance_factor`]: { fields: { hashBalanceFactor: { value: 150 } } },
  [`${LB}.ring_hash.v3.RingHash.consistent_hashing_lb_config`]: hashing,
  [`${LB}.maglev.v3.Maglev.consistent_hashing_lb_config`]: hashing,
  [`${LB}.common.v3.ConsistentHashingLbConfig.hash_balance_factor`]: {
    fields: { hashBalanceFactor: { value: 150 } },
  },
  [`${TLS}.UpstreamTlsContext.common_tls_context`]: {
    fields: { commonTlsContext: { ...systemTrust, tlsCertificates: [ownCertificate] } },
  },
  [`${TLS}.CommonTlsContext.tls_certificates`]: { fields: { tlsCertificates: [ownCertificate] } },
  [`${TLS}.CommonTlsContext.validation_context`]: {
    fields: { validationContext: { trustedCa: { filename: '/ca' } } },
  },
  [`${TLS}.CertificateValidationContext.trusted_ca`]: { fields: { trustedCa: { filename: '/ca' } } },
  [`${TLS}.CertificateValidationContext.system_root_certs`]: {
    without: { trustedCa: { filename: '/ca' }, systemRootCerts: undefined },
    fields: { systemRootCerts: {} },
  },
  [`${TLS}.CertificateValidationContext.match_typed_subject_alt_names`]: {
    fields: { matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: 'a' } }] },
  },
  [`${TLS}.SubjectAltNameMatcher.matcher`]: { fields: { matcher: { exact: 'b' } } },
  [`${TLS}.TlsCertificate.certificate_chain`]: { fields: { certificateChain: { filename: '/d' } } },
  [`${TLS}.TlsCertificate.private_key`]: { fields: { privateKey: { filename: '/d' } } },
  [`${CORE}.DataSource.inline_bytes`]: { fields: { inlineBytes: Buffer.from('pem') } },
  [`${CLUSTER}.OutlierDetection.enforcing_consecutive_5xx`]: {
    fields: { enforcingConsecutive_5xx: { value: 0 } },
  },
  [`${CLUSTER}.OutlierDetection.enforcing_success_rate`]: { fields: { enforcingSuccessRate: { value: 0 } } },
  [`${CLUSTER}.OutlierDetection.successful_active_health_check_uneject_host`]: {
    fields: { successfulActiveHealthCheckUnejectHost: { value: false } },
  },
  [`${CLUSTER}.CircuitBreakers.thresholds`]: { fields: { thresholds: [{ maxRequests: { value: 7 } }] } },
  [`${CLUSTER}.CircuitBreakers.per_host_thresholds`]: {
    fields: { perHostThresholds: [{ maxConnections: { value: 7 } }] },
  },
  [`${CLUSTER}.CircuitBreakers.Thresholds.priority`]: { fields: { priority: 'HIGH' } },
  [`${CORE}.HealthCheck.http_health_check`]: { fields: { tcpHealthCheck: undefined, httpHealthCheck: {} } },
  [`${CORE}.HealthCheck.tcp_health_check`]: {
    without: { tcpHealthCheck: undefined, httpHealthCheck: {} },
    fields: { tcpHealthCheck: {} },
  },
  [`${CORE}.HealthCheck.no_traffic_interval`]: { fields: { noTrafficInterval: { seconds: 90 } } },
  [`${CORE}.HealthCheck.HttpHealthCheck.path`]: { fields: { path: '/x' } },

  [`${ENDPOINT}.ClusterLoadAssignment.endpoints`]: {
    fields: { endpoints: [{ lbEndpoints: [{ endpoint: { address: socket('10.0.0.1', 80) } }] }] },
  },
  [`${ENDPOINT}.LocalityLbEndpoints.locality`]: { fields: { locality: { zone: 'a' } } },
  [`${ENDPOINT}.LocalityLbEndpoints.lb_endpoints`]: { fields: { lbEndpoints: [] } },
  [`${ENDPOINT}.LbEndpoint.endpoint`]: { fields: { endpoint: { address: socket('10.0.0.1', 81) } } },
  [`${ENDPOINT}.LbEndpoint.health_status`]: { fields: { healthStatus: 'DRAINING' } },
  [`${ENDPOINT}.LbEndpoint.metadata`]: {
    fields: { metadata: { filterMetadata: { 'envoy.lb': { fields: { hash_key: { stringValue: 'x' } } } } } },
  },
  [`${ENDPOINT}.Endpoint.address`]: { fields: { address: socket('10.0.0.1', 81) } },
  [`${CORE}.Address.socket_address`]: { fields: socket('10.0.0.1', 81) },
  [`${CORE}.SocketAddress.address`]: { fields: { address: '10.0.0.2' } },
};

function policies(...types: readonly string[]): object {
  return {
    policies: types.map((type) => {
      const typeUrl = `type.googleapis.com/${LB}.${type}`;
      return { typedExtensionConfig: { name: type, typedConfig: { typeUrl, value: Buffer.from([]) } } };
    }),
  };
}

const choices = { taken: [{ choiceCount: { value: 2 } }], refused: [{ choiceCount: { value: 3 } }] };
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
    taken: [{ explicitHttpConfig: { httpProtocolOptions: Buffer.from([]) } }],
    refused: [{ explicitHttpConfig: { http2ProtocolOptions: Buffer.from([]) } }],
  },
  [`${HTTP_OPTIONS}.use_downstream_protocol_config`]: {
    taken: [{ useDownstreamProtocolConfig: { http2ProtocolOptions: Buffer.from([]) } }],
    refused: [],
  },
  [`${HTTP_OPTIONS}.ExplicitHttpConfig.http_protocol_options`]: {
    taken: [{ httpProtocolOptions: Buffer.from([]) }],
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
};

/** What a message of some types cannot be without, as a sidecar says it of an empty one. */
export const NEEDED: Readonly<Record<string, readonly string[]>> = {
  [FILTER_CONFIG_TYPE]: [
    'virtual_hosts[0].routes[0].typed_per_filter_config.fault: nothing is not supported here',
  ],
};
