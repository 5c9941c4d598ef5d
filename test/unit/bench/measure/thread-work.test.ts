import t from 'tap';
import { parseSchedstat, shareWithWork, threadWorkOf } from '../../../../bench/measure/thread-work.js';

t.test('what a thread had to do is what it ran and what it waited for a core', async (t) => {
  t.equal(parseSchedstat('1500000000 500000000 42\n'), 2000);
});

t.test('the busiest threads count, as many as were asked for', async (t) => {
  const before = new Map([
    ['1', 100],
    ['2', 0],
    ['3', 5],
  ]);
  const after = new Map([
    ['1', 1100],
    ['2', 500],
    ['3', 6],
    ['new', 10],
  ]);
  t.equal(shareWithWork(before, after, 1000, 1), 1);
  t.equal(shareWithWork(before, after, 1000, 2), 0.75);
});

t.test('a thread that computes has something to do all the time', async (t) => {
  const before = threadWorkOf(process.pid);
  if (before === undefined) {
    t.comment('this system does not tell');
    return;
  }
  const start = performance.now();
  while (performance.now() - start < 100);
  const after = threadWorkOf(process.pid);
  t.ok(after && shareWithWork(before, after, performance.now() - start, 1) > 0.5);
});
