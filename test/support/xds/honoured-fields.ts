import { ourClusterMetadata } from '../../../src/xds/cluster-metadata.js';
import { packAny } from '../../../src/xds/descriptors.js';
import { FAULT_TYPE } from '../../../src/xds/fault.js';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../../src/xds/listener.js';
import { FILTER_CONFIG_TYPE } from '../../../src/xds/policy.js';
import { ADS, managerWith, ROUTER } from './carriers.js';
import {
  CLUSTER,
  CORE,
  ENDPOINT,
  type Fields,
  LB,
  LISTENER,
  MANAGER_PACKAGE,
  ROUTE,
  TLS,
} from './packages.js';

export const systemTrust = { validationContext: { systemRootCerts: {} } };
export const ownCertificate = { certificateChain: { filename: '/c' }, privateKey: { filename: '/k' } };
const managerFilter = { name: 'http', typedConfig: packAny(HTTP_CONNECTION_MANAGER_TYPE, managerWith({})) };
export const fault = packAny(FAULT_TYPE, { abort: { httpStatus: 503, percentage: { numerator: 1 } } });
export const unknown = { typeUrl: 'type.googleapis.com/some.Filter', value: Buffer.from([]) };
export const filterConfig = (fields: object) => packAny(FILTER_CONFIG_TYPE, fields);
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
/** Rings of at least 1,024 unless told. */
const largerRing = {
  without: { minimumRingSize: { value: 1 } },
  fields: { minimumRingSize: { value: 1 }, maximumRingSize: { value: 7 } },
};
const byLocality = { fields: { localityLbConfig: { localityWeightedLbConfig: {} } } };
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
      metadata: ourClusterMetadata(undefined),
    },
  },
  [`${CLUSTER}.Cluster.CommonLbConfig.consistent_hashing_lb_config`]: hashing,
  [`${CLUSTER}.Cluster.LeastRequestLbConfig.slow_start_config`]: slowStart,
  [`${CLUSTER}.Cluster.RoundRobinLbConfig.slow_start_config`]: slowStart,
  [`${LB}.least_request.v3.LeastRequest.slow_start_config`]: slowStart,
  [`${LB}.round_robin.v3.RoundRobin.slow_start_config`]: slowStart,
  [`${LB}.least_request.v3.LeastRequest.locality_lb_config`]: byLocality,
  [`${LB}.round_robin.v3.RoundRobin.locality_lb_config`]: byLocality,
  [`${LB}.wrr_locality.v3.WrrLocality.endpoint_picking_policy`]: {
    fields: { endpointPickingPolicy: policies('maglev.v3.Maglev') },
  },
  [`${CLUSTER}.Cluster.RingHashLbConfig.maximum_ring_size`]: largerRing,
  [`${LB}.ring_hash.v3.RingHash.maximum_ring_size`]: largerRing,
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
  [`${CORE}.HealthCheck.grpc_health_check`]: { fields: { tcpHealthCheck: undefined, grpcHealthCheck: {} } },
  [`${CORE}.HealthCheck.GrpcHealthCheck.service_name`]: { fields: { serviceName: 'shop.Cart' } },
  [`${CORE}.HealthCheck.GrpcHealthCheck.authority`]: { fields: { authority: 'x.test' } },
  [`${CORE}.HealthCheck.HttpHealthCheck.codec_client_type`]: { fields: { codecClientType: 'HTTP2' } },
  [`${CORE}.HealthCheck.no_traffic_interval`]: { fields: { noTrafficInterval: { seconds: 90 } } },
  [`${CORE}.HealthCheck.HttpHealthCheck.path`]: { fields: { path: '/x' } },
  [`${CORE}.HealthCheck.HttpHealthCheck.host`]: { fields: { host: 'x.test' } },
  [`${CORE}.HealthCheck.HttpHealthCheck.request_headers_to_add`]: headersToAdd('request'),
  [`${CORE}.HealthCheck.HttpHealthCheck.request_headers_to_remove`]: {
    fields: { requestHeadersToRemove: ['user-agent'] },
  },

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

export function policies(...types: readonly string[]): object {
  return {
    policies: types.map((type) => {
      const typeUrl = `type.googleapis.com/${LB}.${type}`;
      return { typedExtensionConfig: { name: type, typedConfig: { typeUrl, value: Buffer.from([]) } } };
    }),
  };
}
