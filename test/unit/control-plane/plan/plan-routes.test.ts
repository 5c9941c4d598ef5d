import t from 'tap';
import { planChange, type RoutePlan } from '../../../../control-plane/plan/plan.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, labelled, type ShopOptions, user } from '../../../support/shop.js';

/** Plans of changes to routes and to what sessions are known by. */

const secret = Buffer.from('a secret of the mesh, for tests.');
const context = { pinSecret: secret, incarnation: () => '' };
const balanced = { version: 'balanced', endpoint: 'balanced' };
const persistent = { version: 'persistent', endpoint: 'persistent' };
const beta = { headers: [{ name: 'x-beta', exact: 'yes' }] };
const toV2 = [{ version: 'v2', weight: 1 }];
const even = [
  { version: 'v1', weight: 1 },
  { version: 'v2', weight: 1 },
];

async function plan(before: ShopOptions, after: ShopOptions) {
  const plans = await planChange({
    before: parseMeshService(checkout(before)),
    after: parseMeshService(checkout(after)),
    context,
    revision: 2,
  });
  return plans.map((each) => ({ ...each, pair: `${each.previousRoute} → ${each.route}` }));
}

type Plans = Awaited<ReturnType<typeof plan>>;

const pairsIn = (plans: Plans) => plans.map(({ pair }) => pair).sort();

function planOf(plans: Plans, pair: string): RoutePlan {
  const found = plans.find((each) => each.pair === pair);
  if (found === undefined) throw new Error(`${pair} is none of ${pairsIn(plans).join(', ')}`);
  return found;
}

const near = (share: number, expected: number, by = 0.005) => Math.abs(share - expected) < by;

t.test('a route that is renamed is the same route', async (t) => {
  const route = labelled('v2') as object;
  const plans = await plan(
    { affinity: persistent, routes: [route] },
    { affinity: persistent, routes: [{ ...route, name: 'us-east' }] },
  );
  t.same(pairsIn(plans), ['default → default', 'qa → us-east']);
  t.match(planOf(plans, 'qa → us-east'), { sticky: true, movedRelease: 0, movedEndpoint: 0, lost: 0 });
});

t.test('a route that is renamed and sends elsewhere is seen to', async (t) => {
  const plans = await plan(
    { affinity: balanced, routes: [labelled('v2')] },
    { affinity: balanced, routes: [{ ...labelled('v1'), name: 'us-east' }] },
  );
  const { moves } = planOf(plans, 'qa → us-east');
  t.match(moves, [{ from: 'v2', to: 'v1' }]);
  t.ok(near(moves[0]?.share ?? 0, 1));
});

t.test('a route that is removed: its sessions go where the next route sends them', async (t) => {
  const before = { affinity: { ...balanced, scope: 'route' }, routes: [labelled('v2')] };
  const plans = await plan(before, { affinity: { ...balanced, scope: 'route' } });
  t.same(pairsIn(plans), ['default → default', 'qa → default']);
  const { moves, note } = planOf(plans, 'qa → default');
  t.match(moves, [{ from: 'v2', to: 'v1' }]);
  t.ok(near(moves[0]?.share ?? 0, 0.9), `${moves[0]?.share}`);
  t.match(note, /their scope is another/);
  const pinned = await plan({ affinity: persistent, routes: [labelled('v2')] }, { affinity: persistent });
  t.match(planOf(pinned, 'qa → default'), { movedRelease: 0 }, 'a label has pinned them: they stay');
});

t.test('a new route takes its sessions from the one that had them', async (t) => {
  const plans = await plan(
    { affinity: balanced },
    { affinity: balanced, routes: [{ name: 'beta', match: [beta], split: toV2 }] },
  );
  t.same(pairsIn(plans), ['default → beta', 'default → default']);
  t.match(planOf(plans, 'default → default'), { movedRelease: 0 });
  t.ok(near(planOf(plans, 'default → beta').movedRelease, 0.9));
});

t.test('requests that no route would take are lost, and new where none takes them now', async (t) => {
  const only = (...routes: object[]) => ({ affinity: balanced, spec: { routes } });
  const cart = { name: 'cart', match: [{ path: { prefix: '/cart' } }], split: even };
  const pay = { name: 'pay', match: [{ path: { prefix: '/pay' } }], split: even };
  const plans = await plan(only(cart), only(pay));
  t.same(pairsIn(plans), [' → pay', 'cart → ']);
  t.match(planOf(plans, 'cart → '), { lost: 1, sticky: true, note: /404/ });
  t.match(planOf(plans, ' → pay'), { lost: 0, movedRelease: 0, note: /404/ });
});

t.test('a redirect loses the sessions of its requests', async (t) => {
  const plans = await plan(
    { affinity: balanced },
    {
      affinity: balanced,
      routes: [{ name: 'old', match: [{ path: { prefix: '/old' } }], redirect: { path: '/new' } }],
    },
  );
  t.match(planOf(plans, 'default → old'), { lost: 1, note: /redirect/ });
  t.match(planOf(plans, 'default → default'), { lost: 0 });
});

