import t from 'tap';
import { PINNED_ONLY, UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, labelled, labelledUser, podsOf, user } from '../../../support/shop.js';

const SESSIONS = 10_000;
const ids = Array.from({ length: SESSIONS }, (_, i) => i);
const balanced = { version: 'balanced', endpoint: 'balanced' };
const persistent = { version: 'persistent', endpoint: 'persistent' };

/** Where every session goes: index by session number. */
function callAll(table: MeshTable, sessions: readonly number[] = ids): string[] {
  return sessions.map((n) => table.where('checkout', { headers: user(n) }));
}
const releaseOf = (place: string | undefined) => place?.split(' ')[0];
const share = (places: readonly string[], release: string) =>
  places.filter((p) => releaseOf(p) === release).length / places.length;
const moved = (before: readonly string[], after: readonly string[]) =>
  ids.filter((i) => before[i] !== after[i]);
const flipped = (before: readonly string[], after: readonly string[]) =>
  ids.filter((i) => releaseOf(before[i]) !== releaseOf(after[i]));

t.test(
  '1: balanced, 90/10, five calls through three sidecars: no flips, no hops, the share that was asked for',
  async (t) => {
    const sidecars = [1, 2, 3].map(() => new MeshTable());
    for (const sidecar of sidecars) sidecar.apply(checkout({ affinity: balanced }));
    const first = callAll(sidecars[0] as MeshTable);
    for (let call = 1; call < 5; call++) t.same(moved(first, callAll(sidecars[call % 3] as MeshTable)), []);
    t.ok(Math.abs(share(first, 'v2') - 0.1) < 0.01, `canary share ${share(first, 'v2')}`);
  },
);

t.test(
  '2, 3: raising the weight moves exactly the slots it grew by, and lowering it moves them back',
  async (t) => {
    const table = new MeshTable();
    table.apply(checkout({ affinity: balanced }));
    const before = callAll(table);
    table.apply(checkout({ affinity: balanced, split: { v1: 80, v2: 20 } }));
    const after = callAll(table);
    const slots = ids.map((n) => {
      const placed = table.send('checkout', { headers: user(n) });
      return placed.endpoint === undefined ? -1 : (placed.slot ?? -1);
    });
    t.same(
      flipped(before, after),
      ids.filter((i) => (slots[i] as number) >= 8000 && (slots[i] as number) < 9000),
    );
    t.ok(flipped(before, after).every((i) => releaseOf(after[i]) === 'v2'));
    table.apply(checkout({ affinity: balanced }));
    t.same(moved(before, callAll(table)), []);
  },
);

t.test(
  '4: persistent: a weight change moves no session that has called before; new ones follow it',
  async (t) => {
    const table = new MeshTable();
    table.apply(checkout({ affinity: persistent }));
    const before = callAll(table);
    table.apply(checkout({ affinity: persistent, split: { v1: 50, v2: 50 } }));
    t.same(moved(before, callAll(table)), []);
    const fresh = ids.map((n) => table.where('checkout', { headers: user(`new-${n}`) }));
    t.ok(Math.abs(share(fresh, 'v2') - 0.5) < 0.01);
  },
);

t.test('5: 90/10 and 900/100 are the same split', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: balanced }));
  const before = callAll(table);
  table.apply(checkout({ affinity: balanced, split: { v1: 900, v2: 100 } }));
  t.same(moved(before, callAll(table)), []);
});

for (const affinity of [
  persistent,
  { version: 'balanced', endpoint: 'persistent' },
  { version: 'balanced', endpoint: 'balanced' },
]) {
  t.test(
    `6, 7: a label keeps its session on the release, unless pin: false (${affinity.version}, ${affinity.endpoint})`,
    async (t) => {
      const table = new MeshTable();
      table.apply(checkout({ affinity, split: { v1: 100, v2: 0 }, routes: [labelled('v2')] }));
      const labelledPlaces = ids
        .slice(0, 500)
        .map((n) => table.where('checkout', { headers: labelledUser(n) }));
      t.equal(share(labelledPlaces, 'v2'), 1);
      t.same(
        callAll(table, ids.slice(0, 500)),
        labelledPlaces,
        'without the label: the same release, the same endpoint',
      );

      const without = new MeshTable();
      without.apply(
        checkout({ affinity, split: { v1: 100, v2: 0 }, routes: [labelled('v2', { pin: false })] }),
      );
      t.equal(releaseOf(without.where('checkout', { headers: labelledUser(1) })), 'v2');
      t.equal(releaseOf(without.where('checkout', { headers: user(1) })), 'v1');
    },
  );
}

