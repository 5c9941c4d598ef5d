import t from 'tap';
import { decodeCluster } from '../../../../src/xds/cluster.js';
import { codec, packAny } from '../../../../src/xds/descriptors.js';
import { InvalidXdsError } from '../../../../src/xds/fields.js';
import type { LoadBalancerConfig } from '../../../../src/xds/load-balancer.js';
import { messageNameOf } from '../../../../src/xds/resource-types.js';

const LB = 'envoy.extensions.load_balancing_policies';
const policies = (...all: readonly (readonly [typeName: string, config: object])[]) => ({
  policies: all.map(([typeName, config]) => ({
    typedExtensionConfig: { name: typeName, typedConfig: packAny(`${LB}.${typeName}`, config) },
  })),
});

function read(cluster: object): LoadBalancerConfig {
  return decodeCluster(codec(messageNameOf('cluster')).encode({ name: 'c', ...cluster })).loadBalancer;
}

function problemsOf(cluster: object): readonly string[] {
  try {
    read(cluster);
    return [];
  } catch (error) {
    if (error instanceof InvalidXdsError) return error.problems;
    throw error;
  }
}

const value = (n: number) => ({ value: n });

t.test('bounded load and locality weights, wherever they may be written', async (t) => {
  const hashing = { balanceFactor: 150, byLocality: true };
  const consistentHashingLbConfig = { hashBalanceFactor: value(150) };
  const localityWeightedLbConfig = {};
  for (const cluster of [
    { lbPolicy: 'RING_HASH', commonLbConfig: { consistentHashingLbConfig, localityWeightedLbConfig } },
    {
      loadBalancingPolicy: policies([
        'maglev.v3.Maglev',
        { consistentHashingLbConfig, localityWeightedLbConfig },
      ]),
    },
    {
      loadBalancingPolicy: policies([
        'ring_hash.v3.RingHash',
        { hashBalanceFactor: value(150), localityWeightedLbConfig },
      ]),
    },
  ])
    t.match(read(cluster).hashing, hashing);
  const byLocality = { localityLbConfig: { localityWeightedLbConfig } };
  t.match(read({ loadBalancingPolicy: policies(['round_robin.v3.RoundRobin', byLocality]) }), {
    kind: 'round-robin',
    hashing: { balanceFactor: 0, byLocality: true },
  });
  const inner = policies(['maglev.v3.Maglev', {}], ['least_request.v3.LeastRequest', {}]);
  t.match(
    read({
      loadBalancingPolicy: policies(['wrr_locality.v3.WrrLocality', { endpointPickingPolicy: inner }]),
    }),
    { kind: 'maglev', hashing: { byLocality: true } },
  );
  t.match(
    problemsOf({ loadBalancingPolicy: policies(['wrr_locality.v3.WrrLocality', {}]) }).join(),
    /names no policy that is supported/,
  );
  t.match(
    problemsOf({
      lbPolicy: 'MAGLEV',
      commonLbConfig: { consistentHashingLbConfig: { hashBalanceFactor: value(99) } },
    }),
    [/hash_balance_factor: must be at least 100/],
  );
});
