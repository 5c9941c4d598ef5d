import t from 'tap';
import { SessionPins } from '../../../../sidecar/session/session-pins.js';
import { type SessionEntry, SessionTable } from '../../../../sidecar/session/session-table.js';
import type { Placement } from '../../../../src/routing/decide.js';
import type { Pin } from '../../../../src/routing/pins.js';
import { newcomerTag, sessionTag } from '../../../../src/routing/session-key.js';
import type { Affinity } from '../../../../src/routing/table.js';
import type { KeySourceConfig } from '../../../../src/xds/hash-policy.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { NO_COOKIES, pinsFor, setting } from '../../../support/session-pins.js';
import { checkout } from '../../../support/shop.js';

const [A, B, C] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'].map((address) => ({ address })) as [
  { address: string },
  { address: string },
  { address: string },
];

function world() {
  const mesh = new MeshTable();
  mesh.apply({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 80,
      versions: [
        { name: 'v1', endpoints: [A, B, C] },
        { name: 'v2', endpoints: [{ address: '10.0.0.4:80' }] },
      ],
      routes: [
        {
          name: 'label',
          match: [{ headers: [{ name: 'x-canary', present: true }] }],
          split: [{ version: 'v2', weight: 1 }],
        },
        {
          name: 'default',
          split: [
            { version: 'v1', weight: 1 },
            { version: 'v2', weight: 0 },
          ],
        },
      ],
      affinity: { key: [{ header: 'x-user-id' }], version: 'persistent', endpoint: 'persistent' },
    },
  });
  const pins = pinsFor(100);
  /** A request of the session, placed with nothing known of it, or with this pin. */
  const placed = (labelled: boolean): Placement => {
    const headers: [string, string][] = [
      ['x-user-id', 'ann'],
      ...(labelled ? [['x-canary', '1'] as [string, string]] : []),
    ];
    const placement = new MeshTableView(mesh).place(headers);
    if (placement.endpoint === undefined) throw new Error('no endpoint');
    return placement;
  };
  const found = (placement: Placement): Pin | undefined => {
    const pin = pins.find(placement.route.affinity as Affinity, placement.session?.pinHash as bigint);
    return pin && { release: pin.release, label: pin.label, endpoint: pin.endpoint };
  };
  const digestOf = (placement: Placement, { address }: { address: string }) =>
    placement.route.affinity?.digests.pin(placement.pinTo as NonNullable<Placement['pinTo']>, address);
  return { pins, placed, found, digestOf };
}

/** Places requests and keeps no pins: the test decides what becomes of them. */
class MeshTableView {
  constructor(private readonly mesh: MeshTable) {}

  place(headers: [string, string][]) {
    this.mesh.pins.clear();
    return this.mesh.send('checkout.shop', { headers });
  }
}

t.test(
  'of two requests at once, the later answer does not move the session within its release',
  async (t) => {
    const { pins, placed, found, digestOf } = world();
    const [first, second] = [placed(false), placed(false)];
    pins.keep(first, B, NO_COOKIES);
    pins.keep(second, C, NO_COOKIES);
    t.strictSame(found(first), digestOf(first, B));
  },
);

t.test(
  'S6: an answer to a request that was placed before another pin came competes with that pin',
  async (t) => {
    const { pins, placed, found, digestOf } = world();
    const [first, labelled, late] = [placed(false), placed(true), placed(false)];
    pins.keep(labelled, C, NO_COOKIES);
    pins.keep(late, A, NO_COOKIES);
    t.strictSame(found(first), digestOf(labelled, C), 'a label wins, whichever is answered first');
  },
);

t.test('a pin that the request came with gives way to the endpoint that answered', async (t) => {
  const { pins, placed, found, digestOf } = world();
  const first = placed(false);
  pins.keep(first, A, NO_COOKIES);
  const pin = found(first);
  t.ok(pin);
  const moved = { ...placed(false), pin };
  pins.keep(moved, B, NO_COOKIES);
  t.strictSame(found(first), digestOf(first, B));
});

t.test('a label, or another release, is not kept out by what was answered before it', async (t) => {
  const { pins, placed, found, digestOf } = world();
  const [plain, labelled] = [placed(false), placed(true)];
  pins.keep(plain, A, NO_COOKIES);
  pins.keep(labelled, { address: '10.0.0.4:80' }, NO_COOKIES);
  t.strictSame(found(plain), digestOf(labelled, { address: '10.0.0.4:80' }));
});

// ---- cookies ----

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