t.test('two routes that change places matter to the requests that both match', async (t) => {
  const a = { name: 'a', match: [beta], split: [...toV2, { version: 'v1', weight: 0 }] };
  const b = { name: 'b', match: [{ query: [{ name: 'debug', present: true }] }], split: even };
  const plans = await plan({ affinity: balanced, routes: [a, b] }, { affinity: balanced, routes: [b, a] });
  t.same(pairsIn(plans), ['a → a', 'a → b', 'b → b', 'default → default']);
  t.ok(near(planOf(plans, 'a → b').movedRelease, 0.5, 0.01));
});

t.test('every kind of condition: what it takes is found, and what it leaves to others', async (t) => {
  const conditions: object[] = [
    { method: 'POST' },
    { path: { exact: '/cart' } },
    { path: { prefix: '/cart' } },
    { path: { regex: '/v[0-9]+/(cart|basket)(/.*)?' } },
    { path: { regex: '.*' }, headers: [{ name: 'x-beta', present: true }] },
    {
      headers: [
        { name: 'x-id', prefix: 'a' },
        { name: 'x-id', suffix: 'z' },
      ],
    },
    { headers: [{ name: 'x-id', regex: '(?i)[^a-y]{2,}\\d' }] },
    { headers: [{ name: 'x-id', exact: '1', not: true }] },
    { headers: [{ name: 'x-id', present: true, not: true }] },
    {
      query: [
        { name: 'v', exact: '2' },
        { name: 'w', prefix: 'x' },
      ],
    },
    { query: [{ name: 'v', regex: 'a|b', not: true }] },
    {
      cookies: [
        { name: 'beta', exact: '1' },
        { name: 'seen', suffix: '9' },
      ],
    },
    { cookies: [{ name: 'beta', regex: '\\w+' }], method: 'GET', path: { prefix: '/' } },
  ];
  for (const condition of conditions) {
    const routes = [{ name: 'one', match: [condition], split: toV2 }];
    const plans = await plan({ affinity: balanced }, { affinity: balanced, routes });
    t.same(pairsIn(plans), ['default → default', 'default → one'], JSON.stringify(condition));
  }
});

t.test('a condition nobody can make a request for is paired by its text, or counted as all', async (t) => {
  const odd = (name: string, regex: string) => ({
    name,
    match: [{ headers: [{ name: 'x-id', regex }] }],
    split: toV2,
  });
  const plans = await plan(
    { affinity: balanced, routes: [odd('a', 'a\\Bb\\b.c'), odd('b', '\\B\\b')] },
    { affinity: balanced, routes: [odd('renamed', 'a\\Bb\\b.c')] },
  );
  t.match(planOf(plans, 'a → renamed'), { movedRelease: 0 });
  t.match(planOf(plans, 'b → '), { movedRelease: 1, note: /do not tell/ });
});

t.test('sessions that are known by something else begin anew', async (t) => {
  const half = { ...balanced, key: [{ header: 'x-user-id' }] };
  const change = async (affinity: object) =>
    planOf(
      await plan({ affinity: half, split: { v1: 50, v2: 50 } }, { affinity, split: { v1: 50, v2: 50 } }),
      'default → default',
    );
  for (const affinity of [
    { ...half, key: [{ header: 'x-session' }] },
    { ...half, key: [{ cookie: 'sid' }] },
  ]) {
    const { movedRelease, movedEndpoint, note } = await change(affinity);
    t.ok(near(movedRelease, 0.5, 0.01), `${movedRelease}`);
    t.ok(near(movedEndpoint, 0.75, 0.01), `${movedEndpoint}`);
    t.match(note, /begin again/);
  }
  t.match(await change({ ...half, key: [...half.key, { cookie: 'sid' }] }), { movedRelease: 0, note: '' });
  const cookie = (salt: object) => ({
    ...persistent,
    key: [{ cookie: { name: 'sid', ttl: '1h' } }],
    ...salt,
  });
  const salted = await plan({ affinity: cookie({}) }, { affinity: cookie({ salt: 'pepper' }) });
  t.match(planOf(salted, 'default → default'), {
    movedRelease: 0,
    movedEndpoint: 0,
    note: /keep their pins/,
  });
  const inTable = await plan(
    { affinity: { ...persistent, key: [{ header: 'x-user-id' }] } },
    { affinity: { ...persistent, key: [{ header: 'x-user-id' }], salt: 'pepper' } },
  );
  t.match(planOf(inTable, 'default → default'), { movedRelease: 0, note: /keep their pins/ });
  const renamed = await plan(
    { affinity: cookie({ scope: 'route' }), spec: { routes: [{ name: 'default', split: even }] } },
    { affinity: cookie({ scope: 'route' }), spec: { routes: [{ name: 'main', split: even }] } },
  );
  t.ok(
    near(planOf(renamed, 'default → main').movedRelease, 0.5, 0.01),
    'a cookie for each route: another cookie',
  );
});

