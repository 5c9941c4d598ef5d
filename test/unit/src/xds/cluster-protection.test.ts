import t from 'tap';
import { translateProtection } from '../../../../control-plane/translate/cluster-protection.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { ourClusterMetadata } from '../../../../src/xds/cluster-metadata.js';
import {
  readHealthCheck,
  readLimits,
  readOutlier,
  readPanicThreshold,
  readSlowStart,
} from '../../../../src/xds/cluster-protection.js';
import type { Message } from '../../../../src/xds/descriptors.js';
import { Problems } from '../../../../src/xds/fields.js';

/** What a sidecar makes of what our control plane makes of it. */
function bothWays(spec: object) {
  const raw = translateProtection(
    parseMeshService({
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: 'checkout', namespace: 'shop' },
      spec: { port: 80, versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }], ...spec },
    }),
    0xffffff,
  ) as Message;
  return {
    ...read({ ...raw, metadata: ourClusterMetadata(undefined) }),
    panicThreshold: readPanicThreshold(raw),
  };
}

function read(raw: Message) {
  const problems = new Problems();
  const found = {
    outlier: readOutlier(raw, problems),
    health: readHealthCheck(raw, problems),
    limits: readLimits(raw, problems),
  };
  problems.throwIfAny('a cluster');
  return found;
}

t.test(
  'without any of it: nobody is checked, ejected or bounded, and retries have their budget',
  async (t) => {
    t.match(bothWays({}), {
      outlier: undefined,
      health: undefined,
      limits: {
        connections: Number.POSITIVE_INFINITY,
        pending: Number.POSITIVE_INFINITY,
        requests: Number.POSITIVE_INFINITY,
        retries: Number.POSITIVE_INFINITY,
        retryBudgetPercent: 20,
        retryBudgetMinimum: 3,
        retryReservePerSecond: 3,
        perEndpointConnections: Number.POSITIVE_INFINITY,
        perEndpointRequests: Number.POSITIVE_INFINITY,
      },
      panicThreshold: 0,
    });
  },
);

t.test('the defaults of each part (docs/health-and-limits.md)', async (t) => {
  const { outlier, health, limits } = bothWays({ outlier: { successRate: {} }, health: {}, limits: {} });
  t.strictSame(outlier, {
    consecutiveErrors: 5,
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 50,
    alwaysEjectsOne: true,
    checksReadmit: false,
    successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9 },
  });
  t.strictSame(health, {
    path: undefined,
    overHttp2: false,
    grpcService: undefined,
    host: '',
    headers: [],
    intervalMs: 5000,
    unusedIntervalMs: 60_000,
    timeoutMs: 1000,
    healthyThreshold: 2,
    unhealthyThreshold: 3,
  });
  t.match(limits, { retryBudgetPercent: 20, retryBudgetMinimum: 3, requests: Number.POSITIVE_INFINITY });
  t.equal(bothWays({ outlier: {} }).outlier?.successRate, undefined, 'only where it is asked for');
});

t.test('the higher panic threshold counts', async (t) => {
  for (const [health, outlier, expected] of [
    [30, 50, 50],
    [50, 30, 50],
    [50, undefined, 50],
    [undefined, 40, 40],
  ] as const) {
    const part = (panicThreshold: number | undefined) => (panicThreshold ? { panicThreshold } : undefined);
    t.equal(bothWays({ health: part(health), outlier: part(outlier) }).panicThreshold, expected);
  }
});

t.test('a bound on retries without a budget is the whole rule, as with Envoy', async (t) => {
  t.match(bothWays({ limits: { retries: 10 } }).limits, {
    retries: 10,
    retryBudgetMinimum: 10,
    retryReservePerSecond: 0,
  });
  t.match(bothWays({ limits: { retries: 10, retryBudget: { percent: 5 } } }).limits, {
    retries: 10,
    retryBudgetPercent: 5,
    retryBudgetMinimum: 3,
  });
});

