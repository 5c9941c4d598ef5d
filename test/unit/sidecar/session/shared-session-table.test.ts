import t from 'tap';
import { SharedSessionTable, sharedSessions } from '../../../../sidecar/session/shared-session-table.js';
import { xxh64 } from '../../../../src/hashing/xxh64.js';
import { contend } from '../../../support/threads/contend.js';
import { pinOf } from '../../../support/threads/contender.js';

const THREADS = 4;
const HOUR_MS = 3_600_000;

t.test('no thread ever finds a pin that is made of two', async (t) => {
  const memory = sharedSessions(64, 0);
  const results = await contend(t, 'sessions', THREADS, { memory, sessions: 4, turns: 400_000 });
  t.strictSame(
    results.map(({ mixed }) => mixed),
    [0, 0, 0, 0],
  );
  t.ok(results.every(({ found }) => found > 0));
  t.equal(new SharedSessionTable(memory).size, 4, 'and none is counted twice');
});

t.test('of threads that pin the same session at once, all find the pin of the first', async (t) => {
  const sessions = 20_000;
  // Room enough for no bucket to be full.
  const memory = sharedSessions(2 * sessions, 0);
  const results = await contend(t, 'firstPins', THREADS, { memory, sessions });
  const [first, ...others] = results as [number[], ...number[][]];
  for (const other of others) t.strictSame(other, first);
  const table = new SharedSessionTable(memory);
  const kept = first.map((_, i) => (table.find(xxh64(`user-${i}`), HOUR_MS, 0)?.release ?? 0) - 1);
  t.strictSame(kept, first);
  t.comment(`came first somewhere: threads ${[...new Set(first)].sort().join(', ')}`);
});

t.test('what one has pinned the other finds, counts, and shows', async (t) => {
  const memory = sharedSessions(4000, 0);
  const [one, other] = [new SharedSessionTable(memory), new SharedSessionTable(memory)];
  for (let n = 0; n < 1000; n++) one.set(xxh64(`user-${n}`), pinOf(n), 0);
  t.equal(other.size, 1000);
  t.match(other.find(xxh64('user-7'), HOUR_MS, 0), pinOf(7));
  let shown = 0;
  other.visit(0, other.slots, 0, ({ release, endpoint }) => {
    if (endpoint === pinOf(release - 1).endpoint) shown++;
  });
  t.equal(shown, 1000);
  t.equal(other.find(xxh64('user-7'), HOUR_MS, HOUR_MS + 2000), undefined, 'expired');
  t.equal(one.size, 999);
});

t.test('all threads pin under the revision that one of them has heard of', async (t) => {
  const memory = sharedSessions(10, 0);
  const [one, other] = [new SharedSessionTable(memory), new SharedSessionTable(memory)];
  one.revision = 2 ** 32 + 2 ** 31 + 5;
  t.equal(other.revision, 2 ** 31 + 5);
});
