import t from 'tap';
import { SessionTable } from '../../../../sidecar/session/session-table.js';
import { xxh64 } from '../../../../src/hashing/xxh64.js';

const HOUR_MS = 3_600_000;
const MEGABYTE = 1e6;
const hashOf = (session: number | string) => xxh64(`user-${session}`);
const pinOf = (n: number) => ({ release: 1 + n, endpoint: 2 ** 47 + n, label: n % 2 === 1 });

t.test('keeps what it was given, for each session', async (t) => {
  const table = new SessionTable(1000, 0);
  for (let n = 0; n < 1000; n++) table.set(hashOf(n), pinOf(n), 0);
  t.equal(table.size, 1000);
  const found = Array.from({ length: 1000 }, (_, n) => table.find(hashOf(n), HOUR_MS, 1000));
  t.same(
    found,
    found.map((_, n) => pinOf(n)),
  );
  t.equal(table.find(hashOf('nobody'), HOUR_MS, 1000), undefined);
  table.set(hashOf(7), pinOf(8), 2000);
  t.same(table.find(hashOf(7), HOUR_MS, 2000), pinOf(8), 'the newest pin of a session counts');
  t.equal(table.size, 1000);
});

t.test('forgets a session that was idle for longer than its ttl, and none that was not', async (t) => {
  const table = new SessionTable(10, 0);
  table.set(hashOf(1), pinOf(1), 0);
  t.ok(table.find(hashOf(1), HOUR_MS, HOUR_MS), 'used in time, which counts as a use');
  t.ok(table.find(hashOf(1), HOUR_MS, 2 * HOUR_MS));
  t.equal(table.find(hashOf(1), HOUR_MS, 3 * HOUR_MS + 1000), undefined);
  t.equal(table.size, 0);
});

t.test('is bounded: of more sessions than fit, those used longest ago give way', async (t) => {
  const capacity = 1000;
  const table = new SessionTable(capacity, 0);
  const found: unknown[] = [];
  for (let n = 0; n < 20 * capacity; n++) {
    // One session is in use all the time.
    table.set(hashOf(n), pinOf(n), n * 1000);
    if (n % 10 === 0) found.push(table.find(hashOf(0), 20 * capacity * 1000, n * 1000));
  }
  t.ok(found.every(Boolean), 'the one that is used stays');
  t.ok(table.size <= 4 * capacity, `${table.size} entries`);
  const held = (n: number) => table.find(hashOf(n), 20 * capacity * 1000, 20 * capacity * 1000) !== undefined;
  const count = (from: number, end: number) =>
    Array.from({ length: end - from }, (_, i) => from + i).filter(held).length;
  t.ok(count(19 * capacity, 20 * capacity) > 0.99 * capacity, 'the last thousand are there');
  t.equal(count(1, 10 * capacity), 0, 'the first ten thousand are gone');
});

t.test('100,000 pins take at most 25 MB', async (t) => {
  const pins = 100_000;
  const before = process.memoryUsage().arrayBuffers;
  const table = new SessionTable(pins, 0);
  for (let n = 0; n < pins; n++) table.set(hashOf(n), pinOf(n), n);
  const bytes = process.memoryUsage().arrayBuffers - before;
  let kept = 0;
  for (let n = 0; n < pins; n++) if (table.find(hashOf(n), HOUR_MS, pins)) kept++;
  t.comment(`${(bytes / MEGABYTE).toFixed(1)} MB, ${kept} of ${pins} pins kept`);
  // All of it is in typed arrays; the table adds no objects to the heap.
  t.ok(bytes > 0 && bytes <= 25 * MEGABYTE, `${(bytes / MEGABYTE).toFixed(1)} MB`);
  t.ok(kept >= 0.9999 * pins, `${kept} of ${pins} pins kept`);
});

t.test('whoever chooses keys cannot choose those that are kept in one place with another’s', async (t) => {
  const capacity = 100_000;
  const buckets = Math.ceil((capacity * 3) / 16);
  const victim = hashOf('victim');
  // All that an attacker can compute: as many buckets as the table has, by the hash's low half.
  const chosen = Array.from({ length: 24 }, (_, n) => victim + BigInt((n + 1) * buckets));
  for (const owner of [undefined, { caller: '127.0.0.1', scope: 1n }]) {
    const table = new SessionTable(capacity, 0);
    table.set(victim, pinOf(1), 0, owner);
    for (const hash of chosen) table.set(hash, pinOf(2), 1000, owner);
    t.ok(table.find(victim, HOUR_MS, 1000));
  }
});

t.test('no caller, and no service of a caller, takes the places of others', async (t) => {
  for (const [flooding, calm] of [
    [
      { caller: '10.0.0.1', scope: 1n },
      { caller: '10.0.0.2', scope: 1n },
    ],
    [
      { caller: '10.0.0.1', scope: 1n },
      { caller: '10.0.0.1', scope: 2n },
    ],
  ] as const) {
    const table = new SessionTable(1000, 0);
    for (let n = 0; n < 500; n++) table.set(hashOf(n), pinOf(n), 0, calm);
    for (let n = 1000; n < 100_000; n++) table.set(hashOf(n), pinOf(n), n, flooding);
    const left = Array.from({ length: 500 }, (_, n) => table.find(hashOf(n), HOUR_MS, 100_000)).filter(
      Boolean,
    );
    t.ok(left.length >= 485, `${left.length} of 500`);
  }
});

t.test('a caller with many services has the share of one caller', async (t) => {
  const table = new SessionTable(1000, 0);
  const calm = { caller: '10.0.0.2', scope: 1n };
  for (let n = 0; n < 500; n++) table.set(hashOf(n), pinOf(n), 0, calm);
  for (let n = 1000; n < 100_000; n++)
    table.set(hashOf(n), pinOf(n), n, { caller: '10.0.0.1', scope: BigInt(n) });
  const left = Array.from({ length: 500 }, (_, n) => table.find(hashOf(n), HOUR_MS, 100_000)).filter(Boolean);
  t.ok(left.length >= 485, `${left.length} of 500`);
});
