import t from 'tap';
import { inParallel } from '../support/calls.js';
import { HASHING_HOST, HashingWorld } from '../support/plain-hashing.js';

/** Bounded load and locality weights from a control plane of another make: nothing of ours is on the wire. */

const users = Array.from({ length: 2000 }, (_, i) => `user-${i}`);
const LOCALITIES = [
  { zone: 'a', weight: 1, endpoints: { a1: 1, a2: 1 } },
  { zone: 'b', weight: 3, endpoints: { b1: 1, b2: 2 } },
  { zone: 'c', weight: 0, endpoints: { c1: 9 } },
];
const byLocality = { localityWeightedLbConfig: {} };

t.test('hash_balance_factor: a session leaves its endpoint while that is busy, and comes home', async (t) => {
  for (const lbPolicy of ['RING_HASH', 'MAGLEV']) {
    const world = await HashingWorld.start(t, [{ zone: '', endpoints: { p1: 1, p2: 1, p3: 1, p4: 1 } }]);
    const bounded = { consistentHashingLbConfig: { hashBalanceFactor: { value: 150 } } };
    const call = await world.sidecar(t, { lbPolicy, commonLbConfig: bounded });
    const [home = '', ...rest] = await world.hold(call, Array(24).fill('ann'));
    t.ok(rest.includes(home));
    for (const backend of ['p1', 'p2', 'p3', 'p4']) {
      // 150 % of a fair share, with the request that is being placed.
      const had = [home, ...rest].filter((place) => place === backend).length;
      t.ok(had <= Math.ceil((25 * 1.5) / 4), `${lbPolicy}: ${backend} had ${had} of 24`);
    }
    for (let i = 0; i < 20; i++)
      t.equal((await call(HASHING_HOST, { headers: { 'x-user-id': 'ann' } })).body, home, lbPolicy);
    const unbounded = await world.sidecar(t, { lbPolicy });
    t.same(new Set(await world.hold(unbounded, Array(12).fill('ann'))), new Set([home]), 'without it: never');
  }
});

t.test('locality weights: localities get their shares, and endpoints their shares of these', async (t) => {
  const world = await HashingWorld.start(t, LOCALITIES);
  const expected = { a1: 1 / 8, a2: 1 / 8, b1: 1 / 4, b2: 1 / 2 };
  for (const lbPolicy of ['RING_HASH', 'MAGLEV', 'ROUND_ROBIN', 'RANDOM']) {
    const call = await world.sidecar(t, { lbPolicy, commonLbConfig: byLocality });
    const placesOf = () =>
      inParallel(
        users,
        32,
        async (user) => (await call(HASHING_HOST, { headers: { 'x-user-id': user } })).body,
      );
    const places = await placesOf();
    if (lbPolicy === 'RING_HASH' || lbPolicy === 'MAGLEV') t.same(await placesOf(), places, 'sessions stick');
    for (const [backend, share] of Object.entries(expected)) {
      const got = places.filter((place) => place === backend).length / users.length;
      // A ring of 1,024 entries, and chance: both within a few points.
      t.ok(Math.abs(got - share) < 0.06, `${lbPolicy}: ${backend} has ${got}, not ${share}`);
    }
    t.notOk(places.includes('c1'), 'a locality of weight 0 gets nothing');
  }
});
