import { HOST, type Pods, TESTER_HEADER, USER_HEADER, type Weights } from './sticky-peer.js';

/** Configuration of Envoy: a bootstrap that watches files, and what is in them. */

/** How sessions are kept: by the header's hash, by cookies and a hash, or by cookies and the pod's address in one. */
export type EnvoyWay = 'header' | 'cookies' | 'stateful';

type Release = 'v1' | 'v2';

const API = 'type.googleapis.com/envoy';
const RELEASES = ['v1', 'v2'] as const;

interface Instance {
  readonly way: EnvoyWay;
  readonly folder: string;
  readonly port: number;
  readonly admin: number;
}

export function bootstrap({ way, folder, port, admin }: Instance): string {
  return JSON.stringify({
    node: { id: `caller-${port}`, cluster: 'caller' },
    admin: { address: socketAddress(admin) },
    static_resources: {
      listeners: [listener(way, folder, port)],
      clusters: RELEASES.map((release) => cluster(release, folder)),
    },
  });
}

export interface WantedRoutes {
  readonly way: EnvoyWay;
  readonly weights: Weights;
  /** False: no route leads to v2. */
  readonly hasCanary: boolean;
}

/** Route discovery: testers, then the session's cookie if there is one, then the split. */
export function routes({ way, weights, hasCanary }: WantedRoutes, version: string): string {
  const releases = hasCanary ? RELEASES : (['v1'] as const);
  const split = {
    match: { prefix: '/' },
    route: {
      weighted_clusters: {
        clusters: releases.map((name) => ({
          name,
          weight: weights[name],
          ...(way === 'header' ? {} : remember(name)),
        })),
        ...(way === 'header' ? { use_hash_policy: true } : {}),
      },
      ...forwarding(way),
    },
  };
  const known = way === 'header' ? [] : releases.map((release) => cookieRoute(way, release));
  const all = [...(hasCanary ? [testerRoute(way)] : []), ...known, split];
  return discovery(version, {
    '@type': `${API}.config.route.v3.RouteConfiguration`,
    name: 'routes',
    virtual_hosts: [{ name: HOST, domains: [HOST], routes: all }],
  });
}

/**
 * Endpoint discovery of a cluster. The pods of v1 are the second priority of v2, where it fails over to; not with
 * `stateful_session`, for which a pod of v1 would be one of v2's that a session has to stay with.
 */
export function endpoints(way: EnvoyWay, release: Release, pods: Pods, version: string): string {
  const levels = release === 'v1' || way === 'stateful' ? [pods[release]] : [pods.v2, pods.v1];
  return discovery(version, {
    '@type': `${API}.config.endpoint.v3.ClusterLoadAssignment`,
    cluster_name: release,
    endpoints: levels.map((list, priority) => ({
      priority,
      lb_endpoints: list.map(({ port }) => ({ endpoint: { address: socketAddress(port) } })),
    })),
  });
}

function testerRoute(way: EnvoyWay): object {
  return {
    match: { prefix: '/', headers: [{ name: TESTER_HEADER, string_match: { exact: 'yes' } }] },
    route: { cluster: 'v2', ...forwarding(way) },
    ...(way === 'header' ? {} : remember('v2')),
  };
}

function cookieRoute(way: EnvoyWay, release: Release): object {
  const regex = `(.*; )?release=${release}(;.*)?`;
  return {
    match: { prefix: '/', headers: [{ name: 'cookie', string_match: { safe_regex: { regex } } }] },
    route: { cluster: release, ...forwarding(way) },
  };
}

function remember(release: Release): object {
  return {
    response_headers_to_add: [
      {
        header: { key: 'set-cookie', value: `release=${release}; Path=/; HttpOnly` },
        append_action: 'APPEND_IF_EXISTS_OR_ADD',
      },
    ],
  };
}

function forwarding(way: EnvoyWay): object {
  const retry = {
    retry_on: 'connect-failure,reset',
    num_retries: 3,
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: {
          '@type': `${API}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`,
        },
      },
    ],
    host_selection_retry_max_attempts: 3,
  };
  return { ...hashPolicy(way), retry_policy: retry };
}

/** The cookie is set by Envoy where a request has none. */
function hashPolicy(way: EnvoyWay): object {
  if (way === 'stateful') return {};
  const header = { header: { header_name: USER_HEADER } };
  const cookie = { cookie: { name: 'session', path: '/', ttl: '0s' } };
  return { hash_policy: [{ ...(way === 'header' ? header : cookie), terminal: true }] };
}

function listener(way: EnvoyWay, folder: string, port: number): object {
  const router = {
    name: 'router',
    typed_config: { '@type': `${API}.extensions.filters.http.router.v3.Router` },
  };
  return {
    name: 'calls',
    address: socketAddress(port),
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: {
              '@type': `${API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: 'calls',
              http_filters: way === 'stateful' ? [statefulSession(), router] : [router],
              rds: { route_config_name: 'routes', config_source: watched(folder, 'routes.json') },
            },
          },
        ],
      },
    ],
  };
}

function statefulSession(): object {
  return {
    name: 'envoy.filters.http.stateful_session',
    typed_config: {
      '@type': `${API}.extensions.filters.http.stateful_session.v3.StatefulSession`,
      session_state: {
        name: 'envoy.http.stateful_session.cookie',
        typed_config: {
          '@type': `${API}.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState`,
          cookie: { name: 'pod', path: '/' },
        },
      },
    },
  };
}

function cluster(release: Release, folder: string): object {
  return {
    name: release,
    type: 'EDS',
    eds_cluster_config: { eds_config: watched(folder, `${release}.json`) },
    connect_timeout: '1s',
    lb_policy: 'RING_HASH',
    circuit_breakers: { thresholds: [{ max_retries: 1000 }] },
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    outlier_detection: {
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 3,
      max_ejection_percent: 100,
      base_ejection_time: '1s',
      interval: '0.2s',
    },
    health_checks: [
      {
        timeout: '1s',
        interval: '0.2s',
        no_traffic_interval: '0.2s',
        unhealthy_threshold: 2,
        healthy_threshold: 1,
        tcp_health_check: {},
      },
    ],
  };
}

function watched(folder: string, file: string): object {
  return {
    resource_api_version: 'V3',
    path_config_source: { path: `${folder}/${file}`, watched_directory: { path: folder } },
  };
}

function discovery(version: string, resource: object): string {
  return JSON.stringify({ version_info: version, resources: [resource] });
}

function socketAddress(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
