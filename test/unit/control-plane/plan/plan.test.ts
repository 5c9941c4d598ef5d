import t from 'tap';
import { planChange, planNothing } from '../../../../control-plane/plan/plan.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, labelled, podsOf, type ShopOptions, user } from '../../../support/shop.js';

const secret = Buffer.from('a secret of the mesh, for tests.');
const context = { pinSecret: secret, incarnation: () => '' };
const balanced = { version: 'balanced', endpoint: 'balanced' };
const persistent = { version: 'persistent', endpoint: 'persistent' };

function planAll(before: ShopOptions, after: ShopOptions) {
  return planChange({
    before: parseMeshService(checkout(before)),
    after: parseMeshService(checkout(after)),
    context,
    revision: 2,
  });
}

/** The plan of the default route. */
async function plan(before: ShopOptions, after: ShopOptions) {
  const routes = await planAll(before, after);
  const found = routes.find(({ route }) => route === 'default');
  if (found === undefined) throw new Error('no default route');
  return found;
}

const round = (share: number) => Math.round(share * 1e9) / 1e9;

t.test('a weight change under balanced moves exactly what it moves, one way', async (t) => {
  const up = await plan(
    { affinity: balanced, split: { v1: 90, v2: 10 } },
    { affinity: balanced, split: { v1: 85, v2: 15 } },
  );
  t.same(
    up.moves.map((move) => ({ ...move, share: round(move.share) })),
    [{ from: 'v1', to: 'v2', share: 0.05 }],
  );
  const down = await plan(
    { affinity: balanced, split: { v1: 85, v2: 15 } },
    { affinity: balanced, split: { v1: 90, v2: 10 } },
  );
  t.match(down.moves, [{ from: 'v2', to: 'v1' }]);
  t.equal(round(down.movedRelease), 0.05);
});

t.test('a weight change under persistent moves nobody, an eviction all that were there', async (t) => {
  t.equal(
    (await plan({ affinity: persistent }, { affinity: persistent, split: { v1: 50, v2: 50 } })).movedRelease,
    0,
  );
  t.equal(
    (await plan({ affinity: persistent }, { affinity: persistent, split: { v1: 100, v2: 0 } })).movedRelease,
    0,
    'a drain',
  );
  const evicted = await plan({ affinity: persistent }, { affinity: persistent, split: { v1: 1 } });
  t.equal(round(evicted.movedRelease), 0.1);
});

t.test('new pods: balanced gives them their share, persistent nothing', async (t) => {
  const pods = (v1: number) => ({ split: { v1: 1 }, pods: { v1 } });
  const moved = (await plan({ affinity: balanced, ...pods(5) }, { affinity: balanced, ...pods(6) }))
    .movedEndpoint;
  t.ok(Math.abs(moved - 1 / 6) < 0.03, `${moved}`);
  t.equal(
    (await plan({ affinity: persistent, ...pods(5) }, { affinity: persistent, ...pods(6) })).movedEndpoint,
    0,
  );
  const lost = (await plan({ affinity: persistent, ...pods(5) }, { affinity: persistent, ...pods(4) }))
    .movedEndpoint;
  t.ok(Math.abs(lost - 1 / 5) < 0.03, `${lost}`);
});

t.test('what is planned is what happens: the same change made on 20,000 sessions', async (t) => {
  const changes: [ShopOptions, ShopOptions][] = [
    [
      { affinity: balanced, pods: { v1: 3, v2: 2 }, split: { v1: 70, v2: 30 } },
      { affinity: balanced, pods: { v1: 4, v2: 2 }, split: { v1: 60, v2: 40 } },
    ],
    [
      { affinity: persistent, pods: { v1: 3, v2: 3 }, split: { v1: 70, v2: 30 } },
      { affinity: persistent, pods: { v1: 2, v2: 3 }, split: { v2: 1 } },
    ],
    [
      { affinity: balanced, pods: { v1: 3, v2: 3 }, split: { v1: 1 }, spec: { loadBalancer: 'maglev' } },
      {
        affinity: balanced,
        pods: { v1: 3, v2: 3 },
        split: { v1: 75, v2: 25 },
        spec: { loadBalancer: 'maglev' },
      },
    ],
  ];
  for (const [before, after] of changes) {
    const planned = await plan(before, after);
    const table = new MeshTable(secret);
    const places = (options: ShopOptions) => {
      table.apply(checkout(options));
      return Array.from({ length: 20_000 }, (_, i) => table.where('checkout', { headers: user(i) }));
    };
    const [was, is] = [places(before), places(after)];
    const share = (moved: (a: string, b: string) => boolean) =>
      was.filter((place, i) => moved(place, is[i] as string)).length / was.length;
    const release = (place: string) => place.split(' ')[0];
    t.ok(
      Math.abs(planned.movedRelease - share((a, b) => release(a) !== release(b))) < 0.012,
      `releases: ${planned.movedRelease}`,
    );
    t.ok(
      Math.abs(planned.movedEndpoint - share((a, b) => a !== b)) < 0.012,
      `pods: ${planned.movedEndpoint}`,
    );
  }
});

t.test('pods that change roles keep their sessions', async (t) => {
  const shop = (stable: object[], canary: object[]) => ({
    affinity: persistent,
    split: { stable: 90, canary: 10 },
    spec: {
      versions: [
        { name: 'stable', endpoints: stable },
        { name: 'canary', endpoints: canary },
      ],
    },
  });
  const promoted = await plan(shop(podsOf('v1', 2), podsOf('v2', 2)), shop(podsOf('v2', 2), podsOf('v3', 2)));
  t.equal(promoted.movedRelease, 0);
  t.equal(
    round(promoted.movedEndpoint),
    0.9,
    'those of the canary stay on their pods; the old stable pods are gone',
  );
});

t.test('says so where sessions do not stick, and where a route is new', async (t) => {
  t.match(await plan({ split: { v1: 1 } }, { split: { v1: 50, v2: 50 } }), {
    sticky: false,
    note: /do not stick/,
  });
  const after = parseMeshService(checkout({ affinity: balanced, routes: [labelled('v2')] }));
  const [qa] = await planChange({
    before: parseMeshService(checkout({ affinity: balanced })),
    after,
    context,
    revision: 2,
  });
  t.match(qa, { route: 'qa', previousRoute: 'default', sticky: true });
  t.match((await planChange({ before: undefined, after, context, revision: 2 }))[0], { note: /is new/ });
});

t.test('a service that stays as it is is planned without asking anybody', (t) => {
  const service = parseMeshService(checkout({ affinity: balanced, routes: [labelled('v2')] }));
  t.match(planNothing(service, context), [
    { route: 'qa', previousRoute: 'qa', sticky: true, movedRelease: 0, movedEndpoint: 0, lost: 0, note: '' },
    { route: 'default', previousRoute: 'default', shares: [{ before: 0.9, after: 0.9 }, { before: 0.1 }] },
  ]);
  t.match(planNothing(parseMeshService(checkout()), context), [{ sticky: false }]);
  t.end();
});