t.test('8, 9: a label goes before a pin, and under precedence: session the other way round', async (t) => {
  for (const [precedence, expected] of [
    ['split', 'v2'],
    ['session', 'v1'],
  ] as const) {
    const table = new MeshTable();
    const affinity = { ...persistent, precedence };
    table.apply(checkout({ affinity, split: { v1: 100, v2: 0 }, routes: [labelled('v2')] }));
    t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v1');
    t.equal(releaseOf(table.where('checkout', { headers: labelledUser(1) })), expected);
    t.equal(releaseOf(table.where('checkout', { headers: user(1) })), expected, 'and afterwards');
  }
});

t.test('10: weight 0 drains: sessions stay, new ones do not arrive', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent }));
  const before = callAll(table);
  table.apply(checkout({ affinity: persistent, split: { v1: 100, v2: 0 } }));
  t.same(moved(before, callAll(table)), []);
  t.equal(
    share(
      ids.map((n) => table.where('checkout', { headers: user(`new-${n}`) })),
      'v2',
    ),
    0,
  );
});

t.test(
  '11: a release taken out of the split loses its sessions at once, and a later release does not get them',
  async (t) => {
    const table = new MeshTable();
    const pods = { v1: 2, v2: 2, v3: 2 };
    table.apply(checkout({ affinity: persistent, pods }));
    const before = callAll(table);
    table.apply(checkout({ affinity: persistent, pods, split: { v1: 100 } }));
    const evicted = callAll(table);
    t.equal(share(evicted, 'v1'), 1);
    t.same(
      moved(before, evicted),
      ids.filter((i) => releaseOf(before[i]) === 'v2'),
    );
    table.apply(checkout({ affinity: persistent, pods, split: { v1: 90, v3: 10 } }));
    t.same(moved(evicted, callAll(table)), []);
  },
);

t.test('11 under balanced: an evicted label pin does not revive', async (t) => {
  const table = new MeshTable();
  const shop = (split: Record<string, number>) =>
    checkout({ affinity: balanced, split, routes: [labelled('v2')] });
  table.apply(shop({ v1: 100, v2: 0 }));
  table.where('checkout', { headers: labelledUser(1) });
  t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v2');
  table.apply(shop({ v1: 100 }));
  t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v1');
  table.apply(shop({ v1: 100, v2: 0 }));
  t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v1');
});

t.test('12: new pods under the same release: same release, new endpoint, new pin', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent }));
  const before = callAll(table);
  const versions = [
    { name: 'v1', endpoints: podsOf('v1', 2) },
    { name: 'v2', endpoints: podsOf('v2', 2, 7) },
  ];
  table.apply(checkout({ affinity: persistent, spec: { versions } }));
  const after = callAll(table);
  t.same(flipped(before, after), []);
  const onV2 = ids.filter((i) => releaseOf(before[i]) === 'v2');
  t.ok(onV2.every((i) => after[i]?.startsWith('v2 10.7.')));
  t.same(moved(after, callAll(table)), []);
});

t.test('a later release under an old name inherits no pins, even at the same weight', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent, split: { v1: 100, v2: 0 }, routes: [labelled('v2')] }));
  table.where('checkout', { headers: labelledUser(1) });
  table.incarnations = { v2: 'v2, made anew' };
  const versions = [
    { name: 'v1', endpoints: podsOf('v1', 2) },
    { name: 'v2', endpoints: podsOf('v2', 2, 7) },
  ];
  table.apply(checkout({ affinity: persistent, split: { v1: 100, v2: 0 }, spec: { versions } }));
  t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v1');
});

