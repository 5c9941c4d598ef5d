import t from 'tap';
import { lock, unlock } from '../../../../sidecar/shared-memory/lock.js';
import { contend } from '../../../support/threads/contend.js';

t.test('what is done under a lock is done by one thread at a time', async (t) => {
  const cells = new Int32Array(new SharedArrayBuffer(4));
  const counters = new Float64Array(new SharedArrayBuffer(16));
  const [threads, turns] = [4, 200_000];
  const results = await contend(t, 'counting', threads, { cells, counters, turns });
  t.strictSame(
    results.map(({ torn }) => torn),
    [0, 0, 0, 0],
  );
  t.strictSame([...counters], [threads * turns, threads * turns]);
  t.equal(cells[0], 0, 'free in the end');
});

t.test('a lock whose holder has died is waited for in vain, and that is said', async (t) => {
  const cells = new Int32Array(new SharedArrayBuffer(4));
  lock(cells, 0);
  t.throws(() => lock(cells, 0), /a worker has died while it held a lock/);
  unlock(cells, 0);
  lock(cells, 0);
  unlock(cells, 0);
});
