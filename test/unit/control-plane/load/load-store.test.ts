import t from 'tap';
import { scopeOf } from '../../../../control-plane/load/load-scope.js';
import { nodeKey } from '../../../../control-plane/load/load-service.js';
import { LoadStore } from '../../../../control-plane/load/load-store.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { readNode } from '../../../../src/xds/client-node.js';
import { codec } from '../../../../src/xds/descriptors.js';
import {
  decodeLoadReport,
  type EndpointLoad,
  encodeClusterLoad,
  withWaiting,
} from '../../../../src/xds/load-report.js';
import { endpointLoad as load } from '../../../support/endpoint-load.js';
import { meshService } from '../../../support/shop.js';

const report = (intervalMs: number, ...endpoints: EndpointLoad[]) => ({
  node: 'a',
  waiting: [],
  intervalMs,
  clusters: [{ cluster: 'shop/cart/v1', endpoints }],
});
const LRS_REQUEST = 'envoy.service.load_stats.v3.LoadStatsRequest';

t.test('counts add up over reports and clients, what is of the moment is replaced', async (t) => {
  const store = new LoadStore();
  const [a, b] = [{}, {}];
  store.report(a, report(2000, load('10.0.0.1:80', { issued: 10, succeeded: 8, inFlight: 2, pins: 5 })));
  store.report(
    b,
    report(1000, load('10.0.0.1:80', { issued: 3, succeeded: 1, failed: 2, latencySumMs: 60, timed: 3 })),
  );
  t.match(store.totals(), [
    {
      cluster: 'shop/cart/v1',
      address: '10.0.0.1:80',
      ...{ issued: 13, succeeded: 9, failed: 2, latencySumMs: 60 },
      now: {
        ...{ inFlight: 2, pins: 5, succeededPerSecond: 5, failedPerSecond: 2 },
        ...{ latencyMsPerSecond: 60, timedPerSecond: 3 },
      },
    },
  ]);
  store.report(a, report(2000, load('10.0.0.1:80', { issued: 1, failed: 1, pins: 6 })));
  t.match(store.totals(), [{ issued: 14, now: { inFlight: 0, pins: 6, succeededPerSecond: 1 } }]);
  store.report(a, report(0));
  t.match(
    store.totals(),
    [{ issued: 14, now: { pins: 0, failedPerSecond: 2 } }],
    'what is not told of is nothing',
  );
  store.forget(b);
  t.match(store.totals(), [{ issued: 14, now: { failedPerSecond: 0 } }]);
});

t.test('a client that invents names does not fill memory', async (t) => {
  const store = new LoadStore({ all: 200, ofClient: 50, ofCluster: 1000 });
  const invented = Array.from({ length: 60 }, (_, i) => load(`10.0.0.1:${i}`, { pins: 1 }));
  store.report({}, report(1000, ...invented));
  t.equal(store.totals().length, 50);
  for (let client = 0; client < 4; client++) {
    const own = { cluster: `cluster-${client}`, endpoints: invented };
    store.report({}, { node: 'b', waiting: [], intervalMs: 1000, clusters: [own] });
  }
  t.equal(store.totals().length, 200);
  t.same(store.totals(new Set(['shop/cart/v1'])), [], 'the oldest are forgotten');
});

t.test(
  'what a sidecar encodes is what the store reads, IPv6 and pins without an endpoint included',
  async (t) => {
    const endpoints = [
      load('10.0.0.1:80', {
        ...{ issued: 7, succeeded: 4, failed: 2, inFlight: 1, latencySumMs: 12.5, timed: 6, pins: 3 },
      }),
      load('[fd00::1]:8080', { issued: 1 }),
      load('', { pins: 9 }),
    ];
    const bytes = codec(LRS_REQUEST).encode({
      clusterStats: [encodeClusterLoad({ cluster: 'c', endpoints }, 1250)],
    });
    t.same(decodeLoadReport(codec(LRS_REQUEST).decode(bytes)), {
      node: '',
      waiting: [],
      clusters: [{ cluster: 'c', endpoints }],
      intervalMs: 1250,
    });
  },
);

t.test('what sidecars know of a cluster: the fewest usable endpoints count, failovers add up', async (t) => {
  const store = new LoadStore();
  const [a, b] = [{}, {}];
  const report = (client: object, usable: number, failovers: number) => {
    const own = { cluster: 'c', endpoints: [], condition: { endpoints: 2, usable, failovers } };
    const bytes = codec(LRS_REQUEST).encode({ clusterStats: [encodeClusterLoad(own, 1000)] });
    const decoded = decodeLoadReport(codec(LRS_REQUEST).decode(bytes));
    t.same(decoded.clusters, [own], 'as it was encoded');
    store.report(client, decoded);
  };
  report(a, 2, 0);
  report(b, 0, 7);
  t.same(store.conditions.get('c'), { endpoints: 2, usable: 0, failovers: 7 });
  report(b, 1, 3);
  t.same(store.conditions.get('c'), { endpoints: 2, usable: 1, failovers: 10 });
  store.forget(b);
  t.same(store.conditions.get('c'), { endpoints: 2, usable: 2, failovers: 10 }, 'counts stay');
  store.forget(a);
  t.same(store.conditions.get('c'), { endpoints: 0, usable: 0, failovers: 10 });
  t.same(store.totals(), [], 'no load is invented');
});