t.test('13: promotion moves nobody who is on the promoted release', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent }));
  const before = callAll(table);
  table.apply(checkout({ affinity: persistent, split: { v2: 100 }, spec: { stable: 'v2' } }));
  const after = callAll(table);
  t.same(
    moved(before, after),
    ids.filter((i) => releaseOf(before[i]) === 'v1'),
  );
});

t.test('13 with roles for names: pins follow the pods when "canary" becomes "stable"', async (t) => {
  const table = new MeshTable();
  const shop = (stable: object[], canary: object[]) =>
    checkout({
      affinity: persistent,
      split: { stable: 90, canary: 10 },
      spec: {
        versions: [
          { name: 'stable', endpoints: stable },
          { name: 'canary', endpoints: canary },
        ],
      },
    });
  table.apply(shop(podsOf('v1', 2), podsOf('v2', 2)));
  const before = callAll(table);
  table.apply(shop(podsOf('v2', 2), podsOf('v3', 2)));
  const after = callAll(table);
  const wereCanary = ids.filter((i) => releaseOf(before[i]) === 'canary');
  t.ok(wereCanary.length > 500);
  for (const i of wereCanary) t.equal(after[i], before[i]?.replace('canary', 'stable'));
});

t.test('14, 15: a sixth pod takes its share under balanced and nobody under persistent', async (t) => {
  for (const endpoint of ['balanced', 'persistent']) {
    const table = new MeshTable();
    const shop = (count: number) =>
      checkout({ affinity: { version: 'none', endpoint }, split: { v1: 1 }, pods: { v1: count } });
    table.apply(shop(5));
    const before = callAll(table);
    table.apply(shop(6));
    const after = callAll(table);
    const changed = moved(before, after);
    if (endpoint === 'persistent') t.same(changed, []);
    else {
      t.ok(Math.abs(changed.length / SESSIONS - 1 / 6) < 0.03, `${changed.length} moved`);
      t.ok(changed.every((i) => after[i] === 'v1 10.0.1.6:80'));
    }
  }
});

t.test('16: a dead pod loses its sessions only, once, and they stay away when it returns', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent, split: { v1: 1 }, pods: { v1: 5 } }));
  const before = callAll(table);
  table.setUsability('10.0.1.3:80', UNUSABLE);
  const during = callAll(table);
  t.same(
    moved(before, during),
    ids.filter((i) => before[i] === 'v1 10.0.1.3:80'),
  );
  t.same(moved(during, callAll(table)), []);
  table.setUsability('10.0.1.3:80', USABLE);
  t.same(moved(during, callAll(table)), []);
});

t.test('16 under balanced: its sessions come back with it, and no other session ever moves', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: balanced, split: { v1: 1 }, pods: { v1: 5 } }));
  const before = callAll(table);
  table.setUsability('10.0.1.3:80', UNUSABLE);
  t.same(
    moved(before, callAll(table)),
    ids.filter((i) => before[i] === 'v1 10.0.1.3:80'),
  );
  table.setUsability('10.0.1.3:80', USABLE);
  t.same(moved(before, callAll(table)), []);
});

t.test(
  '18: all of v2 dead: stable answers, and its sessions are back if it recovers within failoverRepin',
  async (t) => {
    const table = new MeshTable();
    table.apply(checkout({ affinity: { ...persistent, failoverRepin: '10s' } }));
    const before = callAll(table);
    const onV2 = ids.filter((i) => releaseOf(before[i]) === 'v2');
    const kill = (usable: typeof USABLE | typeof UNUSABLE) =>
      podsOf('v2', 2).forEach(({ address }) => void table.setUsability(address, usable));
    kill(UNUSABLE);
    table.nowMs += 9_000;
    t.equal(share(callAll(table), 'v1'), 1);
    kill(USABLE);
    t.same(moved(before, callAll(table)), [], 'recovered in time');
    kill(UNUSABLE);
    table.nowMs += 10_000;
    callAll(table);
    kill(USABLE);
    const after = callAll(table);
    t.ok(
      onV2.every((i) => releaseOf(after[i]) === 'v1'),
      'recovered too late',
    );
  },
);

