import { packAny } from '../../../src/xds/descriptors.js';
import { FAULT_TYPE } from '../../../src/xds/fault.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../../src/xds/listener.js';
import type { ResourceKind } from '../../../src/xds/resource-types.js';

/** A resource that a sidecar accepts, around a message of some type with these fields. */
export interface Carried {
  readonly kind: ResourceKind;
  readonly message: object;
}

/** Fields of a message; undefined takes one away. */
type Fields = Readonly<Record<string, unknown>>;

export const ROUTER = { name: 'router', typedConfig: packAny(ROUTER_TYPE, {}) };
export const ADS = { ads: {} };

export const managerWith = (fields: Fields) => ({
  rds: { routeConfigName: 'routes', configSource: ADS },
  httpFilters: [ROUTER],
  ...fields,
});

export function listenerWith(manager: Fields): Carried {
  const typedConfig = packAny(HTTP_CONNECTION_MANAGER_TYPE, managerWith(manager));
  return {
    kind: 'listener',
    message: { name: 'l', filterChains: [{ filters: [{ name: 'http', typedConfig }] }] },
  };
}

const chainWith = (fields: Fields) => {
  const typedConfig = packAny(HTTP_CONNECTION_MANAGER_TYPE, managerWith({}));
  return { filters: [{ name: 'http', typedConfig }], ...fields };
};

export const routesWith = (fields: Fields): Carried => ({
  kind: 'route',
  message: { name: 'r', virtualHosts: [{ name: 'v', domains: ['d'], routes: [routeOf({})] }], ...fields },
});
const hostWith = (fields: Fields) =>
  routesWith({ virtualHosts: [{ name: 'v', domains: ['d'], routes: [routeOf({})], ...fields }] });
const routeOf = (fields: Fields) => ({ match: { prefix: '/a' }, route: { cluster: 'c' }, ...fields });
export const routeWith = (fields: Fields) => hostWith({ routes: [routeOf(fields)] });
const matchWith = (fields: Fields) => routeWith({ match: { prefix: '/a', ...fields } });
export const actionWith = (fields: Fields) => routeWith({ route: { cluster: 'c', ...fields } });
const faultWith = (fields: Fields) =>
  routeWith({ typedPerFilterConfig: { fault: packAny(FAULT_TYPE, fields) } });

export const clusterWith = (fields: Fields): Carried => ({
  kind: 'cluster',
  message: { name: 'c', type: 'EDS', edsClusterConfig: { edsConfig: ADS }, ...fields },
});
const checkWith = (fields: Fields) =>
  clusterWith({ healthChecks: [{ timeout: { seconds: 1 }, interval: { seconds: 1 }, ...fields }] });

const LB = 'envoy.extensions.load_balancing_policies';
const policiesOf = (type: string, fields: Fields) => {
  const typedExtensionConfig = { name: type, typedConfig: packAny(`${LB}.${type}`, fields) };
  return { policies: [{ typedExtensionConfig }] };
};
const policyWith = (type: string) => (fields: Fields) =>
  clusterWith({ loadBalancingPolicy: policiesOf(type, fields) });

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const optionsWith = (fields: Fields) =>
  clusterWith({ typedExtensionProtocolOptions: { http: packAny(HTTP_OPTIONS, fields) } });

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
/** Without an authority no certificate is good, and the cluster is refused. */
const TRUST = { validationContext: { systemRootCerts: {} } };
const tlsWith = (fields: Fields) => {
  const typedConfig = packAny(`${TLS}.UpstreamTlsContext`, { commonTlsContext: TRUST, ...fields });
  return clusterWith({ transportSocket: { name: 'tls', typedConfig } });
};
const validationWith = (fields: Fields) =>
  tlsWith({ commonTlsContext: { validationContext: { systemRootCerts: {}, ...fields } } });

export const assignmentWith = (fields: Fields): Carried => ({
  kind: 'endpoint',
  message: { clusterName: 'c', endpoints: [], ...fields },
});
const localityWith = (fields: Fields) =>
  assignmentWith({ endpoints: [{ lbEndpoints: [endpointOf({})], ...fields }] });