t.test('stickiness that is taken away moves whoever chance sends elsewhere', async (t) => {
  const without = await plan({ affinity: balanced }, {});
  const { movedRelease, movedEndpoint, note } = planOf(without, 'default → default');
  t.ok(near(movedRelease, 2 * 0.9 * 0.1), `${movedRelease}`);
  t.ok(near(movedEndpoint, 1 - (0.81 + 0.01) / 2), `${movedEndpoint}`);
  t.match(note, /no longer stick to their release and pod/);
  const pods = await plan({ affinity: balanced }, { affinity: { ...balanced, endpoint: 'none' } });
  t.match(planOf(pods, 'default → default'), { movedRelease: 0, note: /no longer stick to their pod/ });
  t.ok(near(planOf(pods, 'default → default').movedEndpoint, 0.5));
  const added = await plan({}, { affinity: balanced });
  t.match(planOf(added, 'default → default'), { sticky: false, movedRelease: 0, note: /begin to stick/ });
});

t.test('where chance picks releases and sessions have pods, a weight change moves its weight', async (t) => {
  const affinity = { version: 'none', endpoint: 'balanced' };
  const [up] = await plan({ affinity, split: { v1: 90, v2: 10 } }, { affinity, split: { v1: 80, v2: 20 } });
  t.ok(near(up?.movedRelease ?? 0, 0.1, 1e-6));
  t.ok(near(up?.movedEndpoint ?? 0, 0.1, 1e-6));
});

t.test('what is planned is what happens, for routes and keys, too', async (t) => {
  const header = [['x-beta', 'yes']] as const;
  const routes = [{ name: 'beta', match: [beta], split: even }];
  const changes: [ShopOptions, ShopOptions, string, readonly (readonly [string, string])[]][] = [
    [{ affinity: balanced }, { affinity: balanced, routes }, 'default → beta', header],
    [{ affinity: persistent, routes }, { affinity: persistent }, 'beta → default', header],
    [{ affinity: balanced }, { affinity: { ...balanced, salt: 'pepper' } }, 'default → default', []],
    [
      { affinity: persistent },
      { affinity: { ...persistent, scope: 'route' }, split: { v1: 4, v2: 6 } },
      'default → default',
      [],
    ],
    [{ affinity: balanced }, { split: { v1: 60, v2: 40 } }, 'default → default', []],
  ];
  for (const [before, after, pair, headers] of changes) {
    const planned = planOf(await plan(before, after), pair);
    const table = new MeshTable(secret);
    const places = (options: ShopOptions) => {
      table.apply(checkout(options));
      return Array.from({ length: 20_000 }, (_, i) =>
        table.where('checkout', { headers: [...user(i), ...headers] }),
      );
    };
    const [was, is] = [places(before), places(after)];
    const share = (moved: (a: string, b: string) => boolean) =>
      was.filter((place, i) => moved(place, is[i] as string)).length / was.length;
    const release = (place: string) => place.split(' ')[0];
    const [releases, pods] = [share((a, b) => release(a) !== release(b)), share((a, b) => a !== b)];
    t.ok(near(planned.movedRelease, releases, 0.015), `${pair}: ${planned.movedRelease}, ${releases}`);
    t.ok(near(planned.movedEndpoint, pods, 0.015), `${pair}: ${planned.movedEndpoint}, ${pods}`);
  }
});

t.test('a release of many pods is planned by sample', async (t) => {
  const pods = (v1: number) => ({ affinity: balanced, split: { v1: 1 }, pods: { v1 } });
  const [grown] = await plan(pods(249), pods(250));
  t.ok(near(grown?.movedEndpoint ?? 0, 1 / 250, 0.001), `${grown?.movedEndpoint}`);
  t.match(grown, { note: '' });
  const split = { v1: 40, v2: 60 };
  const [more] = await plan(
    { ...pods(249), pods: { v1: 249, v2: 200 }, split },
    { ...pods(250), pods: { v1: 250, v2: 200 }, split },
  );
  t.match(more, { note: /sample/ });
  t.ok(near(more?.movedEndpoint ?? 0, 0.4 / 250, 0.001), `${more?.movedEndpoint}`);
});

t.test('many routes that place sessions alike are decided once, and others run meanwhile', async (t) => {
  const many = Array.from({ length: 150 }, (_, i) => ({
    name: `route-${i}`,
    match: [{ path: { prefix: `/${i}` } }],
    split: even,
  }));
  let ran = 0;
  const others = setInterval(() => ran++, 0);
  const plans = await plan(
    { affinity: balanced, routes: many },
    { affinity: { ...balanced, salt: 'x' }, routes: many },
  );
  clearInterval(others);
  t.ok(ran > 0);
  const figures = new Set(plans.map(({ route, movedEndpoint }) => (route === 'default' ? 0 : movedEndpoint)));
  t.equal(plans.length, 151);
  t.equal(figures.size, 2, 'the default route, and all the others');
});
