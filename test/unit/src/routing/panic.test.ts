import t from 'tap';
import { type EndpointSet, UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, podsOf, user } from '../../../support/shop.js';

const persistent = { version: 'persistent', endpoint: 'persistent' };
const ids = Array.from({ length: 500 }, (_, i) => i);

/** A table all of whose pods of these releases are bad, with or without their being a last resort. */
class Shop extends MeshTable {
  lose(release: string, panicking: boolean): void {
    for (const { address } of podsOf(release, 2)) this.setUsability(address, UNUSABLE);
    const cluster = this.clusters.get(`shop/checkout/${release}`) as { endpoints: EndpointSet };
    if (panicking) Object.assign(cluster, { lastResort: cluster.endpoints.withUsability(() => USABLE) });
  }

  callAll(): string[] {
    return ids.map((n) => this.where('checkout', { headers: user(n) }));
  }
}

function shop(affinity: object): { table: Shop; before: string[] } {
  const table = new Shop();
  table.apply(checkout({ affinity, split: { v1: 50, v2: 50 } }));
  return { table, before: table.callAll() };
}

t.test('a release that is lost fails over, last resort or not (S4.5)', async (t) => {
  const { table } = shop(persistent);
  table.lose('v2', true);
  t.ok(table.callAll().every((place) => place.startsWith('v1 10.')));
});

t.test('stable lost, too: every session stays where it belongs, on its own endpoint', async (t) => {
  for (const affinity of [persistent, { version: 'balanced', endpoint: 'balanced' }]) {
    const { table, before } = shop(affinity);
    table.lose('v1', true);
    table.lose('v2', true);
    t.same(table.callAll(), before);
  }
});

t.test(
  'stable lost, too, and only stable has a last resort: its sessions and the others go there',
  async (t) => {
    const { table } = shop(persistent);
    table.lose('v1', true);
    table.lose('v2', false);
    t.ok(table.callAll().every((place) => place.startsWith('v1 10.')));
  },
);

t.test('without a panic threshold: 503 (case 19)', async (t) => {
  const { table } = shop(persistent);
  table.lose('v1', false);
  table.lose('v2', false);
  t.ok(table.callAll().every((place) => place.endsWith(' none')));
});

t.test('failover: any finds a release that is well before the last resort', async (t) => {
  const { table } = shop({ ...persistent, failover: 'any' });
  table.lose('v1', true);
  t.ok(table.callAll().every((place) => place.startsWith('v2 10.')));
});