/** A service whose sessions have this key, and the cookies that a client gets from it. */
function cookieWorld(key: readonly object[], modes: object = {}) {
  const mesh = new MeshTable();
  const affinity = { key, version: 'persistent', endpoint: 'persistent', ...modes };
  mesh.apply(checkout({ affinity, split: { v1: 50, v2: 50 }, pods: { v1: 3, v2: 3 } }));
  const noted: string[] = [];
  const clock = { ms: NOW };
  mesh.wallMs = () => clock.ms;
  const pins = pinsFor(
    1000,
    () => clock.ms,
    (service) => noted.push(service),
  );
  /** Places a request with what the table knows, has its endpoint answer, and keeps what follows. */
  const call = (headers: readonly (readonly [string, string])[], set: readonly string[] = []) => {
    mesh.pins.clear();
    const placed = mesh.send('checkout', { headers }, Math.random, [], pins.find.bind(pins));
    if (placed.endpoint === undefined) throw new Error('no endpoint');
    const due = pins.keep(placed, placed.endpoint, setting(...set));
    return { place: placed.endpoint.address, placed, due, cookie: due?.split(';')[0] };
  };
  return { call, clock, noted };
}

const cookieOf = (cookie = '') => [['cookie', cookie]] as const;

t.test('S6: a session in use outlives its cookie: it is renewed once, at half of its time', async (t) => {
  const { call, clock } = cookieWorld([{ cookie: { name: 'sid', ttl: '1h' } }]);
  const first = call([]);
  let { cookie } = first;
  let renewals = 0;
  for (let minutes = 0; minutes < 10 * 60; minutes += 5) {
    clock.ms = NOW + minutes * 60_000;
    const again = call(cookieOf(cookie));
    t.equal(again.place, first.place);
    if (again.due === undefined) continue;
    renewals++;
    t.match(again.due, /; Max-Age=3600;/);
    t.equal(again.cookie?.split(':')[0], first.cookie, 'the key and the pin are the same');
    cookie = again.cookie;
  }
  t.equal(renewals, 19, 'every half hour of ten, and never in between');
});

t.test('S6: a cookie of a browser session is never renewed', async (t) => {
  const { call, clock } = cookieWorld([{ cookie: 'sid' }]);
  const { cookie } = call([]);
  clock.ms += 1000 * HOUR;
  t.equal(call(cookieOf(cookie)).due, undefined);
});

t.test('S6: of two cookies, the one that is the key is renewed', async (t) => {
  const { call, clock } = cookieWorld([
    { cookie: { name: 'a', ttl: '1h' } },
    { cookie: { name: 'b', ttl: '1h' } },
  ]);
  const a = call([]).cookie as string;
  const b = a.replace('a=', 'b=');
  clock.ms += HOUR / 2;
  t.match(call(cookieOf(`${b}; ${a}`)).due, /^a=/);
  t.match(call(cookieOf(b)).due, /^b=/);
});

t.test('S6: a pin that changes is issued with the time of its change', async (t) => {
  const { call, clock } = cookieWorld([{ cookie: { name: 'sid', ttl: '1h' } }]);
  const { cookie = '' } = call([]);
  clock.ms += HOUR / 4;
  const moved = call(cookieOf(cookie.split('.')[0]));
  t.match(moved.cookie, /^sid=[\w-]{22}\.[\w-]{16}:[\w-]{6}$/);
  clock.ms += HOUR / 2 - 1000;
  t.equal(call(cookieOf(moved.cookie)).due, undefined, 'not yet half of its time');
  clock.ms += 1000;
  t.ok(call(cookieOf(moved.cookie)).due);
});

t.test('S6: what an upstream has set is never overwritten, then or later', async (t) => {
  const { call, noted } = cookieWorld([{ cookie: 'JSESSIONID' }]);
  t.equal(call([], ['JSESSIONID=abc; Path=/']).due, undefined);
  t.equal(call(cookieOf('JSESSIONID=abc')).due, undefined, 'nor when it comes back');
  t.same(noted, ['checkout.shop'], 'an operator hears of it, once');
  t.ok(call([]).due, 'a client without one gets ours');
  const { call: another } = cookieWorld([{ cookie: 'JSESSIONID' }]);
  t.ok(another(cookieOf('JSESSIONID=abc')).due, 'what no upstream has set is replaced');
});

const OWN_KEY = [{ cookie: { name: 'JSESSIONID', mint: false } }];

t.test(
  "S6: mint: false: the app's own cookie is a key, is never set, and its pins are in the table",
  async (t) => {
    const { call, noted } = cookieWorld(OWN_KEY);
    t.equal(call([]).due, undefined);
    const sessions = Array.from({ length: 40 }, (_, i) => `JSESSIONID=${i}.node`);
    const first = sessions.map((cookie) => call(cookieOf(`theme=dark; ${cookie}`)));
    t.ok(first.every(({ due }) => due === undefined));
    t.ok(first.every(({ placed }) => placed.pinTo !== undefined));
    t.same(
      sessions.map((cookie) => call(cookieOf(cookie)).place),
      first.map(({ place }) => place),
    );
    t.ok(sessions.every((cookie) => call(cookieOf(cookie)).placed.endpointReason === 'pin'));
    t.same(noted, []);
  },
);

