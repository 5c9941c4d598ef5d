/**
 * What a sidecar makes of each field of Envoy's API that can come from a control plane. A field that is in none of
 * these lists is refused by name when it is set (`refuseUnsupported`). `docs/xds-fields.md` says the same to people;
 * a test holds the two together.
 */
export interface FieldSupport {
  /** Names as in the `.proto` files, separated by spaces. */
  readonly honoured: string;
  /** Of these of the honoured, only some values are; others are refused. */
  readonly only?: Readonly<Record<string, string>>;
  /** Fields that change nothing for any request here, by the reason why. */
  readonly ignored?: Readonly<Record<string, string>>;
}

const OWN_LISTENER = 'the sidecar’s flags say where and how it listens';
const OWN_OBSERVABILITY = 'the sidecar has its own statistics, logs and traces';
const FOR_OTHERS = 'has no meaning for a sidecar';
const NO_RUNTIME = 'a sidecar has no runtime that could override the value';
const TOLD_BY_TYPE = 'a filter is identified by its type';
const THE_STREAM = 'a sidecar gets everything over one stream';
const GRPC_ONLY = 'for gRPC requests, which a sidecar does not carry yet';
const OWN_CONNECTIONS = 'the sidecar manages its connections itself';
const OWN_BUFFERS = 'the sidecar’s own limits apply';
const ALL_UPGRADES = 'the sidecar carries every upgrade';
const NO_ZONES = 'a sidecar has no cluster of its own to compare zones with';
const RING_SIZES = {
  minimum_ring_size: 'up to `maximum_ring_size`',
  maximum_ring_size: 'up to 8,388,608',
};
const TABLE_SIZES = { table_size: 'prime numbers up to 5,000,011' };
const HEADERS =
  'request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove';

