import t, { type Test } from 'tap';
import { SETTLING_MS } from '../../../../../sidecar/session/sharing/fleet-views.js';
import { VIEW_LIFE_MS } from '../../../../../src/sessions/endpoint-view.js';
import { type FleetPod, SharedFleet } from '../../../../support/shared-fleet.js';
import { checkout, USER_KEY } from '../../../../support/shop.js';

/** Sidecars that differ on which endpoints are usable (S4.5, S5), by the production decision, sharing and hub. */

const users = Array.from({ length: 600 }, (_, i) => `user-${i}`);
const [POD, ...OTHERS] = ['10.0.1.1:80', '10.0.1.2:80', '10.0.1.3:80'] as const;
const V2 = '10.0.2.1:80';
const REPIN_MS = 10_000;

function service(): object {
  const endpoints = [POD, ...OTHERS].map((address) => ({ address }));
  const versions = [
    { name: 'v1', endpoints },
    { name: 'v2', endpoints: [{ address: V2 }] },
  ];
  const affinity = { key: USER_KEY, version: 'persistent', endpoint: 'persistent' };
  return checkout({ affinity, split: { v1: 80, v2: 20 }, spec: { versions, stable: 'v1' } });
}

/** Sessions that all pods of a caller know. */
function start(t: Test, pods = 2) {
  const fleet = new SharedFleet(pods);
  t.teardown(() => fleet.close());
  fleet.apply(service());
  const first = callAll(fleet.pods[0] as FleetPod);
  for (const pod of fleet.pods) pod.call('user-0');
  fleet.settle();
  return { fleet, first, pods: fleet.pods as unknown as readonly [FleetPod, FleetPod, FleetPod] };
}

const callAll = (pod: FleetPod) => users.map((user) => pod.call(user));
const at = (places: readonly string[], address: string) => places.filter((place) => place.endsWith(address));
const moved = (before: readonly string[], after: readonly string[]) =>
  before.filter((place, i) => place !== after[i]).length;

/** Calls go on through all pods, a second at a time. */
function goOn(fleet: SharedFleet, ms: number): void {
  for (let left = ms; left > 0; left -= 1000) {
    for (const pod of fleet.pods) callAll(pod);
    fleet.clock.nowMs += 800;
    fleet.settle();
  }
}

t.test("one sidecar's own trouble moves no shared pin: it fails over for itself", async (t) => {
  const { fleet, first, pods } = start(t);
  const [a, b] = pods;
  a.lose(POD);
  for (let round = 0; round < 5; round++) {
    t.equal(at(callAll(a), POD).length, 0, 'it uses what it can');
    t.equal(moved(first, callAll(b)), 0, 'no session moves for the other');
    goOn(fleet, 2000);
  }
  a.find(POD);
  t.equal(moved(first, callAll(a)), 0, 'and all are back where they were');
});

t.test('a release that one sidecar has lost keeps its sessions, beyond failoverRepin', async (t) => {
  const { fleet, first, pods } = start(t);
  const [a, b] = pods;
  a.lose(V2);
  goOn(fleet, 2 * REPIN_MS);
  t.equal(at(callAll(a), V2).length, 0);
  t.equal(moved(first, callAll(b)), 0);
  a.find(V2);
  t.equal(moved(first, callAll(a)), 0);
});

t.test('16: a pod that dies for all loses its sessions once, and they stay away', async (t) => {
  const { fleet, first, pods } = start(t, 3);
  const [a, b, c] = pods;
  for (const pod of pods) pod.cutOff.add(POD);
  a.lose(POD);
  const moments = callAll(a);
  fleet.settle();
  t.strictSame(b.asked, [POD], 'the others look for themselves, once');
  b.lose(POD);
  for (const pod of [b, c, a]) t.equal(moved(moments, callAll(pod)), 0, 'all by one pin');
  for (const pod of pods) pod.find(POD);
  fleet.settle();
  for (const pod of [c, b, a]) t.equal(moved(moments, callAll(pod)), 0);
  t.ok(moved(first, moments) > 0);
});

t.test('a release that all have lost gives its sessions to stable after failoverRepin', async (t) => {
  const { fleet, first, pods } = start(t);
  for (const pod of pods) pod.lose(V2);
  goOn(fleet, REPIN_MS + 2000);
  for (const pod of pods) pod.find(V2);
  fleet.settle();
  t.ok(at(first, V2).length > 0);
  for (const pod of pods) t.equal(at(callAll(pod), V2).length, 0);
});

t.test('who is alone, or cut off from the others, goes by what it sees', async (t) => {
  const { fleet, pods } = start(t);
  const [a, b] = pods;
  b.sharing.close();
  a.transport?.cut();
  a.lose(POD);
  const places = callAll(a);
  a.find(POD);
  t.equal(moved(places, callAll(a)), 0, 'they stay where they were put');
  a.transport?.restore();
  a.lose(OTHERS[0]);
  const alone = callAll(a);
  fleet.settle();
  a.find(OTHERS[0]);
  t.equal(
    moved(alone, callAll(a)),
    0,
    'what was called before the control plane said that it is alone included',
  );
});

