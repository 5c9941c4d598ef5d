import t from 'tap';
import { FailoverEpisodes } from '../../../../sidecar/records/failover-episodes.js';
import { Failovers, type NewFailovers } from '../../../../sidecar/records/failovers.js';
import type { Release } from '../../../../src/routing/release.js';
import type { VirtualHost } from '../../../../src/routing/table.js';
import { MAX_SERIES } from '../../../../src/telemetry/metrics.js';

const host = { service: { label: 'checkout.shop' } } as VirtualHost;
const release = (name: string) => ({ name, cluster: { name: `shop/checkout/${name}` } }) as Release;

t.test(
  'failovers are counted by where they should have gone and where they went, and told as news',
  async (t) => {
    const told: NewFailovers[][] = [];
    const failovers = new Failovers((news) => told.push([...news]));
    const labels = { service: 'checkout.shop', release: 'v3', to: 'v1' };
    const cluster = 'shop/checkout/v3';
    failovers.onTick(0);
    t.same(told, [], 'no news is none');
    for (let i = 0; i < 3; i++) failovers.count(host, release('v3'), release('v1'));
    failovers.onTick(10);
    failovers.count(host, release('v3'), release('v1'));
    failovers.onTick(500);
    failovers.onTick(1010);
    t.same(told, [[{ ...labels, cluster, count: 3 }], [{ ...labels, cluster, count: 1 }]], 'once a second');
    t.same([...failovers.all], [{ labels, total: 4 }]);
    t.same([...failovers.byCluster], [[cluster, 4]]);
  },
);

t.test('releases beyond the bound are counted together', async (t) => {
  const failovers = new Failovers(() => {});
  for (let i = 0; i < MAX_SERIES + 5; i++) failovers.count(host, release(`v${i}`), release('stable'));
  const all = [...failovers.all];
  t.equal(all.length, MAX_SERIES + 1);
  t.same(all.at(-1), { labels: { service: 'other', release: '', to: '' }, total: 5 });
});

/** What is logged, and how the cluster is. */
function newEpisodes() {
  const lines: [string, object][] = [];
  const state: { usable: boolean | undefined } = { usable: false };
  const write = (fields: object, message: string) => void lines.push([message, fields]);
  const log = { info: write, warn: write } as never;
  return { lines, state, episodes: new FailoverEpisodes({ log, isUsable: () => state.usable }) };
}

const NEWS = { service: 'checkout.shop', release: 'v3', to: 'v1', cluster: 'c', count: 2 };

t.test('an episode is one line when it begins and one when it is over', async (t) => {
  const { lines, state, episodes } = newEpisodes();
  for (let at = 0; at < 60_000; at += 1000) {
    episodes.note([NEWS], at);
    episodes.onTick(at);
  }
  t.equal(lines.length, 1);
  state.usable = true;
  episodes.onTick(60_000);
  t.equal(lines.length, 1, 'not at once: the endpoint may be gone again');
  episodes.onTick(65_000);
  episodes.onTick(66_000);
  t.same(lines, [
    [
      'a release has no usable endpoint: another release takes its requests',
      { upstream: 'checkout.shop', release: 'v3', to: 'v1' },
    ],
    [
      'a release has a usable endpoint again, and takes its requests itself',
      { upstream: 'checkout.shop', release: 'v3', failovers: 120, lastedSeconds: 65 },
    ],
  ]);
  episodes.note([NEWS], 70_000);
  t.equal(lines.length, 3, 'the next one');
});

t.test('an endpoint that comes and goes is one episode', async (t) => {
  const { lines, state, episodes } = newEpisodes();
  for (let at = 0; at < 60_000; at += 1000) {
    state.usable = at % 4000 === 0;
    if (!state.usable) episodes.note([NEWS], at);
    episodes.onTick(at);
  }
  t.equal(lines.length, 1);
});

t.test('an episode ends with the configuration that it is about', async (t) => {
  const { lines, state, episodes } = newEpisodes();
  episodes.note([NEWS], 0);
  state.usable = undefined;
  episodes.onTick(1000);
  t.match(lines.at(-1), ['a release without a usable endpoint has left the configuration']);
});