const ROUTES: Readonly<Record<string, FieldSupport>> = {
  'envoy.config.route.v3.RouteConfiguration': {
    honoured: `name virtual_hosts ${HEADERS} most_specific_header_mutations_wins request_mirror_policies ignore_port_in_host_matching typed_per_filter_config`,
    ignored: {
      'a route waits for a cluster that has not arrived': 'validate_clusters',
      'direct responses are rejected': 'max_direct_response_body_size_bytes',
      [FOR_OTHERS]: 'metadata',
    },
  },
  'envoy.config.route.v3.VirtualHost': {
    honoured: `name domains routes ${HEADERS} typed_per_filter_config retry_policy request_mirror_policies`,
    ignored: {
      [OWN_OBSERVABILITY]: 'virtual_clusters',
      [OWN_BUFFERS]: 'per_request_buffer_limit_bytes',
      [FOR_OTHERS]: 'metadata',
    },
  },
  'envoy.config.route.v3.Route': {
    honoured: `name match route redirect ${HEADERS} typed_per_filter_config`,
    ignored: {
      [OWN_OBSERVABILITY]: 'decorator tracing stat_prefix',
      [OWN_BUFFERS]: 'per_request_buffer_limit_bytes',
      [FOR_OTHERS]: 'metadata',
    },
  },
  'envoy.config.route.v3.RouteMatch': {
    honoured:
      'prefix path safe_regex path_separated_prefix case_sensitive runtime_fraction headers query_parameters',
  },
  'envoy.config.core.v3.RuntimeFractionalPercent': {
    honoured: 'default_value',
    ignored: { [NO_RUNTIME]: 'runtime_key' },
  },
  'envoy.config.route.v3.HeaderMatcher': {
    honoured:
      'name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match string_match invert_match treat_missing_header_as_empty',
  },
  'envoy.config.route.v3.QueryParameterMatcher': { honoured: 'name string_match present_match' },
  'envoy.type.matcher.v3.StringMatcher': {
    honoured: 'exact prefix suffix contains safe_regex ignore_case',
  },
  'envoy.type.matcher.v3.RegexMatcher': {
    honoured: 'regex',
    ignored: { 'every expression is RE2': 'google_re2' },
  },
  'envoy.config.route.v3.RouteAction': {
    honoured:
      'cluster weighted_clusters prefix_rewrite regex_rewrite host_rewrite_literal timeout idle_timeout retry_policy request_mirror_policies hash_policy max_stream_duration upgrade_configs',
    only: { upgrade_configs: 'that turn nothing off' },
    ignored: {
      [GRPC_ONLY]: 'max_grpc_timeout grpc_timeout_offset',
      'a sidecar receives no early data': 'early_data_policy',
    },
  },
  'envoy.config.route.v3.RouteAction.MaxStreamDuration': {
    honoured: 'max_stream_duration',
    ignored: { [GRPC_ONLY]: 'grpc_timeout_header_max grpc_timeout_header_offset' },
  },
  'envoy.config.route.v3.RouteAction.UpgradeConfig': {
    honoured: 'enabled',
    only: { enabled: '`true`' },
    ignored: { [ALL_UPGRADES]: 'upgrade_type' },
  },
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy': {
    honoured: 'cluster runtime_fraction disable_shadow_host_suffix_append',
    ignored: { [OWN_OBSERVABILITY]: 'trace_sampled' },
  },
  'envoy.config.route.v3.WeightedCluster': {
    honoured: 'clusters total_weight use_hash_policy',
    only: { total_weight: 'the sum of the weights' },
    ignored: { [NO_RUNTIME]: 'runtime_key_prefix' },
  },
  'envoy.config.route.v3.WeightedCluster.ClusterWeight': {
    honoured: `name weight ${HEADERS} host_rewrite_literal typed_per_filter_config`,
    only: { typed_per_filter_config: 'filters that are optional or off' },
  },
  'envoy.config.route.v3.RetryPolicy': {
    honoured:
      'retry_on num_retries per_try_timeout retry_host_predicate retriable_status_codes retry_back_off retriable_request_headers',
    only: {
      retry_on:
        '`connect-failure`, `reset`, `gateway-error`, `5xx`, `retriable-4xx`, `retriable-status-codes`, `cancelled`, `deadline-exceeded`, `internal`, `resource-exhausted`, `unavailable`, and words that change nothing here',
      retry_host_predicate: '`envoy.retry_host_predicates.previous_hosts`',
      retriable_request_headers: 'exact matches of `:method`',
    },
    ignored: { 'a retry goes to an endpoint not tried yet': 'host_selection_retry_max_attempts' },
  },
  'envoy.config.route.v3.RetryPolicy.RetryBackOff': { honoured: 'base_interval max_interval' },
  'envoy.config.route.v3.RedirectAction': {
    honoured:
      'https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite response_code strip_query',
  },
  'envoy.config.core.v3.HeaderValueOption': {
    honoured: 'header append append_action keep_empty_value',
    only: { append_action: '`APPEND_IF_EXISTS_OR_ADD`, `OVERWRITE_IF_EXISTS_OR_ADD`' },
  },
  'envoy.config.core.v3.HeaderValue': {
    honoured: 'key value',
    only: { key: 'headers other than those of one hop or of framing', value: 'text without `%COMMAND%`' },
  },
  'envoy.config.route.v3.FilterConfig': {
    honoured: 'config is_optional disabled',
    only: { is_optional: 'for unknown filters, which are then ignored' },
  },
  'envoy.extensions.filters.http.fault.v3.HTTPFault': {
    honoured: 'delay abort',
    ignored: {
      [NO_RUNTIME]:
        'delay_percent_runtime abort_percent_runtime delay_duration_runtime abort_http_status_runtime max_active_faults_runtime response_rate_limit_percent_runtime abort_grpc_status_runtime',
      [OWN_OBSERVABILITY]: 'disable_downstream_cluster_stats filter_metadata',
    },
  },
  'envoy.extensions.filters.common.fault.v3.FaultDelay': { honoured: 'fixed_delay percentage' },
  'envoy.extensions.filters.http.fault.v3.FaultAbort': { honoured: 'http_status percentage' },
};

