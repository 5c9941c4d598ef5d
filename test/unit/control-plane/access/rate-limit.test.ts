import t from 'tap';
import { RateLimit } from '../../../../control-plane/access/rate-limit.js';

function limit(options: { perSecond?: number; burst?: number; maxPeers?: number } = {}) {
  const { perSecond = 2, burst = 3, maxPeers = 100 } = options;
  const clock = { ms: 1000 };
  return { clock, rate: new RateLimit({ perSecond, burst }, () => clock.ms, maxPeers) };
}

t.test('a burst goes through, then so many a second', async (t) => {
  const { clock, rate } = limit();
  t.same(
    [1, 2, 3, 4].map(() => rate.take('a')),
    [true, true, true, false],
  );
  clock.ms += 499;
  t.equal(rate.take('a'), false);
  clock.ms += 1;
  t.same([rate.take('a'), rate.take('a')], [true, false]);
  clock.ms += 3_600_000;
  t.same(
    [1, 2, 3, 4].map(() => rate.take('a')),
    [true, true, true, false],
    'no more is saved than the burst',
  );
});

t.test('peers do not share', async (t) => {
  const { rate } = limit({ burst: 1 });
  t.same([rate.take('a'), rate.take('b'), rate.take('a')], [true, true, false]);
});

t.test('a clock that goes back gives nothing away', async (t) => {
  const { clock, rate } = limit({ burst: 1 });
  t.ok(rate.take('a'));
  clock.ms -= 10_000;
  t.notOk(rate.take('a'));
});

t.test('memory is bounded: who has not been heard of for longest is forgotten', async (t) => {
  const { rate } = limit({ burst: 1, maxPeers: 3 });
  for (const peer of ['a', 'b', 'c', 'a', 'd']) rate.take(peer);
  t.equal(rate.size, 3);
  t.notOk(rate.take('a'), 'a was heard of lately');
  t.ok(rate.take('b'), 'b is forgotten, and starts anew');
  for (let i = 0; i < 10_000; i++) rate.take(`peer ${i}`);
  t.equal(rate.size, 3);
});
