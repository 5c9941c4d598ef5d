import t from 'tap';
import { measureStickiness, stickinessTable } from '../../../../bench/stickiness/stickiness.js';

const SIZE = { sessions: 10, newcomers: 10, testers: 1, healthMs: 0 };
const NO_PROXY = '/does/not/exist/envoy';

t.test('a proxy that is not installed is left out, and the report says why', async (t) => {
  const report = await measureStickiness({
    seeds: [1],
    only: ['ENVOY'],
    envoyPath: NO_PROXY,
    size: SIZE,
    onStep: () => t.fail('nothing starts'),
  });
  t.same(report.results, []);
  t.same(report.failures, []);
  t.match(stickinessTable(report), /Envoy header: not measured, because envoy .* is not installed/);
});

t.test('the table has one row a proxy with the figures of each seed, and names what failed', async (t) => {
  const figures = {
    disagree: 0,
    movedByRewriting: 1,
    leftCanary: 2,
    joinedCanary: 3,
    hops: 4,
    testers: 20,
    lostLabels: 5,
    shareOffPoints: 1.25,
    oldCanary: 100,
    evictedByDrain: 6,
    admittedInDrain: 7,
    oldActive: 50,
    inheritedActive: 8,
    inheritedIdle: 9,
    atDead: 50,
    unanswered: 9,
    back: 10,
    failedCalls: 11,
  };
  const table = stickinessTable({
    size: SIZE,
    results: [
      { proxy: 'one', seed: 1, figures },
      { proxy: 'one', seed: 2, figures: { ...figures, hops: 0 } },
    ],
    failures: [{ proxy: 'two', seed: 1, reason: 'two ended: out of luck' }],
    programs: [{ name: 'one', how: 'by hash' }],
  });
  t.match(table, /^one\s+0, 0\s+1, 1\s+2, 2\s+3, 3\s+4, 0\s+5\/20, 5\/20\s+6\/100, 6\/100/m);
  t.match(table, /one: by hash/);
  t.match(table, /FAILED: two, seed 1: two ended: out of luck/);
});