t.test('S6: mint: false: a session stays on the pod whose response began it', async (t) => {
  const { call } = cookieWorld(OWN_KEY);
  for (let i = 0; i < 40; i++) {
    const { place } = call([], ['theme=dark', `JSESSIONID="new-${i}"; Path=/; HttpOnly`]);
    t.equal(call(cookieOf(`JSESSIONID=new-${i}`)).place, place, `session ${i}`);
    t.equal(call(cookieOf(`JSESSIONID="new-${i}"`)).place, place, 'quoted or not');
  }
});

t.test('S6: mint: false: a session stays where it is when the app gives it another value', async (t) => {
  const { call } = cookieWorld(OWN_KEY);
  for (let i = 0; i < 40; i++) {
    const { place } = call(cookieOf(`JSESSIONID=before-${i}`));
    call(cookieOf(`JSESSIONID=before-${i}`), [`JSESSIONID=after-${i}`]);
    t.equal(call(cookieOf(`JSESSIONID=after-${i}`)).place, place);
    call([], [`JSESSIONID=before-${i}`]);
    t.equal(call(cookieOf(`JSESSIONID=before-${i}`)).place, place, 'nothing else moves what has its place');
  }
});

t.test('S6: mint: false: a cookie that is taken away begins nothing', async (t) => {
  const gone = [
    'JSESSIONID=x; Max-Age=0',
    'JSESSIONID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    'JSESSIONID=',
  ];
  for (const set of gone) {
    const { call } = cookieWorld(OWN_KEY);
    call([], [set]);
    t.equal(call(cookieOf('JSESSIONID=x')).placed.pin, undefined, set);
  }
});

t.test('S3: an earlier key goes before a cookie that the app sets, a later one after it', async (t) => {
  const user = [['x-user-id', 'ann']] as const;
  const behind = cookieWorld([{ header: 'x-user-id' }, ...OWN_KEY]);
  behind.call(user, ['JSESSIONID=a']);
  t.equal(behind.call(cookieOf('JSESSIONID=a')).placed.pin, undefined, 'ann is her own session');
  const before = cookieWorld([...OWN_KEY, { cookie: 'sid' }]);
  const first = before.call([], ['JSESSIONID=b']);
  t.match(first.due, /^sid=/);
  t.equal(before.call(cookieOf(`${first.cookie}; JSESSIONID=b`)).place, first.place);
});

t.test('sessions in cookies are noted for plans with the pin that they have, and only there', async (t) => {
  const [table, seen] = [new SessionTable(100, 0), new SessionTable(100, 0)];
  let nowMs = 0;
  const pins = new SessionPins({ table, seen, nowMs: () => nowMs, wallMs: () => nowMs });
  const mesh = new MeshTable();
  const key = [{ header: 'x-user-id' }, { cookie: 'sid' }];
  mesh.apply(checkout({ affinity: { key, version: 'persistent', endpoint: 'persistent' } }));
  const view = new MeshTableView(mesh);
  const call = (headers: [string, string][]) => {
    const placement = view.place(headers);
    if (placement.endpoint === undefined) throw new Error('no endpoint');
    return { placement, cookie: pins.keep(placement, placement.endpoint, NO_COOKIES)?.split(';')[0] ?? '' };
  };
  const noted = () => {
    const entries: SessionEntry[] = [];
    seen.visit(0, seen.slots, nowMs, (entry) => entries.push(entry));
    return entries;
  };
  call([['x-user-id', 'ann']]);
  t.same([table.size, noted().length], [1, 0]);
  const { placement, cookie } = call([]);
  const { affinity } = placement.route as { affinity: Affinity };
  const pin = affinity.digests.pin(
    placement.pinTo as NonNullable<Placement['pinTo']>,
    placement.endpoint.address,
  );
  const tag = sessionTag(affinity.scope, affinity.keys.sources[1] as KeySourceConfig);
  t.match(
    noted(),
    [{ release: pin.release, endpoint: pin.endpoint, label: false, tag: newcomerTag(tag) }],
    'it may never come back',
  );
  t.equal(table.size, 1);
  nowMs = 90_000;
  t.equal(call([['cookie', cookie]]).cookie, '', 'the cookie is right as it is');
  t.match(noted(), [{ endpoint: pin.endpoint, tag, idleMs: 0 }], 'it has been here again');
});
