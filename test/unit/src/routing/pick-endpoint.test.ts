import t from 'tap';
import { xxh64 } from '../../../../src/hashing/xxh64.js';
import { type Endpoint, EndpointSet, UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import { pickEndpoint } from '../../../../src/routing/pick-endpoint.js';
import { decodeCluster } from '../../../../src/xds/cluster.js';
import { codec, packAny } from '../../../../src/xds/descriptors.js';
import { decodeAssignment } from '../../../../src/xds/endpoint.js';
import { messageNameOf } from '../../../../src/xds/resource-types.js';

/** Consistent hashing as another control plane may configure it, from the bytes on the wire to the pick. */

const RING = { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: { value: 1024 } } };
const MAGLEV = 'envoy.extensions.load_balancing_policies.maglev.v3.Maglev';
const clusterOf = (fields: object) =>
  decodeCluster(codec(messageNameOf('cluster')).encode({ name: 'c', type: 'EDS', ...fields }));
const lbEndpoint = (last: number, more: object = {}, endpoint: object = {}) => ({
  endpoint: { address: { socketAddress: { address: `10.0.0.${last}`, portValue: 80 } }, ...endpoint },
  ...more,
});
const locality = (zone: string, weight: number | undefined, ...lbEndpoints: object[]) => ({
  locality: { zone },
  lbEndpoints,
  ...(weight === undefined ? {} : { loadBalancingWeight: { value: weight } }),
});

type Busy = Endpoint & { activeRequests: number };

function setOf(
  cluster: object,
  localities: object[],
  unusable = '',
): { set: EndpointSet; endpoints: Busy[] } {
  const assignment = codec(messageNameOf('endpoint')).encode({ clusterName: 'c', endpoints: localities });
  const endpoints = decodeAssignment(assignment).endpoints.map(
    (each): Busy => ({ ...each, activeRequests: 0 }),
  );
  const usability = ({ address }: Endpoint) => (address === unusable ? UNUSABLE : USABLE);
  return { set: EndpointSet.of(endpoints, clusterOf(cluster).loadBalancer, usability), endpoints };
}

const hashes = Array.from({ length: 2000 }, (_, i) => xxh64(`user-${i}`));
const pick = (set: EndpointSet, hash: bigint, tried: readonly Endpoint[] = []) =>
  pickEndpoint(set, hash, tried, Math.random)?.address;
const shareOf = (set: EndpointSet, address: string) =>
  hashes.filter((hash) => pick(set, hash) === address).length / hashes.length;

const policies: [string, (common: object) => object][] = [
  ['lb_policy', (common) => ({ ...RING, commonLbConfig: common })],
  [
    'load_balancing_policy',
    (config) => ({
      loadBalancingPolicy: {
        policies: [{ typedExtensionConfig: { name: MAGLEV, typedConfig: packAny(MAGLEV, config) } }],
      },
    }),
  ],
];

for (const [where, cluster] of policies) {
  t.test(`locality weights count where the cluster says so, in ${where}`, async (t) => {
    const localities = [
      locality('b', 1, lbEndpoint(1), lbEndpoint(2)),
      locality('a', 9, lbEndpoint(3)),
      locality('c', undefined, lbEndpoint(4)),
    ];
    const plain = setOf(cluster({}), localities).set;
    t.ok(Math.abs(shareOf(plain, '10.0.0.3:80') - 0.25) < 0.05);
    const { set } = setOf(cluster({ localityWeightedLbConfig: {} }), localities);
    t.ok(Math.abs(shareOf(set, '10.0.0.3:80') - 0.9) < 0.05);
    t.equal(shareOf(set, '10.0.0.4:80'), 0, 'a locality without a weight has none');
  });

  t.test(`an endpoint with too much to do passes sessions on, in ${where}`, async (t) => {
    const config = { consistentHashingLbConfig: { hashBalanceFactor: { value: 150 } } };
    const { set, endpoints } = setOf(cluster(config), [
      locality('a', 1, ...[1, 2, 3, 4, 5].map((last) => lbEndpoint(last))),
    ]);
    const idle = hashes.map((hash) => pick(set, hash));
    const [busy, other] = endpoints as [Busy, Busy];
    busy.activeRequests = 10;
    const loaded = hashes.map((hash) => pick(set, hash));
    t.notOk(loaded.includes(busy.address));
    t.same(
      loaded.filter((address, i) => address !== idle[i]).length,
      idle.filter((address) => address === busy.address).length,
      'only its own sessions move',
    );
    t.ok(new Set(loaded.filter((_, i) => idle[i] === busy.address)).size === 4, 'each to any of the others');
    busy.activeRequests = 0;
    t.same(
      hashes.map((hash) => pick(set, hash)),
      idle,
    );
    const own = hashes[idle.indexOf(other.address)] as bigint;
    t.not(pick(set, own, [other]), other.address, 'a retry goes elsewhere');
  });
}

t.test('bounded load leaves unusable endpoints out', async (t) => {
  const config = {
    ...RING,
    commonLbConfig: { consistentHashingLbConfig: { hashBalanceFactor: { value: 100 } } },
  };
  const localities = [locality('a', 1, lbEndpoint(1), lbEndpoint(2), lbEndpoint(3))];
  const { set, endpoints } = setOf(config, localities, '10.0.0.2:80');
  (endpoints[0] as Busy).activeRequests = 50;
  t.same(new Set(hashes.map((hash) => pick(set, hash))), new Set(['10.0.0.3:80']));
});

t.test('a balance factor below 100 is refused', async (t) => {
  const config = { consistentHashingLbConfig: { hashBalanceFactor: { value: 99 } } };
  t.throws(() => clusterOf({ ...RING, commonLbConfig: config }), /hash_balance_factor/);
});

t.test(
  'an endpoint is hashed by its hash_key, by its hostname where wanted, else by its address',
  async (t) => {
    const metadata = {
      filterMetadata: { 'envoy.lb': { fields: { hash_key: { stringValue: '10.0.0.9:80' } } } },
    };
    const hostname = { hostname: '10.0.0.9:80' };
    const nine = [locality('a', 1, lbEndpoint(1), lbEndpoint(9))];
    const byHostname = {
      ...RING,
      commonLbConfig: { consistentHashingLbConfig: { useHostnameForHashing: true } },
    };
    const same = (cluster: object, endpoint: object) => {
      const { set } = setOf(cluster, [locality('a', 1, lbEndpoint(1), endpoint)]);
      const expected = setOf(RING, nine).set;
      return hashes.every(
        (hash) => (pick(set, hash) === '10.0.0.1:80') === (pick(expected, hash) === '10.0.0.1:80'),
      );
    };
    t.ok(same(RING, lbEndpoint(2, { metadata })));
    t.ok(same(byHostname, lbEndpoint(2, {}, hostname)));
    t.notOk(same(RING, lbEndpoint(2, {}, hostname)));
    t.notOk(same(RING, lbEndpoint(2)));
  },
);

t.test('localities that all weigh nothing: endpoints by their own weights, rather than nobody', async (t) => {
  const cluster = { ...RING, commonLbConfig: { localityWeightedLbConfig: {} } };
  const { set } = setOf(cluster, [
    locality('a', undefined, lbEndpoint(1)),
    locality('b', undefined, lbEndpoint(2)),
  ]);
  t.ok(Math.abs(shareOf(set, '10.0.0.1:80') - 0.5) < 0.1);
});
