import t from 'tap';
import { countPins } from '../../../../sidecar/session/pin-census.js';
import { SessionTable } from '../../../../sidecar/session/session-table.js';
import { xxh64 } from '../../../../src/hashing/xxh64.js';
import { type PinDigests, releaseDigest } from '../../../../src/routing/pins.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout } from '../../../support/shop.js';

const PERSISTENT = { version: 'persistent', endpoint: 'persistent', ttl: '60s' };

function start(capacity: number) {
  const mesh = new MeshTable();
  mesh.apply(checkout({ affinity: PERSISTENT }));
  const [host] = mesh.table.virtualHosts;
  const digests = host?.routes[0]?.affinity?.digests as PinDigests;
  const sessions = new SessionTable(capacity, 0);
  let next = 0;
  const pin = (name: string, address: string, atMs = 0) => {
    const hash = xxh64(`session-${next++}`);
    const label = next % 2 === 0;
    const release = releaseDigest(digests.ofRelease(name, name), label);
    sessions.set(hash, { ...digests.pin({ release, label }, address), generation: 0, revision: 0 }, atMs);
  };
  const count = async (nowMs = 0) =>
    Object.fromEntries(
      [...(await countPins(sessions, mesh.table, nowMs))].map(([cluster, counts]) => [
        cluster,
        Object.fromEntries(counts),
      ]),
    );
  return { mesh, sessions, pin, count };
}

t.test('pins are counted where their endpoints are', async (t) => {
  const { pin, count } = start(1000);
  t.same(await count(), {});
  for (let i = 0; i < 3; i++) pin('v1', '10.0.1.1:80');
  pin('v1', '10.0.1.2:80');
  pin('v2', '10.0.2.1:80');
  t.same(await count(), {
    'shop/checkout/v1': { '10.0.1.1:80': 3, '10.0.1.2:80': 1 },
    'shop/checkout/v2': { '10.0.2.1:80': 1 },
  });
});

t.test(
  'a pin whose pod is gone counts for its release; one that nothing is known of, for nothing',
  async (t) => {
    const { pin, count } = start(1000);
    // A label's and one that is not.
    pin('v2', '10.9.9.9:80');
    pin('v2', '10.9.9.9:80');
    pin('v9', '10.9.9.9:80');
    t.same(await count(), { 'shop/checkout/v2': { '': 2 } });
  },
);

t.test('a pin that has not been used for its time counts no more', async (t) => {
  const { pin, count } = start(1000);
  pin('v1', '10.0.1.1:80', 0);
  pin('v1', '10.0.1.1:80', 30_000);
  t.same(await count(60_000), { 'shop/checkout/v1': { '10.0.1.1:80': 2 } });
  t.same(await count(80_000), { 'shop/checkout/v1': { '10.0.1.1:80': 1 } });
});

t.test('a large table is counted whole, and others run meanwhile', async (t) => {
  const { sessions, pin, count } = start(100_000);
  for (let i = 0; i < 50_000; i++) pin('v1', '10.0.1.1:80');
  let ran = 0;
  const other = setInterval(() => ran++, 0);
  t.same(await count(), { 'shop/checkout/v1': { '10.0.1.1:80': sessions.size } });
  clearInterval(other);
  t.ok(sessions.size >= 49_990);
  t.ok(ran > 0);
});
