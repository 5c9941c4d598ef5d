import t, { type Test } from 'tap';
import { measureStickiness, type StickinessResult } from '../../bench/stickiness/stickiness.js';

/** The comparison of docs/stickiness.md with few sessions: that it runs, and what holds however few there are. */
const SIZE = { sessions: 120, newcomers: 40, testers: 10, healthMs: 1500 };
const COOKIES = ['Roost cookie', 'Envoy cookies', 'HAProxy cookies', 'nginx cookies'];

t.test('a rollout with sessions by cookie through each proxy that is installed', async (t) => {
  const report = await measureStickiness({
    seeds: [1],
    only: COOKIES,
    envoyPath: process.env.ENVOY,
    size: SIZE,
    onStep: () => {},
  });
  for (const { name, missing } of report.programs)
    if (missing !== undefined) t.comment(`${name}: skipped, because ${missing} is not installed`);
  t.same(report.failures, []);
  t.same(
    report.results.map(({ proxy }) => proxy),
    report.programs.filter(({ missing }) => missing === undefined).map(({ name }) => name),
  );
  for (const result of report.results) keepsSessions(t, result);
  const [roost] = report.results;
  t.ok(roost !== undefined && roost.figures.inheritedIdle < roost.figures.oldCanary / 4, 'a fresh sample');
  t.equal(roost?.figures.failedCalls, 0);
});

function keepsSessions(t: Test, { proxy, figures }: StickinessResult): void {
  const { disagree, movedByRewriting, leftCanary, joinedCanary, hops, lostLabels, evictedByDrain } = figures;
  t.same(
    { disagree, movedByRewriting, leftCanary, joinedCanary, hops, lostLabels, evictedByDrain },
    {
      disagree: 0,
      movedByRewriting: 0,
      leftCanary: 0,
      joinedCanary: 0,
      hops: 0,
      lostLabels: 0,
      evictedByDrain: 0,
    },
    proxy,
  );
  t.ok(figures.oldCanary > 0 && figures.testers === SIZE.testers, `${proxy}: a canary and testers`);
}