const CLUSTERS: Readonly<Record<string, FieldSupport>> = {
  'envoy.config.cluster.v3.Cluster': {
    honoured:
      'name type eds_cluster_config connect_timeout lb_policy load_assignment health_checks circuit_breakers typed_extension_protocol_options dns_refresh_rate dns_lookup_family outlier_detection ring_hash_lb_config maglev_lb_config least_request_lb_config round_robin_lb_config common_lb_config transport_socket metadata load_balancing_policy',
    only: {
      type: '`EDS`, `STATIC`, `STRICT_DNS`, `LOGICAL_DNS`',
      lb_policy: '`ROUND_ROBIN`, `LEAST_REQUEST`, `RANDOM`, `RING_HASH`, `MAGLEV`',
      load_balancing_policy:
        'the first listed one of round robin, least request, ring hash, Maglev, and locality around one of these',
      transport_socket: '`raw_buffer`, `tls`',
      typed_extension_protocol_options: '`HttpProtocolOptions` that select HTTP/1.1 or HTTP/2',
      health_checks: 'one',
    },
    ignored: {
      [OWN_OBSERVABILITY]:
        'alt_stat_name track_timeout_budgets track_cluster_stats lrs_report_endpoint_metrics',
      'a sidecar reports the load of every cluster to the control plane that serves it': 'lrs_server',
      [OWN_BUFFERS]: 'per_connection_buffer_limit_bytes',
      'the system’s resolver reports no time to live, and the next refresh retries failures':
        'respect_dns_ttl dns_failure_refresh_rate',
      'a cluster takes requests once it has endpoints': 'wait_for_warm_on_init',
      'endpoints are removed when they leave the configuration':
        'ignore_health_on_host_removal cleanup_interval',
      [OWN_CONNECTIONS]: 'upstream_connection_options preconnect_policy',
    },
  },
  'envoy.config.cluster.v3.Cluster.EdsClusterConfig': {
    honoured: 'eds_config service_name',
    only: { eds_config: THE_STREAM },
  },
  'envoy.config.core.v3.ConfigSource': {
    honoured: 'ads self',
    only: { ads: THE_STREAM, self: THE_STREAM },
    ignored: {
      'only version 3 is spoken': 'resource_api_version',
      'a resource that does not arrive within 15 s counts as absent': 'initial_fetch_timeout',
    },
  },
  'envoy.config.cluster.v3.Cluster.CommonLbConfig': {
    honoured: 'healthy_panic_threshold locality_weighted_lb_config consistent_hashing_lb_config',
    ignored: {
      [NO_ZONES]: 'zone_aware_lb_config',
      'changes take effect as they arrive': 'update_merge_window',
      'draining endpoints keep their sessions, unhealthy ones do not': 'override_host_status',
    },
  },
  'envoy.config.cluster.v3.Cluster.LeastRequestLbConfig': {
    honoured: 'choice_count slow_start_config',
    only: { choice_count: '2' },
  },
  'envoy.config.cluster.v3.Cluster.RoundRobinLbConfig': { honoured: 'slow_start_config' },
  'envoy.config.cluster.v3.Cluster.SlowStartConfig': { honoured: 'slow_start_window' },
  'envoy.config.cluster.v3.Cluster.RingHashLbConfig': {
    honoured: 'minimum_ring_size maximum_ring_size hash_function',
    only: { hash_function: '`XX_HASH`', ...RING_SIZES },
  },
  'envoy.config.cluster.v3.Cluster.MaglevLbConfig': { honoured: 'table_size', only: TABLE_SIZES },
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest': {
    honoured: 'choice_count slow_start_config locality_lb_config',
    only: { choice_count: '2' },
  },
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin': {
    honoured: 'slow_start_config locality_lb_config',
  },
  'envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality': {
    honoured: 'endpoint_picking_policy',
  },
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig': {
    honoured: 'locality_weighted_lb_config',
    ignored: { [NO_ZONES]: 'zone_aware_lb_config' },
  },
  'envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig': { honoured: 'slow_start_window' },
  'envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash': {
    honoured:
      'hash_function minimum_ring_size maximum_ring_size use_hostname_for_hashing hash_balance_factor consistent_hashing_lb_config locality_weighted_lb_config',
    only: { hash_function: '`XX_HASH`', ...RING_SIZES },
  },
  'envoy.extensions.load_balancing_policies.maglev.v3.Maglev': {
    honoured: 'table_size consistent_hashing_lb_config locality_weighted_lb_config',
    only: TABLE_SIZES,
  },
  'envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig': {
    honoured: 'use_hostname_for_hashing hash_balance_factor',
  },
  'envoy.config.core.v3.TransportSocket': {
    honoured: 'typed_config',
    only: { typed_config: '`RawBuffer`, `UpstreamTlsContext`' },
    ignored: { [TOLD_BY_TYPE]: 'name' },
  },
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': {
    honoured: 'common_tls_context sni',
    ignored: { [OWN_CONNECTIONS]: 'max_session_keys' },
  },
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext': {
    honoured: 'tls_certificates validation_context',
    only: { tls_certificates: 'one, by file', validation_context: 'with an authority' },
    ignored: { 'HTTP/1.1 is spoken': 'alpn_protocols' },
  },
  'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext': {
    honoured: 'trusted_ca system_root_certs match_typed_subject_alt_names',
  },
  'envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher': {
    honoured: 'san_type matcher',
    only: { san_type: '`DNS`, `IP_ADDRESS`', matcher: 'an exact one' },
  },
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate': { honoured: 'certificate_chain private_key' },
  'envoy.config.core.v3.DataSource': { honoured: 'filename inline_string inline_bytes' },
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    honoured: 'explicit_http_config use_downstream_protocol_config',
    only: {
      explicit_http_config: 'HTTP/1.1 or HTTP/2',
      use_downstream_protocol_config: 'read as HTTP/1.1',
    },
    ignored: { [OWN_CONNECTIONS]: 'common_http_protocol_options' },
  },
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig': {
    honoured: 'http_protocol_options http2_protocol_options',
    only: { http_protocol_options: 'whatever it says', http2_protocol_options: 'whatever it says' },
  },
  'envoy.config.cluster.v3.OutlierDetection': {
    honoured:
      'consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx enforcing_success_rate success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor max_ejection_time always_eject_one_host successful_active_health_check_uneject_host',
    only: { enforcing_consecutive_5xx: '0 or 100', enforcing_success_rate: '0 or 100' },
    ignored: {
      'in force only if the next field enforces it': 'consecutive_gateway_failure',
      'in force only where split_external_local_origin_errors is set':
        'consecutive_local_origin_failure enforcing_consecutive_local_origin_failure enforcing_local_origin_success_rate enforcing_failure_percentage_local_origin',
      'in force only where enforcing_failure_percentage is set':
        'failure_percentage_threshold failure_percentage_minimum_hosts failure_percentage_request_volume',
    },
  },
  'envoy.config.cluster.v3.CircuitBreakers': { honoured: 'thresholds per_host_thresholds' },
  'envoy.config.cluster.v3.CircuitBreakers.Thresholds': {
    honoured: 'priority max_connections max_pending_requests max_requests max_retries retry_budget',
    ignored: { [OWN_OBSERVABILITY]: 'track_remaining' },
  },
  'envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget': {
    honoured: 'budget_percent min_retry_concurrency',
  },
  'envoy.config.core.v3.HealthCheck': {
    honoured:
      'timeout interval unhealthy_threshold healthy_threshold http_health_check tcp_health_check grpc_health_check no_traffic_interval',
    ignored: {
      'checks are jittered by a tenth of their interval':
        'initial_jitter interval_jitter interval_jitter_percent',
      'each check opens its own connection': 'reuse_connection',
      [OWN_OBSERVABILITY]:
        'event_log_path event_logger event_service always_log_health_check_failures always_log_health_check_success',
    },
  },
  'envoy.config.core.v3.HealthCheck.HttpHealthCheck': {
    honoured: 'host path method request_headers_to_add request_headers_to_remove codec_client_type',
    only: { method: '`GET`', codec_client_type: '`HTTP1` and `HTTP2`' },
  },
  'envoy.config.core.v3.HealthCheck.GrpcHealthCheck': { honoured: 'service_name authority' },
  'envoy.config.core.v3.HealthCheck.TcpHealthCheck': { honoured: '' },
};

