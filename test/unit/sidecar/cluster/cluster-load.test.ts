import t from 'tap';
import { ClusterLoad, UNLIMITED } from '../../../../sidecar/cluster/cluster-load.js';

t.test('retries: a share of the requests in flight, and always a few', async (t) => {
  for (const [inFlight, percent, minimum, expected] of [
    [0, 20, 3, 3],
    [15, 20, 3, 3],
    [19, 20, 3, 3],
    [20, 20, 3, 4],
    [100, 20, 3, 20],
    [100, 0, 0, 0],
    [100, 0, 1, 1],
  ] as const) {
    const load = new ClusterLoad();
    load.limits = { ...UNLIMITED, retryBudgetPercent: percent, retryBudgetMinimum: minimum };
    for (let i = 0; i < inFlight; i++) load.takeRequest();
    let allowed = 0;
    while (allowed < 1000 && load.startRetry()) allowed++;
    t.equal(allowed, expected, `${percent} % of ${inFlight}, at least ${minimum}`);
    t.equal(load.retriesRefused, 1);
  }
});

t.test('retries: one that is answered makes room for another', async (t) => {
  const load = new ClusterLoad();
  for (let i = 0; i < 3; i++) t.ok(load.startRetry());
  t.notOk(load.startRetry());
  load.endRetry();
  t.ok(load.startRetry());
  t.notOk(load.startRetry());
  t.equal(load.retriesRefused, 2);
});

t.test('retries: a fixed bound holds whatever the budget allows', async (t) => {
  const load = new ClusterLoad();
  load.limits = { ...UNLIMITED, retries: 1 };
  t.strictSame([load.startRetry(), load.startRetry()], [true, false]);
});

t.test('retries: what is in reserve comes on top, within a fixed bound', async (t) => {
  let now = 0;
  const load = new ClusterLoad(undefined, undefined, undefined, () => now);
  const most = () => {
    let allowed = 0;
    while (load.startRetry()) allowed++;
    for (let i = 0; i < allowed; i++) load.endRetry();
    return allowed;
  };
  load.limits = { ...UNLIMITED, retryReservePerSecond: 3 };
  t.strictSame([most(), most()], [33, 3], 'ten seconds of it at once, and then no more');
  now += 2000;
  t.strictSame([most(), most()], [9, 3], 'three for each second');
  now += 1e9;
  t.equal(most(), 33, 'no more than that is kept');
  load.limits = { ...load.limits, retries: 5 };
  now += 10_000;
  t.equal(most(), 5);
});

t.test('an idle connection makes room for a new one; without one there is none', async (t) => {
  let idle = 1;
  const load: ClusterLoad = new ClusterLoad(undefined, () => {
    if (idle-- <= 0) return false;
    load.giveBackConnection();
    return true;
  });
  load.limits = { ...UNLIMITED, connections: 2 };
  t.strictSame([load.takeConnection(), load.takeConnection()], [true, true]);
  t.equal(idle, 1, 'nothing was closed for them');
  t.ok(load.takeConnection());
  t.equal(load.connections, 2, 'in place of the idle one');
  t.notOk(load.takeConnection());
});

t.test('names the limit that was met', async (t) => {
  const load = new ClusterLoad();
  load.limits = { ...UNLIMITED, requests: 100 };
  t.equal(load.describe(load.refuse('requests')), '100 requests in flight, the limit');
  t.match(load.shed, { requests: 1, pending: 0 });
});