t.test(
  'a client that does not tell endpoints apart is read by locality; a first request tells nothing',
  async (t) => {
    const stats = { totalSuccessfulRequests: 4, totalErrorRequests: 1, totalIssuedRequests: 5 };
    const bytes = codec(LRS_REQUEST).encode({
      clusterStats: [
        { clusterName: 'c', upstreamLocalityStats: [stats], loadReportInterval: { seconds: 10 } },
      ],
    });
    t.same(decodeLoadReport(codec(LRS_REQUEST).decode(bytes)), {
      node: '',
      waiting: [],
      clusters: [{ cluster: 'c', endpoints: [load('', { issued: 5, succeeded: 4, failed: 1 })] }],
      intervalMs: 10_000,
    });
    t.same(decodeLoadReport(codec(LRS_REQUEST).decode(codec(LRS_REQUEST).encode({ node: { id: 'x' } }))), {
      node: 'x',
      waiting: [],
      clusters: [],
      intervalMs: 0,
    });
  },
);

t.test(
  'what a sidecar waits for is told with its report, and over with the next or its connection',
  async (t) => {
    const store = new LoadStore();
    const client = {};
    const told = (...names: string[]) => {
      const node = withWaiting(
        { id: 'web-1', metadata: { fields: { service: { stringValue: 'web' } } } },
        names,
      );
      store.report(client, decodeLoadReport(codec(LRS_REQUEST).decode(codec(LRS_REQUEST).encode({ node }))));
    };
    told('shop/cart', 'shop/pay');
    t.same(store.waitingAt('web-1'), ['shop/cart', 'shop/pay']);
    t.same(store.waitingAt('web-2'), []);
    told();
    t.same(store.waitingAt('web-1'), []);
    told('shop/cart');
    store.forget(client);
    t.same(store.waitingAt('web-1'), []);
  },
);

t.test('a client reports of what there is, whatever it invents', async (t) => {
  const document = meshService(
    'cart.shop',
    { v1: 1, v2: 1 },
    {
      versions: [
        { name: 'v1', endpoints: [{ address: '10.0.0.1:80' }, { address: '[FD00:0::1]:80' }] },
        { name: 'v2', dns: 'cart-v2:80' },
      ],
    },
  );
  const service = parseMeshService(document);
  const services = new Map([['shop/cart', { service, record: { document } }]]) as never;
  const store = new LoadStore(
    { all: 200, ofClient: 50, ofCluster: 3 },
    scopeOf({ current: { services } as never }),
  );
  const of = (cluster: string, ...addresses: string[]) => ({
    cluster,
    endpoints: addresses.map((address) => load(address, { issued: 1, pins: 1 })),
    condition: { endpoints: 1, usable: 0, failovers: 1 },
  });
  const tell = (...clusters: ReturnType<typeof of>[]) =>
    store.report({}, { node: '', waiting: [], intervalMs: 1000, clusters });
  for (const cluster of ['shop/cart/v9', 'bank/account/v1', 'shop/cart/v1/x', '', 'outbound'])
    tell(of(cluster, '10.0.0.1:80'));
  t.same(store.totals(), [], 'nothing is kept of clusters that there are not');
  t.equal(store.conditions.size, 0);
  tell(of('shop/cart/v1', '10.0.0.1:80', '[fd00::1]:80', '10.6.6.6:80', '10.6.6.7:80'));
  t.match(store.totals(new Set(['shop/cart/v1'])), [
    { address: '10.0.0.1:80', issued: 1, now: { pins: 1 } },
    { address: '[fd00::1]:80', issued: 1 },
    { address: '', issued: 2, now: { pins: 2 } },
  ]);
  tell(of('shop/cart/v2', ...Array.from({ length: 40 }, (_, n) => `10.0.1.${n}:80`)));
  t.match(
    store.totals(new Set(['shop/cart/v2'])).map(({ address, issued }) => [address, issued]),
    [
      ['10.0.1.0:80', 1],
      ['10.0.1.1:80', 1],
      ['10.0.1.2:80', 1],
      ['', 37],
    ],
  );
});

t.test('numbers that are none, or more than there can be, do not count', async (t) => {
  const metric = (metricName: string, totalMetricValue: number) => ({ metricName, totalMetricValue });
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, -5, 1e300].map((value, n) => ({
    address: { socketAddress: { address: `10.0.0.${n}`, portValue: 80 } },
    totalIssuedRequests: 1,
    loadMetricStats: [metric('roost.pins', value), metric('roost.latency_ms', value)],
  }));
  const bytes = codec(LRS_REQUEST).encode({
    clusterStats: [
      {
        clusterName: 'c',
        upstreamLocalityStats: [{ upstreamEndpointStats: odd }],
        loadReportInterval: { nanos: 1 },
      },
    ],
  });
  const { clusters, intervalMs } = decodeLoadReport(codec(LRS_REQUEST).decode(bytes));
  t.same(
    clusters[0]?.endpoints.map(({ pins, latencySumMs }) => [pins, latencySumMs]),
    [
      [0, 0],
      [1e12, 1e12],
      [0, 0],
      [1e12, 1e12],
    ],
  );
  t.equal(intervalMs, 100, 'one request in a nanosecond is no billion a second');
});

t.test('who says what it waits for says it of its own namespace', async (t) => {
  const store = new LoadStore();
  const node = { id: 'web-1', metadata: { fields: { namespace: { stringValue: 'shop' } } } };
  const of = (namespace: string) => nodeKey({ id: 'web-1', namespace });
  store.report({}, { node: nodeKey(readNode(node)), waiting: ['bank/account'], clusters: [], intervalMs: 0 });
  t.same(store.waitingAt(of('shop')), ['bank/account']);
  t.same(store.waitingAt(of('bank')), []);
});