t.test('another control plane’s clusters: Envoy’s defaults', async (t) => {
  t.equal(readPanicThreshold({}), 50);
  t.match(read({ outlierDetection: {} }).outlier, {
    consecutiveErrors: 5,
    maxEjectionPercent: 10,
    alwaysEjectsOne: false,
    checksReadmit: true,
    successRate: { minimumHosts: 5 },
  });
  t.match(
    read({
      outlierDetection: { enforcingConsecutive_5xx: { value: 0 }, enforcingSuccessRate: { value: 0 } },
    }).outlier,
    { consecutiveErrors: 0, successRate: undefined },
  );
  t.match(read({}).limits, {
    connections: 1024,
    pending: 1024,
    requests: 1024,
    retries: 3,
    retryBudgetMinimum: 3,
    retryReservePerSecond: 0,
    perEndpointConnections: Number.POSITIVE_INFINITY,
  });
  t.equal(readSlowStart({}, '', new Problems()), 0);
});

t.test('a check is for the service’s name, unless it says another host', async (t) => {
  const own = ['user-agent', 'roost-health-check'];
  t.match(bothWays({ health: { path: '/up' } }).health, { host: 'checkout.shop', headers: [own] });
  const headers = { 'X-Probe': '100%', 'user-agent': 'mine' };
  t.strictSame(bothWays({ health: { path: '/up', host: 'pay.internal:8080', headers } }).health?.headers, [
    ['x-probe', '100%'],
    ['user-agent', 'mine'],
  ]);
  t.equal(bothWays({ health: { path: '/up', host: 'pay.internal:8080' } }).health?.host, 'pay.internal:8080');
});

t.test('another control plane’s check: Envoy’s host, and its changes of headers', async (t) => {
  const check = (httpHealthCheck: object, name = 'reviews.default') =>
    read({ name, healthChecks: [{ httpHealthCheck }] }).health;
  t.equal(check({ host: 'Given.test' })?.host, 'Given.test');
  t.equal(check({})?.host, 'reviews.default', 'the cluster’s name');
  t.equal(check({}, 'outbound|80||reviews')?.host, '', 'unless no Host can have it: the endpoint’s address');
  const header = { key: 'X-A', value: 'a%%' };
  const requestHeadersToAdd = [{ header }, { header, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }];
  t.strictSame(check({ requestHeadersToAdd, requestHeadersToRemove: ['User-Agent'] })?.headers, [
    ['X-A', 'a%'],
    ['X-A', 'a%'],
  ]);
  const bad = { header: { key: 'host', value: 'x' } };
  t.throws(() => check({ requestHeadersToAdd: [bad] }), /request_headers_to_add\[0\]: "host" frames/);
});

t.test('a check by gRPC asks for a service, over HTTP/2', async (t) => {
  t.match(
    read({ name: 'shop/cart/v1', healthChecks: [{ grpcHealthCheck: { serviceName: 'shop.Cart' } }] }).health,
    {
      path: '/grpc.health.v1.Health/Check',
      overHttp2: true,
      grpcService: 'shop.Cart',
      headers: [['user-agent', 'roost-health-check']],
    },
  );
  t.match(read({ healthChecks: [{ grpcHealthCheck: {} }] }).health, { grpcService: '' });
});

t.test('a check of a kind that we do not make is refused', async (t) => {
  for (const [checks, problem] of [
    [[{ customHealthCheck: {} }], /must be an http_health_check, a grpc_health_check or a tcp_health_check/],
    [[{ grpcHealthCheck: { serviceName: 'x'.repeat(128) } }], /service_name: is longer than 127 bytes/],
    [[{ tcpHealthCheck: {} }, { tcpHealthCheck: {} }], /more than one is not supported/],
  ] as const) {
    const problems = new Problems();
    readHealthCheck({ healthChecks: checks }, problems);
    t.throws(() => problems.throwIfAny('x'), problem);
  }
});

t.test('the bound on requests at one endpoint travels beside Envoy’s fields, which refuse it', async (t) => {
  const raw = { metadata: ourClusterMetadata(undefined, 7), circuitBreakers: {} };
  t.equal(read(raw).limits.perEndpointRequests, 7);
  const thresholds = { perHostThresholds: [{ maxRequests: { value: 5 } }] };
  t.equal(read({ circuitBreakers: thresholds }).limits.perEndpointRequests, 5, 'other control planes’ field');
  const limits = { perEndpoint: { requests: 7 } };
  const spec = { port: 80, versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }], limits };
  const document = {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout' },
    spec,
  };
  t.notMatch(JSON.stringify(translateProtection(parseMeshService(document), 0)), 'perHostThresholds');
});
