import t from 'tap';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, labelled, labelledUser, user } from '../../../support/shop.js';

/** What a pin holds a session on (S4, S6), in the corners that the simulation reached (docs/simulation.md). */

const pods = { v1: 1, v2: 1, v3: 1 };
const beta = (split: object[]) => ({
  name: 'beta',
  match: [{ headers: [{ name: 'x-region', exact: 'us-east' }] }],
  split,
});
const either = (a: string, b: string) => [
  { version: a, weight: 1 },
  { version: b, weight: 1 },
];
const releases = (table: MeshTable, headers: typeof user | typeof labelledUser, count = 100) =>
  Array.from({ length: count }, (_, n) => table.where('checkout', { headers: headers(n) }).split(' ')[0]);

t.test(
  'S4.3, S6: under precedence session, a route with a split of its own judges pins by that split',
  async (t) => {
    const table = new MeshTable();
    const affinity = { version: 'persistent', endpoint: 'persistent', precedence: 'session' };
    table.apply(checkout({ affinity, pods, split: { v2: 1 } }));
    releases(table, user);
    table.apply(checkout({ affinity, pods, split: { v1: 1, v2: 1 }, routes: [beta(either('v1', 'v3'))] }));
    t.notOk(
      releases(table, labelledUser).includes('v2'),
      'v2 is in the other split, and no label names a release here',
    );
  },
);

for (const endpoint of ['balanced', 'persistent']) {
  t.test(
    `S4.1: a label's pin outlives a time when its release is the whole split (endpoint: ${endpoint})`,
    async (t) => {
      const table = new MeshTable();
      const shop = (split: Record<string, number>) =>
        checkout({ affinity: { version: 'balanced', endpoint }, pods, split, routes: [labelled('v2')] });
      table.apply(shop({ v1: 100, v2: 0 }));
      t.ok(releases(table, labelledUser).every((release) => release === 'v2'));
      table.apply(shop({ v2: 100 }));
      t.ok(releases(table, user).every((release) => release === 'v2'));
      table.apply(shop({ v1: 100, v2: 0 }));
      t.ok(
        releases(table, user).every((release) => release === 'v2'),
        'v2 was in the split all the time',
      );
    },
  );
}