t.test('19: all of v1 dead: nobody is served, not even by v2, unless failover: any', async (t) => {
  for (const affinity of [persistent, balanced]) {
    const table = new MeshTable();
    table.apply(checkout({ affinity, routes: [labelled('v2')] }));
    const before = callAll(table);
    const kill = () => {
      for (const { address } of podsOf('v1', 2)) table.setUsability(address, UNUSABLE);
    };
    kill();
    t.ok(callAll(table).every((place) => place.endsWith(' none')));
    t.match(table.where('checkout'), / none$/, 'nor without a key');
    t.equal(
      releaseOf(table.where('checkout', { headers: labelledUser('qa') })),
      'v2',
      'but who asks for v2 by name',
    );
    table.apply(checkout({ affinity: { ...affinity, failover: 'any' } }));
    t.equal(share(callAll(table), 'v2'), 1);
    table.apply(checkout({ affinity, split: { v1: 0, v2: 100 } }));
    t.ok(share(callAll(table), 'v2') > 0.05, 'a split that has drained v1 does not depend on it');
    table.apply(checkout({ affinity, routes: [labelled('v2')] }));
    for (const { address } of podsOf('v1', 2)) table.setUsability(address, USABLE);
    if (affinity === balanced) t.same(callAll(table), before, 'and all are back when v1 is');
  }
});

t.test('19: a stable release that is all draining is not dead', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent }));
  const before = callAll(table);
  for (const { address } of podsOf('v1', 2)) table.setUsability(address, PINNED_ONLY);
  t.same(callAll(table), before);
});

t.test('22: without a key there is no stickiness, and the split holds', async (t) => {
  const table = new MeshTable();
  table.apply(checkout({ affinity: persistent }));
  const places = ids.map(() => table.where('checkout'));
  t.ok(Math.abs(share(places, 'v2') - 0.1) < 0.015);
  t.equal(table.pins.size, 0);
});

t.test('23: a salt draws another sample of the same users', async (t) => {
  const [plain, salted] = [new MeshTable(), new MeshTable()];
  plain.apply(checkout({ affinity: balanced }));
  salted.apply(checkout({ affinity: { ...balanced, salt: 'experiment 7' } }));
  const [a, b] = [callAll(plain), callAll(salted)];
  t.ok(Math.abs(share(b, 'v2') - 0.1) < 0.01);
  const inBoth = ids.filter((i) => releaseOf(a[i]) === 'v2' && releaseOf(b[i]) === 'v2').length / SESSIONS;
  t.ok(inBoth < 0.02, `as chance has it, 1 % are in both: ${inBoth}`);
  t.same(moved(b, callAll(salted)), []);
});

t.test('36: salt: auto draws a sample for each rollout, and moves nobody who is pinned', async (t) => {
  const table = new MeshTable();
  const pods = { v1: 3, v2: 3, v3: 3 };
  const spec = (stable: string) => ({ stable });
  const affinity = { ...persistent, salt: 'auto' };
  table.apply(checkout({ affinity, pods, split: { v1: 90, v2: 10 }, spec: spec('v1') }));
  const met = ids.filter((_, i) => releaseOf(callAll(table, [i])[0]) === 'v2');
  t.ok(Math.abs(met.length / SESSIONS - 0.1) < 0.01);
  table.apply(checkout({ affinity, pods, split: { v2: 1 }, spec: spec('v2') }));
  const promoted = callAll(table);
  t.equal(share(promoted, 'v2'), 1);

  table.apply(checkout({ affinity, pods, split: { v2: 90, v3: 10 }, spec: spec('v2') }));
  t.same(moved(promoted, callAll(table)), [], 'nobody pinned moves');
  table.pins.clear();
  const again = callAll(table);
  t.ok(Math.abs(share(again, 'v3') - 0.1) < 0.01);
  const both = share(
    met.map((i) => again[i] as string),
    'v3',
  );
  t.ok(both > 0.05 && both < 0.15, `of those whom v2 met first, a tenth are on v3: ${both}`);
});

