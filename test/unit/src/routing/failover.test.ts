import t from 'tap';
import { PINNED_ONLY, UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, labelled, labelledUser, podsOf, user } from '../../../support/shop.js';

/** S4 rule 5, in the corners that the simulation reached (docs/simulation.md). */

const persistent = { version: 'persistent', endpoint: 'persistent' };
const balanced = { version: 'balanced', endpoint: 'balanced' };
const ids = Array.from({ length: 300 }, (_, i) => i);

const releaseOf = (place: string | undefined) => place?.split(' ')[0];
const callAll = (table: MeshTable, sessions: readonly number[] = ids) =>
  sessions.map((n) => table.where('checkout', { headers: user(n) }));
const kill = (table: MeshTable, release: string, pods: number, usability = UNUSABLE) => {
  for (const { address } of podsOf(release, pods)) table.setUsability(address, usability);
};

t.test(
  'S4.5, S5: a session that fails over to the release it is pinned in keeps its endpoint there',
  async (t) => {
    const table = new MeshTable();
    const shop = (v1: number) =>
      checkout({
        affinity: persistent,
        split: { v1: 100, v2: 0 },
        pods: { v1, v2: 2 },
        routes: [labelled('v2', { pin: false })],
      });
    table.apply(shop(3));
    const before = callAll(table);
    table.apply(shop(9));
    kill(table, 'v2', 2);
    t.same(
      ids.map((n) => table.where('checkout', { headers: labelledUser(n) })),
      before,
    );
  },
);

t.test(
  'S5: a stable release that is all draining serves the sessions pinned in it, failed over or not',
  async (t) => {
    const table = new MeshTable();
    const options = { affinity: persistent, split: { v1: 100, v2: 0 } };
    table.apply(checkout({ ...options, routes: [labelled('v2', { pin: false })] }));
    const pinned = table.where('checkout', { headers: user(1) });
    kill(table, 'v2', 2);
    kill(table, 'v1', 2, PINNED_ONLY);
    t.equal(table.where('checkout', { headers: labelledUser(1) }), pinned);
    t.equal(table.where('checkout', { headers: labelledUser('new') }), 'v2 none');
  },
);

t.test(
  'S4: chance is evaluated once: a release that refuses leads to stable, not to another draw',
  async (t) => {
    const table = new MeshTable();
    table.apply(
      checkout({
        affinity: { version: 'none', endpoint: 'none' },
        split: { v1: 20, v2: 40, v3: 40 },
        pods: { v1: 1, v2: 1, v3: 1 },
      }),
    );
    const first = table.send('checkout', { headers: user(1) }, () => 0.5);
    t.equal(first.release.name, 'v2');
    const second = table.send('checkout', { headers: user(1) }, () => 0.9, [first.release]);
    t.equal(second.release.name, 'v1');
    t.equal(second.endpoint && second.failedOverFrom?.name, 'v2');
  },
);

t.test('S2, S4.5: failover: any leaves drained releases out while another serves', async (t) => {
  const table = new MeshTable();
  const pods = { v1: 1, v2: 1, v3: 1, v4: 1 };
  table.apply(
    checkout({
      affinity: { ...persistent, failover: 'any' },
      split: { v1: 40, v2: 30, v3: 30, v4: 0 },
      pods,
    }),
  );
  kill(table, 'v1', 1);
  t.notOk(callAll(table).some((place) => releaseOf(place) === 'v4'));
  kill(table, 'v2', 1);
  kill(table, 'v3', 1);
  t.ok(callAll(table).every((place) => releaseOf(place) === 'v4'));
});

t.test('S4.5: failover: any moves only the sessions of the release that was lost', async (t) => {
  const table = new MeshTable();
  table.apply(
    checkout({
      affinity: { ...balanced, failover: 'any' },
      split: { v1: 97, v2: 1, v3: 1, v4: 1 },
      pods: { v1: 1, v2: 1, v3: 1, v4: 1 },
    }),
  );
  kill(table, 'v1', 1);
  const before = callAll(table);
  kill(table, 'v3', 1);
  const after = callAll(table);
  const moved = ids.filter((i) => before[i] !== after[i]);
  t.same(
    moved,
    ids.filter((i) => releaseOf(before[i]) === 'v3'),
  );
  t.ok(moved.length > 50, 'the rest is shared out evenly enough');
});

t.test(
  'S4.5: a session whose pin leads nowhere any more is pinned by failover at once, like a new one',
  async (t) => {
    const table = new MeshTable();
    const pods = { v1: 2, v2: 2, v3: 2 };
    table.apply(checkout({ affinity: persistent, pods, split: { v2: 100 } }));
    callAll(table);
    table.apply(checkout({ affinity: persistent, pods, split: { v1: 1, v3: 9999 } }));
    kill(table, 'v3', 2);
    const during = callAll(table);
    t.ok(during.every((place) => releaseOf(place) === 'v1'));
    kill(table, 'v3', 2, USABLE);
    t.same(callAll(table), during);
  },
);

t.test(
  'S4.5: while a label outranks the split, its failover counts from the pin beside the label',
  async (t) => {
    const table = new MeshTable();
    const pods = { v1: 2, v2: 2, v3: 2 };
    const options = { affinity: { ...persistent, failoverRepin: '10s' }, pods, routes: [labelled('v2')] };
    table.apply(checkout({ ...options, split: { v3: 100 } }));
    const before = callAll(table);
    table.apply(checkout({ ...options, split: { v1: 50, v3: 50 } }));
    kill(table, 'v2', 2);
    t.equal(releaseOf(table.where('checkout', { headers: labelledUser(1) })), 'v1');
    t.equal(table.where('checkout', { headers: user(1) }), before[1], 'its pin is as it was');
  },
);

t.test('S6: a label whose release is down changes a pin once, not with every request', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent, split: { v1: 100, v2: 0 }, routes: [labelled('v2')] }));
  callAll(table);
  kill(table, 'v2', 2);
  table.nowMs += 60_000;
  for (const n of ids) {
    const placed = table.send('checkout', { headers: labelledUser(n) });
    t.equal(placed.release.name, 'v1');
    t.equal(placed.endpoint && placed.pinTo, undefined, 'the session is pinned there already');
  }
});
