import t from 'tap';
import { SharedEndpointCounts } from '../../../../sidecar/cluster/endpoint-counts.js';
import { CellSource, clearCell, RANGE_CELLS, takeSlot } from '../../../../sidecar/shared-memory/cells.js';
import { contend } from '../../../support/threads/contend.js';

const THREADS = 4;
const shared = (cells: number) => new Int32Array(new SharedArrayBuffer(cells * 4));

t.test('threads that fight over three places never have a fourth, and lose none', async (t) => {
  const cells = shared(2);
  const most = 3;
  const results = await contend(t, 'places', THREADS, { cells, most, turns: 300_000 });
  t.strictSame(
    results.map(({ tooMany }) => tooMany),
    [0, 0, 0, 0],
  );
  t.ok(
    results.every(({ taken }) => taken > 0),
    'everybody got some',
  );
  t.equal(cells[0], 0, 'all are given back');
});

t.test('the last place goes to somebody: refused only where it is taken', async (t) => {
  const cells = shared(1);
  t.strictSame([takeSlot(cells, 0, 1), takeSlot(cells, 0, 1)], [true, false]);
  t.equal(cells[0], 1, 'a refusal leaves no trace');
  t.equal(takeSlot(cells, 0, Number.POSITIVE_INFINITY), true);
  t.equal(takeSlot(cells, 0, 0), false);
  clearCell(cells, 0);
  t.equal(cells[0], 0);
});

t.test('an endpoint counted by several threads: nothing is lost, no limit is passed', async (t) => {
  const cells = shared(2 * RANGE_CELLS);
  const limit = 2;
  const results = await contend(t, 'endpoint', THREADS, { cells, limit, turns: 100_000 });
  const counts = new SharedEndpointCounts({ cells, at: RANGE_CELLS });
  const answered = results.reduce((sum, result) => sum + result.answered, 0);
  t.equal(
    results.reduce((sum, { tooMany }) => sum + tooMany, 0),
    0,
  );
  t.equal(counts.requests, 0);
  t.strictSame([counts.successes, counts.errors], [answered, answered]);
  t.strictSame(
    [...cells.subarray(0, RANGE_CELLS)],
    Array(RANGE_CELLS).fill(0),
    'and nobody else’s cells changed',
  );
});

t.test('hands out ranges of zeros that nobody else has', async (t) => {
  const source = new CellSource();
  const ranges = Array.from({ length: 200 }, () => source.next());
  for (const { cells, at } of ranges) {
    t.strictSame([...cells.subarray(at, at + RANGE_CELLS)], Array(RANGE_CELLS).fill(0));
    cells.fill(1, at, at + RANGE_CELLS);
  }
});