t.test('S4.4: a sample lasts until everything goes to one release, and is for releases only', async (t) => {
  const table = new MeshTable();
  const affinity = { ...balanced, salt: 'auto' };
  const at = (split: Record<string, number>, routes: object[] = []) => {
    table.apply(checkout({ affinity, split, routes }));
    return callAll(table);
  };
  const podOf = (place: string | undefined) => place?.split(' ')[1];
  const alone = at({ v1: 1 });
  const first = at({ v1: 90, v2: 10 });
  t.same(
    ids.filter((i) => podOf(first[i]) !== podOf(alone[i])),
    ids.filter((i) => releaseOf(first[i]) === 'v2'),
    'who stays on v1 keeps the pod',
  );
  const wider = at({ v1: 50, v2: 50 });
  t.ok(flipped(first, wider).every((i) => releaseOf(wider[i]) === 'v2'));
  t.same(at({ v1: 90, v2: 10 }), first);
  t.same(at({ v1: 90, v2: 10 }, [labelled('v2')]), first, 'a label is no part of it');
  const beta = { ...labelled('v2'), split: [90, 10].map((weight, i) => ({ version: `v${i + 1}`, weight })) };
  t.same(at({ v1: 1 }, [beta]), alone);
  t.same(at({ v1: 90, v2: 10 }, [beta]), first, 'another route has split all the time: it is one rollout');
  at({ v1: 100, v2: 0 });
  const second = at({ v1: 90, v2: 10 });
  const inBoth = ids.filter((i) => releaseOf(first[i]) === 'v2' && releaseOf(second[i]) === 'v2');
  t.ok(inBoth.length < 0.02 * SESSIONS, `drained, and begun again: ${inBoth.length} are in both samples`);
});

t.test('26: a lane leads to the release that carries it, and changes no pin', async (t) => {
  const table = new MeshTable();
  const versions = [
    { name: 'v1', endpoints: podsOf('v1', 2) },
    { name: 'v2', lane: 'canary', endpoints: podsOf('v2', 2) },
  ];
  table.apply(checkout({ affinity: persistent, split: { v1: 100, v2: 0 }, spec: { versions } }));
  const inLane = [...user(1), ['baggage', 'a=b, roost-lane=canary;p']] as const;
  t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v1');
  t.equal(releaseOf(table.where('checkout', { headers: inLane })), 'v2');
  t.equal(releaseOf(table.where('checkout', { headers: user(1) })), 'v1');
  t.equal(
    releaseOf(table.where('checkout', { headers: [...user(1), ['baggage', 'roost-lane=other']] })),
    'v1',
  );
  table.apply(
    checkout({ affinity: { ...persistent, lanes: 'ignore' }, split: { v1: 100, v2: 0 }, spec: { versions } }),
  );
  t.equal(releaseOf(table.where('checkout', { headers: inLane })), 'v1');
});

t.test(
  "9 with routes by path: without an unconditional route, the path's own split says which pins count",
  async (t) => {
    const table = new MeshTable();
    const path = { path: { prefix: '/shop' } };
    const header = (exact: string) => ({ ...path, headers: [{ name: 'x-canary', exact }] });
    table.apply(
      checkout({
        affinity: { ...persistent, precedence: 'session' },
        spec: {
          routes: [
            { name: 'always', match: [header('always')], split: [{ version: 'v2', weight: 1 }] },
            { name: 'never', match: [header('never')], split: [{ version: 'v1', weight: 1 }] },
            {
              name: 'default',
              match: [path],
              split: [
                { version: 'v1', weight: 100 },
                { version: 'v2', weight: 0 },
              ],
            },
          ],
        },
      }),
    );
    const call = (n: number, value = 'other') =>
      releaseOf(table.where('checkout', { path: '/shop/7', headers: [...user(n), ['x-canary', value]] }));
    t.equal(call(1, 'always'), 'v2');
    t.equal(call(1, 'never'), 'v2', 'the session goes before the label');
    t.equal(call(1), 'v2');
    t.equal(call(2, 'never'), 'v1');
    t.equal(call(2, 'always'), 'v1');
  },
);
