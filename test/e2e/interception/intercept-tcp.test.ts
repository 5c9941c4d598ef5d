import t from 'tap';
import { whyNoNamespaces } from '../../support/network-namespaces.js';
import { Pods, serviceAt } from '../../support/pods.js';

// Processes in network namespaces, one after the other: no limit for a machine that is busy.
t.setTimeout(120_000);

const skip = whyNoNamespaces();
const CACHE = '10.96.0.20';

t.test('connections that are not HTTP', { skip }, async (t) => {
  const pods = await Pods.start(t);
  const caller = await pods.meshed('frontend');
  const [one, two] = [await pods.meshed('cache'), await pods.meshed('cache')];
  await one.app.listen('one', '::', 9000);
  await two.app.listen('two', '::', 9000);
  const outside = pods.plain();
  const stranger = await outside.startAgent();
  await stranger.listen('outside', '::', 9001);
  const cache = (split: object[]) =>
    serviceAt(
      'cache',
      [CACHE],
      { v1: [`${one.ipv4}:9000`], v2: [`${two.ipv4}:9000`] },
      { protocol: 'tcp', routes: [{ name: 'default', split }] },
    );
  pods.apply(cache([{ version: 'v1', weight: 1 }]));

  t.test('a server that speaks first is heard, through the split of its service', async (t) => {
    t.match(await caller.app.connect(CACHE, 80), /^one /);
    pods.apply(cache([{ version: 'v2', weight: 1 }]));
    t.match(await caller.app.connect(CACHE, 80), /^two /);
    pods.apply(
      cache([
        { version: 'v1', weight: 1 },
        { version: 'v2', weight: 1 },
      ]),
    );
    const heard = new Set<string>();
    for (let i = 0; i < 40; i++) heard.add((await caller.app.connect(CACHE, 80)).split(' ')[0] ?? '');
    t.same([...heard].sort(), ['one', 'two']);
  });

  t.test('and one outside the mesh, after the bounded wait', async (t) => {
    for (const address of [outside.ipv4, outside.ipv6])
      t.match(await caller.app.connect(address, 9001), /^outside /);
  });

  t.test('an endpoint that refuses gives way to another', async (t) => {
    const missing = pods.plain();
    pods.apply(
      serviceAt('cache', [CACHE], { v1: [`${missing.ipv4}:9000`, `${one.ipv4}:9000`] }, { protocol: 'tcp' }),
    );
    for (let i = 0; i < 5; i++) t.match(await caller.app.connect(CACHE, 80), /^one /);
  });
});
