import t, { type Test } from 'tap';
import { type FleetPod, SharedFleet } from '../../../../support/shared-fleet.js';
import { checkout, labelled, USER_KEY } from '../../../../support/shop.js';

/** SEMANTICS S6, cases 29 to 35, by the production decision, table, sharing and hub. */

const SESSIONS = 2000;
const users = Array.from({ length: SESSIONS }, (_, i) => `user-${i}`);
const persistent = { key: USER_KEY, version: 'persistent', endpoint: 'persistent' };
const US_EAST = [['x-region', 'us-east']] as const;

function versionsOf(...names: readonly string[]): object[] {
  return names.map((name) => {
    const subnet = name.slice(1);
    const endpoints = [1, 2, 3].map((n) => ({ address: `10.0.${subnet}.${n}:80` }));
    return { name, endpoints };
  });
}

function service(split: Readonly<Record<string, number>>, spec: object = {}): object {
  return checkout({ affinity: persistent, split, spec: { versions: versionsOf('v1', 'v2', 'v3'), ...spec } });
}

function start(t: Test, pods = 3): SharedFleet & { readonly three: readonly [FleetPod, FleetPod, FleetPod] } {
  const fleet = new SharedFleet(pods);
  t.teardown(() => fleet.close());
  fleet.apply(service({ v1: 90, v2: 10 }));
  return Object.assign(fleet, { three: fleet.pods as unknown as [FleetPod, FleetPod, FleetPod] });
}

const callAll = (pod: FleetPod, who: readonly string[] = users) => who.map((user) => pod.call(user));
const moved = (before: readonly string[], after: readonly string[]) =>
  before.filter((place, i) => place !== after[i]).length;

t.test(
  '29: nobody moves, whichever pod of the caller is called through, after a weight change',
  async (t) => {
    const fleet = start(t);
    const [a, b, c] = fleet.three;
    const first = callAll(a);
    fleet.settle();
    fleet.apply(service({ v1: 50, v2: 50 }));
    for (const pod of [b, c, a]) t.equal(moved(first, callAll(pod)), 0);
  },
);

t.test('30: a label met through one pod holds through another', async (t) => {
  const fleet = start(t);
  const [a, b] = fleet.three;
  fleet.apply(
    service(
      {},
      {
        routes: [
          labelled('v2'),
          {
            name: 'default',
            split: [
              { version: 'v1', weight: 1 },
              { version: 'v2', weight: 0 },
            ],
          },
        ],
      },
    ),
  );
  const labelledPlaces = users.map((user) => a.call(user, US_EAST));
  t.ok(labelledPlaces.every((place) => place.startsWith('v2')));
  fleet.settle();
  t.equal(moved(labelledPlaces, callAll(b)), 0);
});

t.test('31: a pod that joins after another has died knows its sessions', async (t) => {
  const fleet = start(t);
  const [a, b] = fleet.three;
  const first = callAll(a);
  b.call('user-0');
  fleet.settle();
  fleet.apply(service({ v1: 50, v2: 50 }));
  a.sharing.close();
  const joined = fleet.join();
  t.equal(joined.sharing.isSettled, true, 'and is ready once it does');
  t.equal(moved(first, callAll(joined)), 0);
});

t.test(
  '32: drained: sessions stay, through a pod that has not seen them, and no new one comes',
  async (t) => {
    const fleet = start(t);
    const [a, b] = fleet.three;
    const first = callAll(a);
    fleet.settle();
    fleet.apply(service({ v1: 100, v2: 0 }));
    t.equal(moved(first, callAll(b)), 0);
    t.ok(
      Array.from({ length: 1000 }, (_, i) => b.call(`late-${i}`)).every((place) => place.startsWith('v1')),
    );
  },
);

t.test(
  '33: what was pinned while sharing was down is agreed on afterwards, with one move at most',
  async (t) => {
    const fleet = start(t);
    const [a, b, c] = fleet.three;
    const first = callAll(a);
    fleet.settle();
    for (const { transport } of fleet.pods) transport?.cut();
    const fresh = users.map((user) => `fresh ${user}`);
    const atA = callAll(a, fresh);
    fleet.apply(service({ v1: 50, v2: 50 }));
    const atB = callAll(b, fresh);
    t.ok(moved(atA, atB) > 0.3 * SESSIONS);
    for (const pod of fleet.pods) t.equal(moved(first, callAll(pod)), 0, 'old sessions stay');
    for (const { transport } of fleet.pods) transport?.restore();
    fleet.settle();
    fleet.settle();
    for (const pod of [a, b, c])
      t.equal(moved(atA, callAll(pod, fresh)), 0, 'the older revision wins everywhere');
  },
);

t.test(
  '34: first calls through two pods while the weights change: one move at most, then none',
  async (t) => {
    const fleet = start(t);
    const [a, b, c] = fleet.three;
    fleet.apply(service({ v1: 50, v2: 50 }), [b]);
    const [atA, atB] = [callAll(a), callAll(b)];
    t.ok(moved(atA, atB) > 0);
    fleet.settle();
    const agreed = callAll(c);
    users.forEach((user, i) => {
      if (agreed[i] !== atA[i] && agreed[i] !== atB[i]) t.fail(`${user} is where it never was`);
    });
    fleet.apply(service({ v1: 50, v2: 50 }));
    for (let round = 0; round < 2; round++) {
      for (const pod of [a, b, c]) t.equal(moved(agreed, callAll(pod)), 0);
      fleet.settle();
    }
  },
);

t.test('35: eviction and a successor: no shared pin revives, or leaks', async (t) => {
  const fleet = start(t);
  const [a, b, c] = fleet.three;
  const first = callAll(a);
  fleet.settle();
  fleet.apply(service({ v1: 100 }));
  const evicted = callAll(b);
  t.equal(moved(first, evicted), first.filter((place) => place.startsWith('v2')).length);
  fleet.settle();
  fleet.apply(service({ v1: 90, v3: 10 }));
  for (const pod of [c, a, b]) t.equal(moved(evicted, callAll(pod)), 0);
  // A release of the old name, made anew.
  for (const pod of fleet.pods)
    pod.mesh.incarnations = new Proxy({}, { get: (_, name) => `${String(name)} again` });
  fleet.apply(service({ v1: 90, v2: 10 }));
  const again = callAll(fleet.join());
  t.ok(again.filter((place) => place.startsWith('v2')).length < 0.2 * SESSIONS);
});

t.test('a session that has moved on does not come back with what another pod still knows', async (t) => {
  const fleet = start(t);
  const [a, b, c] = fleet.three;
  const first = callAll(a);
  fleet.settle();
  b.transport?.cut();
  // All of them move, at A; B has not heard of it.
  fleet.apply(service({ v3: 100 }));
  const later = callAll(a);
  t.equal(moved(first, later), SESSIONS);
  fleet.settle();
  fleet.apply(service({ v1: 90, v2: 10, v3: 0 }));
  b.transport?.restore();
  fleet.settle();
  for (const pod of [a, b, c]) t.equal(moved(later, callAll(pod)), 0);
});

t.test('a change of the affinity loses no pin that is on its way', async (t) => {
  const fleet = start(t);
  const [a, b] = fleet.three;
  b.call('user-0');
  fleet.settle();
  const first = callAll(a);
  fleet.apply(service({ v1: 50, v2: 50 }, { affinity: { ...persistent, ttl: '2h' } }));
  fleet.settle();
  t.equal(moved(first, callAll(b)), 0);
});