const endpointOf = (fields: Fields) => ({ endpoint: { address: { socketAddress: SOCKET } }, ...fields });
const SOCKET = { address: '10.0.0.1', portValue: 80 };
const lbEndpointWith = (fields: Fields) => localityWith({ lbEndpoints: [endpointOf(fields)] });

const MANAGER_PACKAGE = HTTP_CONNECTION_MANAGER_TYPE.slice(0, HTTP_CONNECTION_MANAGER_TYPE.lastIndexOf('.'));
const ROUTE = 'envoy.config.route.v3';
const CLUSTER = 'envoy.config.cluster.v3';
const ENDPOINT = 'envoy.config.endpoint.v3';
const CORE = 'envoy.config.core.v3';

/** How to bring a message of each type to a sidecar; where several ways lead there, one of them. */
export const CARRIERS: Readonly<Record<string, (fields: Fields) => Carried>> = {
  'envoy.config.listener.v3.Listener': (fields) => ({
    kind: 'listener',
    message: { name: 'l', filterChains: [chainWith({})], ...fields },
  }),
  'envoy.config.listener.v3.FilterChain': (fields) => ({
    kind: 'listener',
    message: { name: 'l', filterChains: [chainWith(fields)] },
  }),
  'envoy.config.listener.v3.Filter': (fields) => {
    const [filter] = chainWith({}).filters;
    return {
      kind: 'listener',
      message: { name: 'l', filterChains: [{ filters: [{ ...filter, ...fields }] }] },
    };
  },
  [HTTP_CONNECTION_MANAGER_TYPE]: listenerWith,
  [`${HTTP_CONNECTION_MANAGER_TYPE}.UpgradeConfig`]: (fields) => listenerWith({ upgradeConfigs: [fields] }),
  [`${MANAGER_PACKAGE}.HttpFilter`]: (fields) =>
    listenerWith({ httpFilters: [{ name: 'f', typedConfig: packAny(FAULT_TYPE, {}), ...fields }, ROUTER] }),
  [`${MANAGER_PACKAGE}.Rds`]: (fields) =>
    listenerWith({ rds: { routeConfigName: 'routes', configSource: ADS, ...fields } }),
  [ROUTER_TYPE]: (fields) =>
    listenerWith({ httpFilters: [{ ...ROUTER, typedConfig: packAny(ROUTER_TYPE, fields) }] }),
  [`${CORE}.HttpProtocolOptions`]: (fields) => listenerWith({ commonHttpProtocolOptions: fields }),
  [`${CORE}.ConfigSource`]: (fields) => clusterWith({ edsClusterConfig: { edsConfig: fields } }),

  [`${ROUTE}.RouteConfiguration`]: routesWith,
  [`${ROUTE}.VirtualHost`]: hostWith,
  [`${ROUTE}.Route`]: routeWith,
  [`${ROUTE}.RouteMatch`]: matchWith,
  [`${CORE}.RuntimeFractionalPercent`]: (fields) =>
    matchWith({ runtimeFraction: { defaultValue: { numerator: 1 }, ...fields } }),
  [`${ROUTE}.HeaderMatcher`]: (fields) => matchWith({ headers: [{ name: 'h', ...fields }] }),
  [`${ROUTE}.QueryParameterMatcher`]: (fields) => matchWith({ queryParameters: [{ name: 'q', ...fields }] }),
  'envoy.type.matcher.v3.StringMatcher': (fields) =>
    matchWith({ headers: [{ name: 'h', stringMatch: { exact: 'a', ...fields } }] }),
  'envoy.type.matcher.v3.RegexMatcher': (fields) => matchWith({ safeRegex: { regex: 'a', ...fields } }),
  [`${ROUTE}.RouteAction`]: actionWith,
  [`${ROUTE}.RouteAction.MaxStreamDuration`]: (fields) => actionWith({ maxStreamDuration: fields }),
  [`${ROUTE}.RouteAction.UpgradeConfig`]: (fields) => actionWith({ upgradeConfigs: [fields] }),
  [`${ROUTE}.RouteAction.RequestMirrorPolicy`]: (fields) =>
    actionWith({ requestMirrorPolicies: [{ cluster: 'm', ...fields }] }),
  [`${ROUTE}.WeightedCluster`]: (fields) =>
    routeWith({
      route: { weightedClusters: { clusters: [{ name: 'c', weight: { value: 1 } }], ...fields } },
    }),
  [`${ROUTE}.WeightedCluster.ClusterWeight`]: (fields) =>
    routeWith({
      route: { weightedClusters: { clusters: [{ name: 'c', weight: { value: 1 }, ...fields }] } },
    }),
  [`${ROUTE}.RetryPolicy`]: (fields) => actionWith({ retryPolicy: { retryOn: '5xx', ...fields } }),
  [`${ROUTE}.RetryPolicy.RetryBackOff`]: (fields) =>
    actionWith({ retryPolicy: { retryBackOff: { baseInterval: { seconds: 1 }, ...fields } } }),
  [`${ROUTE}.RedirectAction`]: (fields) =>
    hostWith({ routes: [{ match: { prefix: '/a' }, redirect: fields }] }),
  [`${CORE}.HeaderValueOption`]: (fields) =>
    routeWith({ requestHeadersToAdd: [{ header: { key: 'k', value: 'v' }, ...fields }] }),
  [`${CORE}.HeaderValue`]: (fields) =>
    routeWith({ requestHeadersToAdd: [{ header: { key: 'k', value: 'v', ...fields } }] }),
  [`${ROUTE}.FilterConfig`]: (fields) =>
    routeWith({ typedPerFilterConfig: { fault: packAny(`${ROUTE}.FilterConfig`, fields) } }),
  [FAULT_TYPE]: faultWith,
  'envoy.extensions.filters.common.fault.v3.FaultDelay': (fields) => faultWith({ delay: fields }),
  'envoy.extensions.filters.http.fault.v3.FaultAbort': (fields) =>
    faultWith({ abort: { httpStatus: 503, ...fields } }),

  [`${CLUSTER}.Cluster`]: clusterWith,
  [`${CLUSTER}.Cluster.EdsClusterConfig`]: (fields) => clusterWith({ edsClusterConfig: fields }),
  [`${CLUSTER}.Cluster.CommonLbConfig`]: (fields) =>
    clusterWith({ lbPolicy: 'RING_HASH', commonLbConfig: fields }),
  [`${CLUSTER}.Cluster.LeastRequestLbConfig`]: (fields) =>
    clusterWith({ lbPolicy: 'LEAST_REQUEST', leastRequestLbConfig: fields }),
  [`${CLUSTER}.Cluster.RoundRobinLbConfig`]: (fields) => clusterWith({ roundRobinLbConfig: fields }),
  [`${CLUSTER}.Cluster.SlowStartConfig`]: (fields) =>
    clusterWith({ roundRobinLbConfig: { slowStartConfig: fields } }),
  [`${CLUSTER}.Cluster.RingHashLbConfig`]: (fields) =>
    clusterWith({ lbPolicy: 'RING_HASH', ringHashLbConfig: fields }),
  [`${CLUSTER}.Cluster.MaglevLbConfig`]: (fields) =>
    clusterWith({ lbPolicy: 'MAGLEV', maglevLbConfig: fields }),
  [`${LB}.least_request.v3.LeastRequest`]: policyWith('least_request.v3.LeastRequest'),
  [`${LB}.round_robin.v3.RoundRobin`]: policyWith('round_robin.v3.RoundRobin'),
  [`${LB}.ring_hash.v3.RingHash`]: policyWith('ring_hash.v3.RingHash'),
  [`${LB}.maglev.v3.Maglev`]: policyWith('maglev.v3.Maglev'),
  [`${LB}.wrr_locality.v3.WrrLocality`]: (fields) =>
    policyWith('wrr_locality.v3.WrrLocality')({
      endpointPickingPolicy: policiesOf('round_robin.v3.RoundRobin', {}),
      ...fields,
    }),
  [`${LB}.common.v3.LocalityLbConfig`]: (fields) =>
    policyWith('round_robin.v3.RoundRobin')({ localityLbConfig: fields }),
  [`${LB}.common.v3.SlowStartConfig`]: (fields) =>
    policyWith('round_robin.v3.RoundRobin')({ slowStartConfig: fields }),
  [`${LB}.common.v3.ConsistentHashingLbConfig`]: (fields) =>
    policyWith('maglev.v3.Maglev')({ consistentHashingLbConfig: fields }),
  [`${CORE}.TransportSocket`]: (fields) => clusterWith({ transportSocket: { ...RAW_BUFFER, ...fields } }),
  [`${TLS}.UpstreamTlsContext`]: tlsWith,
  [`${TLS}.CommonTlsContext`]: (fields) => tlsWith({ commonTlsContext: { ...TRUST, ...fields } }),
  [`${TLS}.CertificateValidationContext`]: validationWith,
  [`${TLS}.SubjectAltNameMatcher`]: (fields) =>
    validationWith({ matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: 'a' }, ...fields }] }),
  [`${TLS}.TlsCertificate`]: (fields) =>
    tlsWith({
      commonTlsContext: {
        ...TRUST,
        tlsCertificates: [
          { certificateChain: { filename: '/c' }, privateKey: { filename: '/k' }, ...fields },
        ],
      },
    }),
  [`${CORE}.DataSource`]: (fields) =>
    validationWith({ systemRootCerts: undefined, trustedCa: { filename: '/ca', ...fields } }),
  [HTTP_OPTIONS]: optionsWith,
  [`${HTTP_OPTIONS}.ExplicitHttpConfig`]: (fields) => optionsWith({ explicitHttpConfig: fields }),
  [`${CLUSTER}.OutlierDetection`]: (fields) => clusterWith({ outlierDetection: fields }),
  [`${CLUSTER}.CircuitBreakers`]: (fields) => clusterWith({ circuitBreakers: fields }),
  [`${CLUSTER}.CircuitBreakers.Thresholds`]: (fields) =>
    clusterWith({ circuitBreakers: { thresholds: [{ maxRequests: { value: 9 }, ...fields }] } }),
  [`${CLUSTER}.CircuitBreakers.Thresholds.RetryBudget`]: (fields) =>
    clusterWith({ circuitBreakers: { thresholds: [{ retryBudget: fields }] } }),
  [`${CORE}.HealthCheck`]: (fields) => checkWith({ tcpHealthCheck: {}, ...fields }),
  [`${CORE}.HealthCheck.HttpHealthCheck`]: (fields) => checkWith({ httpHealthCheck: fields }),
  [`${CORE}.HealthCheck.GrpcHealthCheck`]: (fields) => checkWith({ grpcHealthCheck: fields }),
  [`${CORE}.HealthCheck.TcpHealthCheck`]: (fields) => checkWith({ tcpHealthCheck: fields }),

  [`${ENDPOINT}.ClusterLoadAssignment`]: assignmentWith,
  [`${ENDPOINT}.ClusterLoadAssignment.Policy`]: (fields) => assignmentWith({ policy: fields }),
  [`${ENDPOINT}.LocalityLbEndpoints`]: localityWith,
  [`${ENDPOINT}.LbEndpoint`]: lbEndpointWith,
  [`${ENDPOINT}.Endpoint`]: (fields) =>
    lbEndpointWith({ endpoint: { address: { socketAddress: SOCKET }, ...fields } }),
  [`${CORE}.Address`]: (fields) =>
    lbEndpointWith({ endpoint: { address: { socketAddress: SOCKET, ...fields } } }),
  [`${CORE}.SocketAddress`]: (fields) =>
    lbEndpointWith({ endpoint: { address: { socketAddress: { ...SOCKET, ...fields } } } }),
};

const RAW_BUFFER = {
  name: 'raw',
  typedConfig: {
    typeUrl: 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
    value: Buffer.from([]),
  },
};
