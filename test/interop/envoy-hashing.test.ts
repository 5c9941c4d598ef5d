import t, { type Test } from 'tap';
import { type Call, caller, inParallel } from '../support/calls.js';
import { ENVOY, startEnvoy } from '../support/envoy.js';
import { HASHING_HOST, HashingWorld, type PlainLocality } from '../support/plain-hashing.js';

/**
 * What consistent hashing can be told in Envoy's own fields: a sidecar that another control plane tells of a cluster,
 * and an Envoy that has the same cluster, send every key to the same endpoint.
 */

const users = Array.from({ length: 1000 }, (_, i) => `user-${i}`);
const LOCALITIES: readonly PlainLocality[] = [
  { zone: 'a', weight: 2, endpoints: { a1: 1, a2: 4 } },
  { zone: 'b', weight: 5, endpoints: { b1: 3, b2: 1, b3: 2 } },
  { zone: 'c', endpoints: { c1: 1 } },
];
const size = (min: number, max: number) => ({
  minimumRingSize: { value: min },
  maximumRingSize: { value: max },
});
const byLocality = { localityWeightedLbConfig: {} };

async function placesOf(call: Call): Promise<string[]> {
  return inParallel(users, 32, async (user) => {
    const { status, body } = await call(HASHING_HOST, { headers: { 'x-user-id': user } });
    if (status !== 200) throw new Error(`${status}: ${body}`);
    return body;
  });
}

async function bothCalls(t: Test, world: HashingWorld, cluster: object): Promise<[roost: Call, envoy: Call]> {
  const { listeners } = await startEnvoy(t, world.envoy(cluster));
  return [await world.sidecar(t, cluster), caller(t, listeners.outbound as string)];
}

t.test('rings and tables of any size, with locality weights and without', { skip: ENVOY.skip }, async (t) => {
  const world = await HashingWorld.start(t, LOCALITIES);
  for (const [what, cluster] of Object.entries({
    'a ring as it is by default': { lbPolicy: 'RING_HASH' },
    'a small ring': { lbPolicy: 'RING_HASH', ringHashLbConfig: size(3, 50) },
    'a large one': { lbPolicy: 'RING_HASH', ringHashLbConfig: size(20_000, 30_000) },
    'a table': { lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: { value: 1009 } } },
    'a ring by locality': { lbPolicy: 'RING_HASH', commonLbConfig: byLocality },
    'a small ring by locality': {
      lbPolicy: 'RING_HASH',
      ringHashLbConfig: size(40, 60),
      commonLbConfig: byLocality,
    },
    'a table by locality': { lbPolicy: 'MAGLEV', commonLbConfig: byLocality },
  })) {
    const [roost, envoy] = await bothCalls(t, world, cluster);
    const places = await placesOf(roost);
    t.same(await placesOf(envoy), places, what);
    t.equal(new Set(places).size, 'commonLbConfig' in cluster ? 5 : 6, what);
  }
});

t.test(
  'hash_balance_factor: the same endpoints take over, in the same order',
  { skip: ENVOY.skip },
  async (t) => {
    const world = await HashingWorld.start(t, [
      { zone: '', endpoints: { p1: 1, p2: 1, p3: 2, p4: 1, p5: 3 } },
    ]);
    for (const lbPolicy of ['RING_HASH', 'MAGLEV']) {
      for (const factor of [100, 130, 300]) {
        const commonLbConfig = { consistentHashingLbConfig: { hashBalanceFactor: { value: factor } } };
        const [roost, envoy] = await bothCalls(t, world, { lbPolicy, commonLbConfig });
        for (const user of users.slice(0, 8)) {
          const places = await world.hold(roost, Array(20).fill(user));
          t.same(await world.hold(envoy, Array(20).fill(user)), places, `${lbPolicy}, ${factor} %, ${user}`);
          t.ok(factor === 300 || new Set(places).size > 2);
        }
        const mixed = Array.from({ length: 30 }, (_, i) => users[i % 13] as string);
        t.same(
          await world.hold(envoy, mixed),
          await world.hold(roost, mixed),
          `${lbPolicy}, ${factor} %, many`,
        );
      }
    }
  },
);
