import t from 'tap';
import { SessionTable } from '../../../../sidecar/session/session-table.js';
import { xxh64 } from '../../../../src/hashing/xxh64.js';

const HOUR_MS = 3_600_000;
const ownedBy = (caller: string, scope: bigint) => ({
  owner: { caller, scope },
  tag: 0,
  saltedHash: 0n,
  salt: 0,
});
const MEGABYTE = 1e6;
const hashOf = (session: number | string) => xxh64(`user-${session}`);
const pinOf = (n: number) => ({
  release: 1 + n,
  endpoint: 2 ** 47 + n,
  label: n % 2 === 1,
  generation: n % 1000,
  revision: 2 ** 31 + n,
});

t.test('keeps what it was given, for each session', async (t) => {
  // Room enough for no bucket to be full.
  const table = new SessionTable(4000, 0);
  for (let n = 0; n < 1000; n++) table.set(hashOf(n), pinOf(n), 0);
  t.equal(table.size, 1000);
  const found = Array.from({ length: 1000 }, (_, n) => table.find(hashOf(n), HOUR_MS, 1000));
  t.match(
    found,
    found.map((_, n) => pinOf(n)),
  );
  t.equal(table.find(hashOf('nobody'), HOUR_MS, 1000), undefined);
  table.set(hashOf(7), pinOf(8), 2000);
  t.match(table.find(hashOf(7), HOUR_MS, 2000), pinOf(8), 'the newest pin of a session counts');
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

t.test('100,000 pins take at most 12 MB', async (t) => {
  const pins = 100_000;
  const before = process.memoryUsage().arrayBuffers;
  const table = new SessionTable(pins, 0);
  for (let n = 0; n < pins; n++) table.set(hashOf(n), pinOf(n), n);
  const bytes = process.memoryUsage().arrayBuffers - before;
  let kept = 0;
  for (let n = 0; n < pins; n++) if (table.find(hashOf(n), HOUR_MS, pins)) kept++;
  t.comment(`${(bytes / MEGABYTE).toFixed(1)} MB, ${kept} of ${pins} pins kept`);
  // All of it is in typed arrays; the table adds no objects to the heap.
  t.ok(bytes > 0 && bytes <= 12 * MEGABYTE, `${(bytes / MEGABYTE).toFixed(1)} MB`);
  t.ok(kept >= 0.999 * pins, `${kept} of ${pins} pins kept`);
});

t.test('whoever chooses keys cannot choose those that are kept in one place with another’s', async (t) => {
  const capacity = 100_000;
  const buckets = Math.ceil((capacity * 2.75) / 16);
  const victim = hashOf('victim');
  // All that an attacker can compute: as many buckets as the table has, by the hash's low half.
  const chosen = Array.from({ length: 24 }, (_, n) => victim + BigInt((n + 1) * buckets));
  for (const owner of [undefined, ownedBy('127.0.0.1', 1n)]) {
    const table = new SessionTable(capacity, 0);
    table.set(victim, pinOf(1), 0, owner);
    for (const hash of chosen) table.set(hash, pinOf(2), 1000, owner);
    t.ok(table.find(victim, HOUR_MS, 1000));
  }
});

t.test('no caller, and no service of a caller, takes the places of others', async (t) => {
  for (const [flooding, calm] of [
    [ownedBy('10.0.0.1', 1n), ownedBy('10.0.0.2', 1n)],
    [ownedBy('10.0.0.1', 1n), ownedBy('10.0.0.1', 2n)],
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
  const calm = ownedBy('10.0.0.2', 1n);
  for (let n = 0; n < 500; n++) table.set(hashOf(n), pinOf(n), 0, calm);
  for (let n = 1000; n < 100_000; n++) table.set(hashOf(n), pinOf(n), n, ownedBy('10.0.0.1', BigInt(n)));
  const left = Array.from({ length: 500 }, (_, n) => table.find(hashOf(n), HOUR_MS, 100_000)).filter(Boolean);
  t.ok(left.length >= 485, `${left.length} of 500`);
});

const session = (n: number, pin = pinOf(n), idleS = 0) => ({
  hash: hashOf(n),
  pin,
  idleS,
  source: 9,
  tag: 4,
});

t.test('takes a shared pin where there is none, or where it wins (S6)', async (t) => {
  const table = new SessionTable(1000, 0);
  t.equal(table.merge(session(1), HOUR_MS, 1000), false);
  t.match(table.find(hashOf(1), HOUR_MS, 1000), pinOf(1));
  const newer = { ...pinOf(8), generation: pinOf(1).generation + 1 };
  t.equal(table.merge(session(1, newer), HOUR_MS, 1000), false);
  t.match(table.find(hashOf(1), HOUR_MS, 1000), newer);
  t.equal(table.merge(session(1), HOUR_MS, 1000), true, 'a better one was here');
  t.match(table.find(hashOf(1), HOUR_MS, 1000), newer);
  t.equal(table.size, 1);
});

t.test('a shared pin keeps a session alive as long as its last use elsewhere does', async (t) => {
  const table = new SessionTable(1000, 0);
  table.merge(session(1, pinOf(1), 3600), HOUR_MS, 2 * HOUR_MS);
  t.ok(table.peek(hashOf(1), 2 * HOUR_MS));
  t.equal(table.find(hashOf(1), HOUR_MS, 2 * HOUR_MS + 1000), undefined);
  table.merge(session(2, pinOf(2), 3601), HOUR_MS, 2 * HOUR_MS);
  t.equal(table.peek(hashOf(2), 2 * HOUR_MS), undefined, 'idle for too long when it came');
  table.set(hashOf(3), pinOf(3), 0);
  table.merge(session(3, pinOf(3), 10), HOUR_MS, HOUR_MS);
  t.match(table.peek(hashOf(3), HOUR_MS), { idleS: 10 }, 'the same pin: used');
  table.merge(session(3, { ...pinOf(9), generation: 0 }), HOUR_MS, 3 * HOUR_MS);
  t.match(table.find(hashOf(3), HOUR_MS, 3 * HOUR_MS), { release: 10 }, 'an expired pin wins over none');
});

t.test('shows what a session is, and which were pinned here', async (t) => {
  const table = new SessionTable(1000, 0);
  table.set(hashOf(1), pinOf(1), 0, { ...ownedBy('', 0n), tag: 5 });
  table.merge(session(2), HOUR_MS, 0);
  t.same(table.peek(hashOf(1), 3000), { hash: hashOf(1), pin: pinOf(1), idleS: 3, source: 0, tag: 5 });
  const shown: unknown[] = [];
  table.visit(0, table.slots, 0, ({ release, tag, isOwn }) => shown.push([release, tag, isOwn]));
  t.same(shown.sort(), [
    [2, 5, true],
    [3, 4, false],
  ]);
});

t.test('a use is told once for each quarter of the ttl', async (t) => {
  const table = new SessionTable(10, 0);
  table.set(hashOf(1), pinOf(1), 0);
  const told = Array.from({ length: 61 }, (_, minute) =>
    table.find(hashOf(1), HOUR_MS, minute * 60_000)?.inNextQuarter ? [minute] : [],
  ).flat();
  t.same(told, [15, 30, 45, 60]);
});

t.test(
  'keys that come once displace no session that goes on, and old sessions do not stay for ever',
  async (t) => {
    const table = new SessionTable(1000, 0);
    const sessions = Array.from({ length: 200 }, (_, n) => n);
    const left = (of: readonly number[], nowMs: number) =>
      of.filter((n) => table.find(hashOf(n), 100 * HOUR_MS, nowMs) !== undefined).length;
    for (const n of sessions) table.set(hashOf(n), pinOf(n), 0);
    t.equal(left(sessions, 0), 200, 'they come again');
    for (let n = 1000; n < 100_000; n++) table.set(hashOf(n), pinOf(n), HOUR_MS);
    t.ok(left(sessions, HOUR_MS) >= 190);

    // Others come twice, and go on from then.
    const others = Array.from({ length: 20_000 }, (_, n) => 200_000 + n);
    for (const n of others) {
      table.set(hashOf(n), pinOf(n), 2 * HOUR_MS + n);
      table.find(hashOf(n), 100 * HOUR_MS, 2 * HOUR_MS + n);
    }
    t.ok(left(sessions, 3 * HOUR_MS) < 10, 'who has not come for longest gives way to them');
    t.ok(left(others.slice(-1000), 3 * HOUR_MS) > 900);
  },
);