t.test('a sidecar that knows that it is alone waits for no one', async (t) => {
  const { fleet, first, pods } = start(t, 1);
  const [a] = pods;
  a.lose(POD);
  const places = callAll(a);
  a.find(POD);
  fleet.settle();
  t.ok(moved(first, places) > 0);
  t.equal(moved(places, callAll(a)), 0);
});

t.test('calls that get through tell the others that a pod is back', async (t) => {
  const { fleet, pods } = start(t);
  const [a, b] = pods;
  b.cutOff.add(POD);
  a.lose(POD);
  fleet.settle();
  t.strictSame([a.asked, b.asked], [[], [POD]]);
  for (const pod of pods) pod.cutOff.delete(POD);
  sees(b, POD, { isAnswering: true, successes: 1 });
  fleet.settle();
  t.strictSame(a.asked, [POD]);
  t.equal(a.seen(POD).trouble, undefined);
});

t.test('a sidecar of before, which says nothing, is waited for and then left out', async (t) => {
  const { fleet, pods } = start(t);
  const [a, b] = pods;
  b.views.tick = () => [];
  a.lose(POD);
  fleet.settle();
  a.find(POD);
  t.ok(at(callAll(a), POD).length > 0, 'not agreed yet');
  a.lose(POD);
  fleet.clock.nowMs += SETTLING_MS;
  fleet.settle();
  callAll(a);
  a.find(POD);
  t.equal(at(callAll(a), POD).length, 0);
});

t.test('a pod that returns is looked at by all as soon as one has reached it', async (t) => {
  const { fleet, pods } = start(t, 3);
  const [a, b, c] = pods;
  for (const pod of pods) pod.lose(POD);
  fleet.settle();
  for (const pod of [b, c]) pod.cutOff.delete(POD);
  fleet.clock.nowMs += 60_000;
  a.find(POD);
  fleet.settle();
  for (const pod of [b, c]) {
    t.ok(pod.asked.includes(POD));
    t.equal(pod.mesh.clusters.size > 0 && at([...callAll(pod), ...fresh(pod)], POD).length > 0, true);
  }
});

const fresh = (pod: FleetPod) => Array.from({ length: 100 }, (_, i) => pod.call(`late-${i}`));

t.test('a sidecar that lies moves nobody', async (t) => {
  const { fleet, first, pods } = start(t, 3);
  const [a, b, liar] = pods;
  const all = [POD, ...OTHERS, V2];
  for (let round = 0; round < 20; round++) {
    for (const address of all) {
      liar.lose(address, (['unreachable', 'ejected', 'failing-checks'] as const)[round % 3]);
      fleet.settle();
      liar.find(address);
    }
    fleet.clock.nowMs += 1000;
  }
  for (const pod of [a, b]) t.equal(moved(first, callAll(pod)), 0);
  for (const pod of [a, b]) t.ok(pod.asked.length <= all.length * 20, 'it asks once a second at most');
});

t.test('a sidecar in trouble and one that lies do not move the pins of a third', async (t) => {
  const { fleet, first, pods } = start(t, 3);
  const [a, b, liar] = pods;
  liar.lose(POD);
  a.lose(POD);
  goOn(fleet, 10_000);
  t.equal(moved(first, callAll(b)), 0);
});

type Facts = Pick<ReturnType<FleetPod['seen']>, 'isAnswering' | 'passesChecks' | 'successes'>;

/** What one pod of the caller has seen of an endpoint. */
function sees(pod: FleetPod, address: string, facts: Partial<Facts>): void {
  Object.assign(pod.seen(address), facts);
}

t.test('an ejection is no news to who has had no answers: sessions leave the pod', async (t) => {
  const { fleet, first, pods } = start(t);
  const [a, b] = pods;
  a.lose(POD, 'ejected');
  fleet.settle();
  const places = callAll(a);
  t.strictSame(b.asked, [], 'that it takes connections would prove nothing');
  a.find(POD);
  t.equal(moved(places, callAll(a)), 0);
  t.ok(moved(first, places) > 0);
});

t.test('an ejection by one sidecar, where another gets good answers, moves no pin', async (t) => {
  const { fleet, first, pods } = start(t);
  const [a, b] = pods;
  sees(b, POD, { isAnswering: true });
  a.lose(POD, 'ejected');
  goOn(fleet, 10_000);
  t.equal(moved(first, callAll(b)), 0);
});

t.test('checks that one sidecar fails and another passes move no pin', async (t) => {
  const { fleet, first, pods } = start(t);
  const [a, b] = pods;
  sees(b, POD, { passesChecks: true });
  a.lose(POD, 'failing-checks');
  goOn(fleet, 10_000);
  t.equal(moved(first, callAll(b)), 0);
});

t.test('what a sidecar has said is forgotten when it says so no longer', async (t) => {
  const { fleet, pods } = start(t);
  const [a, b] = pods;
  a.lose(POD);
  fleet.settle();
  a.views.tick = () => [];
  fleet.clock.nowMs += 2 * VIEW_LIFE_MS;
  fleet.settle();
  fleet.clock.nowMs += VIEW_LIFE_MS;
  fleet.settle();
  const { length } = b.asked;
  fleet.clock.nowMs += VIEW_LIFE_MS;
  fleet.settle();
  t.equal(b.asked.length, length);
});