const ENDPOINTS: Readonly<Record<string, FieldSupport>> = {
  'envoy.config.endpoint.v3.ClusterLoadAssignment': {
    honoured: 'cluster_name endpoints policy',
    only: { policy: 'as in the next message' },
  },
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy': {
    honoured: '',
    ignored: {
      'there is one priority and no spill-over': 'weighted_priority_health',
      'a locality compensates for lost endpoints by the default factor 1.4': 'overprovisioning_factor',
    },
  },
  'envoy.config.endpoint.v3.LocalityLbEndpoints': {
    honoured: 'locality lb_endpoints load_balancing_weight',
    ignored: { [FOR_OTHERS]: 'metadata proximity' },
  },
  'envoy.config.endpoint.v3.LbEndpoint': {
    honoured: 'endpoint health_status metadata load_balancing_weight',
  },
  'envoy.config.endpoint.v3.Endpoint': { honoured: 'address hostname' },
  'envoy.config.core.v3.Address': { honoured: 'socket_address' },
  'envoy.config.core.v3.SocketAddress': {
    honoured: 'address port_value',
    ignored: { 'addresses are used as they are written': 'ipv4_compat' },
  },
};

const LISTENERS: Readonly<Record<string, FieldSupport>> = {
  'envoy.config.listener.v3.Listener': {
    honoured: 'name api_listener filter_chains default_filter_chain traffic_direction',
    only: { traffic_direction: 'other than `INBOUND`' },
    ignored: {
      [OWN_LISTENER]:
        'address additional_addresses per_connection_buffer_limit_bytes deprecated_v1 drain_type listener_filters listener_filters_timeout continue_on_listener_filters_timeout transparent freebind socket_options tcp_fast_open_queue_length connection_balance_config reuse_port enable_reuse_port tcp_backlog_size max_connections_to_accept_per_socket_event bind_to_port enable_mptcp ignore_global_conn_limit bypass_overload_manager use_original_dst',
      [OWN_OBSERVABILITY]: 'stat_prefix access_log',
      [FOR_OTHERS]: 'metadata',
    },
  },
  'envoy.config.listener.v3.FilterChain': {
    honoured: 'filter_chain_match filters',
    only: { filter_chain_match: 'an empty one' },
    ignored: { [FOR_OTHERS]: 'name metadata', [OWN_LISTENER]: 'transport_socket_connect_timeout' },
  },
  'envoy.config.listener.v3.Filter': {
    honoured: 'typed_config',
    only: { typed_config: '`HttpConnectionManager`' },
    ignored: { [TOLD_BY_TYPE]: 'name' },
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': {
    honoured:
      'rds route_config http_filters stream_idle_timeout common_http_protocol_options upgrade_configs',
    only: { upgrade_configs: 'that turn nothing off' },
    ignored: {
      [OWN_LISTENER]:
        'codec_type http_protocol_options http2_protocol_options http3_protocol_options max_request_headers_kb request_timeout request_headers_timeout drain_timeout delayed_close_timeout use_remote_address xff_num_trusted_hops skip_xff_append internal_address_config proxy_100_continue represent_ipv4_remote_address_as_ipv4_mapped_ipv6 stream_error_on_invalid_http_message add_proxy_protocol_connection_state append_local_overload scheme_header_transformation',
      [OWN_OBSERVABILITY]:
        'stat_prefix tracing access_log access_log_flush_interval flush_access_log_on_new_request access_log_options',
      'a request keeps the id that it has, and gets one if it has none':
        'generate_request_id preserve_external_request_id',
      'a response says who made it, not who carried it': 'server_name server_header_transformation',
      'the dot that ends a host name never counts': 'strip_trailing_host_dot',
    },
  },
  'envoy.config.core.v3.HttpProtocolOptions': {
    honoured: 'max_stream_duration',
    ignored: {
      [OWN_LISTENER]:
        'idle_timeout max_connection_duration max_headers_count headers_with_underscores_action max_requests_per_connection',
    },
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig': {
    honoured: 'enabled',
    only: { enabled: '`true`' },
    ignored: { [ALL_UPGRADES]: 'upgrade_type' },
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter': {
    honoured: 'typed_config is_optional disabled',
    only: {
      typed_config: 'the router, which must be last, `HTTPFault`, `StatefulSession`',
      is_optional: 'for unknown filters, which are then ignored',
    },
    ignored: { [TOLD_BY_TYPE]: 'name' },
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.Rds': {
    honoured: 'config_source route_config_name',
    only: { config_source: THE_STREAM },
  },
  'envoy.extensions.filters.http.router.v3.Router': {
    honoured: '',
    ignored: {
      [OWN_OBSERVABILITY]:
        'dynamic_stats start_child_span upstream_log upstream_log_options suppress_grpc_request_failure_code_stats',
      'the sidecar adds no x-envoy headers': 'suppress_envoy_headers',
    },
  },
};

/** By the message's full name. */
export const FIELD_SUPPORT: Readonly<Record<string, FieldSupport>> = {
  ...LISTENERS,
  ...ROUTES,
  ...CLUSTERS,
  ...ENDPOINTS,
};
