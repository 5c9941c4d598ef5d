import { assignmentOf, endpointAt } from './two-proxies.js';

/** A cluster in Envoy's own fields over three backends, and who of them gets requests. */
export interface ClusterCase {
  readonly what: string;
  /** `type: EDS` where it says nothing else. */
  readonly cluster: object;
  /** Of the backends' addresses; undefined: all of them, in one locality. */
  readonly assignment?: (name: string, addresses: readonly string[]) => object;
  /** Where the cluster itself says where its endpoints are. */
  readonly inside?: (name: string, addresses: readonly string[]) => object;
  /** Sent before the counted ones, to bring a backend into the state that the case is about. */
  readonly before?: { readonly requests: number; readonly headers: Readonly<Record<string, string>> };
  /** Backends that are reached, by their number. */
  readonly reached: readonly number[];
}

const healthStatuses =
  (...statuses: readonly string[]) =>
  (clusterName: string, addresses: readonly string[]) => ({
    clusterName,
    endpoints: [
      { lbEndpoints: addresses.map((address, i) => endpointAt(address, { healthStatus: statuses[i] })) },
    ],
  });

/** The same backends under a name, `localhost`, that a resolver is asked for. */
const byName = (name: string, addresses: readonly string[]) => ({
  loadAssignment: assignmentOf(
    name,
    addresses.map((address) => address.replace(/^[^:]+/, 'localhost')),
  ),
});
const NO_PANIC = { commonLbConfig: { healthyPanicThreshold: { value: 0 } } };

export const CLUSTER_CASES: readonly ClusterCase[] = [
  { what: 'EDS, round robin', cluster: { lbPolicy: 'ROUND_ROBIN' }, reached: [0, 1, 2] },
  { what: 'least request', cluster: { lbPolicy: 'LEAST_REQUEST' }, reached: [0, 1, 2] },
  { what: 'random', cluster: { lbPolicy: 'RANDOM' }, reached: [0, 1, 2] },
  {
    what: 'endpoints inside the cluster',
    cluster: { type: 'STATIC' },
    inside: (name, addresses) => ({ loadAssignment: assignmentOf(name, addresses.slice(0, 2)) }),
    reached: [0, 1],
  },
  {
    what: 'STRICT_DNS',
    cluster: { type: 'STRICT_DNS', dnsLookupFamily: 'V4_ONLY' },
    inside: byName,
    reached: [0, 1, 2],
  },
  {
    what: 'LOGICAL_DNS',
    cluster: { type: 'LOGICAL_DNS', dnsLookupFamily: 'V4_ONLY' },
    inside: (name, addresses) => byName(name, addresses.slice(0, 1)),
    reached: [0],
  },
  {
    what: 'localities and weights',
    cluster: {},
    assignment: (clusterName, [a, b, c]) => ({
      clusterName,
      endpoints: [
        { locality: { zone: 'x' }, lbEndpoints: [endpointAt(a as string), endpointAt(b as string)] },
        {
          locality: { zone: 'y' },
          lbEndpoints: [endpointAt(c as string, { loadBalancingWeight: { value: 5 } })],
        },
      ],
    }),
    reached: [0, 1, 2],
  },
  {
    what: 'unhealthy endpoints',
    cluster: NO_PANIC,
    assignment: healthStatuses('HEALTHY', 'UNHEALTHY', 'TIMEOUT'),
    reached: [0],
  },
  {
    what: 'draining endpoints',
    cluster: NO_PANIC,
    assignment: healthStatuses('DRAINING', 'UNKNOWN', 'HEALTHY'),
    reached: [1, 2],
  },
  {
    what: 'panic: half of them well is too few',
    cluster: { commonLbConfig: { healthyPanicThreshold: { value: 70 } } },
    assignment: healthStatuses('HEALTHY', 'UNHEALTHY', 'UNHEALTHY'),
    reached: [0, 1, 2],
  },
  {
    what: 'degraded endpoints, while there are better ones',
    cluster: NO_PANIC,
    // Two thirds are enough for everything by this factor; by Envoy's own they would not be quite.
    assignment: (clusterName, addresses) => ({
      ...healthStatuses('DEGRADED', 'HEALTHY', 'HEALTHY')(clusterName, addresses),
      policy: { overprovisioningFactor: { value: 200 } },
    }),
    reached: [1, 2],
  },
  {
    what: 'degraded endpoints, when there are no others',
    cluster: NO_PANIC,
    assignment: healthStatuses('DEGRADED', 'UNHEALTHY', 'UNHEALTHY'),
    reached: [0],
  },
  {
    what: 'outlier detection: errors in a row',
    cluster: {
      ...NO_PANIC,
      outlierDetection: {
        consecutive_5xx: { value: 3 },
        maxEjectionPercent: { value: 50 },
        baseEjectionTime: { seconds: 600 },
      },
    },
    before: { requests: 30, headers: { 'x-fail': '0' } },
    reached: [1, 2],
  },
  {
    what: 'outlier detection: a share of none ejects none, unless one always may be',
    cluster: {
      ...NO_PANIC,
      outlierDetection: { consecutive_5xx: { value: 3 }, maxEjectionPercent: { value: 10 } },
    },
    before: { requests: 30, headers: { 'x-fail': '0' } },
    reached: [0, 1, 2],
  },
  {
    what: 'outlier detection: one always may be',
    cluster: {
      ...NO_PANIC,
      outlierDetection: {
        consecutive_5xx: { value: 3 },
        maxEjectionPercent: { value: 0 },
        baseEjectionTime: { seconds: 600 },
        alwaysEjectOneHost: { value: true },
      },
    },
    before: { requests: 30, headers: { 'x-fail': '0' } },
    reached: [1, 2],
  },
  {
    what: 'active checks',
    cluster: {
      ...NO_PANIC,
      healthChecks: [
        {
          timeout: { seconds: 1 },
          interval: { nanos: 1e8 },
          noTrafficInterval: { nanos: 1e8 },
          unhealthyThreshold: { value: 1 },
          healthyThreshold: { value: 1 },
          httpHealthCheck: { path: '/check-0-fails', host: 'check.test' },
        },
      ],
    },
    reached: [1, 2],
  },
];
