import fc from 'fast-check';
import t from 'tap';
import { RetryReserve } from '../../../../sidecar/cluster/retry-reserve.js';

const newReserve = () => new RetryReserve({ cells: new Int32Array(3), at: 1 });

t.test('over any time, no more than the rate and what ten seconds keep', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.double({ min: 0, max: 2 ** 33, noNaN: true }),
      fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 200 }),
      (perSecond, startMs, gaps) => {
        const reserve = newReserve();
        let [now, allowed] = [startMs, 0];
        for (const gap of gaps) {
          now += gap;
          if (reserve.take(perSecond, now)) allowed++;
        }
        // A retry costs whole milliseconds.
        const rate = 1 / Math.floor(1000 / perSecond);
        return allowed <= (10_000 + now - startMs + 1) * rate;
      },
    ),
  );
});

t.test('whenever ten seconds have gone by unused, there are ten seconds of it', async (t) => {
  for (const startMs of [0, 1, 2 ** 31 - 5000, 2 ** 31 + 3, 2 ** 32 - 1, 2 ** 32 + 77]) {
    const reserve = newReserve();
    for (const nowMs of [startMs, startMs + 10_000, startMs + 50_000]) {
      const taken = Array.from({ length: 40 }, () => reserve.take(3, nowMs)).filter(Boolean);
      t.equal(taken.length, 30, `${startMs}, ${nowMs}`);
    }
  }
});

t.test('a rate of none is none', async (t) => {
  t.notOk(newReserve().take(0, 0));
});
