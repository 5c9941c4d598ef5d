import t from 'tap';
import { planChange } from '../../../../control-plane/plan/plan.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { type Call, SessionTraffic } from '../../../support/session-traffic.js';
import { checkout, labelled, podsOf, type ShopOptions, user } from '../../../support/shop.js';

/**
 * Every transition of affinity, planned and then made: the plan is compared with what the calls of the same sessions
 * then do. The sessions have a history, so that their pins do not agree with today's splits.
 */

const secret = Buffer.from('a secret of the mesh, for tests.');
const context = { pinSecret: secret, incarnation: () => '' };
const SESSIONS = 4000;
/** One point, and what chance adds to it in so many sessions. */
const NEAR = 0.01;
/** Where the sessions are placed anew, by hashes that a plan cannot know: 4 sigma of so many. */
const NEAR_BY_CHANCE = 0.032;

const header = { key: [{ header: 'x-user-id' }] };
const persistent = { ...header, version: 'persistent', endpoint: 'persistent' };
const balanced = { ...header, version: 'balanced', endpoint: 'balanced' };
const auto = { ...persistent, salt: 'auto' };
const cookie = (name: string, more: object = {}) => ({ cookie: { name, ttl: '1h', ...more } });
const even = { v1: 50, v2: 50 };
const even2 = [
  { version: 'v1', weight: 1 },
  { version: 'v2', weight: 1 },
];
/** Persistent sessions of a time when v2 had a fifth of them. */
const history: ShopOptions = { affinity: persistent, split: { v1: 80, v2: 20 } };
const pinned: ShopOptions = { affinity: persistent, split: even };

interface Transition {
  readonly name: string;
  /** What was in force before, one after the other. */
  readonly history?: readonly ShopOptions[];
  readonly before?: ShopOptions;
  readonly after: ShopOptions;
  readonly calls?: (session: number) => Call;
  readonly near?: number;
  /** Between the last calls before the change and the plan. */
  readonly idleMs?: number;
  /** Not every session has to be pinned, so that the hash space says what becomes of the others. */
  readonly pinsOnly?: boolean;
}

/** Callers that keep one cookie. */
const inCookies = (change: object) => {
  const affinity = { ...persistent, key: [cookie('sid')] };
  return {
    history: [{ ...history, affinity }],
    before: { ...pinned, affinity },
    after: { ...pinned, affinity: { ...affinity, ...change } },
    calls: (): Call => ({ headers: [] }),
  };
};

const byHeader = (i: number): Call => ({ headers: user(i) });
const routed = (name: string) => ({
  spec: { routes: [{ name, split: even2 }] },
});

const TRANSITIONS: readonly Transition[] = [
  // Modes.
  {
    name: 'version persistent → balanced',
    after: { affinity: { ...persistent, version: 'balanced' }, split: even },
  },
  {
    name: 'version persistent → none',
    after: { affinity: { ...persistent, version: 'none' }, split: even },
    near: NEAR_BY_CHANCE,
  },
  {
    name: 'endpoint persistent → balanced',
    after: { affinity: { ...persistent, endpoint: 'balanced' }, split: even },
  },
  { name: 'both persistent → balanced', after: { affinity: balanced, split: even } },
  {
    name: 'endpoint persistent → balanced after scaling up',
    history: [{ ...history, pods: { v1: 2, v2: 2 } }],
    before: { ...pinned, pods: { v1: 5, v2: 3 } },
    after: { affinity: { ...persistent, endpoint: 'balanced' }, split: even, pods: { v1: 5, v2: 3 } },
  },
  { name: 'affinity taken away', after: { split: even }, near: NEAR_BY_CHANCE },
  {
    name: 'balanced → persistent, with pins of an earlier time',
    history: [history],
    pinsOnly: true,
    before: { affinity: balanced, split: even },
    after: pinned,
  },
  {
    name: 'balanced → persistent, without',
    history: [],
    before: { affinity: balanced, split: even },
    after: pinned,
  },
  // Splits and releases.
  { name: 'split', after: { ...pinned, split: { v1: 10, v2: 90 } } },
  { name: 'drain', after: { ...pinned, split: { v1: 100, v2: 0 } } },
  { name: 'evict', after: { ...pinned, split: { v1: 1 } } },
  {
    name: 'a third release',
    after: { ...pinned, split: { v1: 40, v2: 40, v3: 20 }, pods: { v1: 2, v2: 2, v3: 1 } },
  },
  {
    name: 'releases are renamed and keep their pods',
    after: {
      affinity: persistent,
      split: { blue: 50, green: 50 },
      spec: {
        versions: [
          { name: 'blue', endpoints: podsOf('v1', 2) },
          { name: 'green', endpoints: podsOf('v2', 2) },
        ],
      },
    },
  },
  { name: 'stable', after: { ...pinned, spec: { stable: 'v2' } } },
  // Endpoints.
  { name: 'a pod joins', after: { ...pinned, pods: { v1: 3, v2: 2 } } },
  { name: 'a pod leaves', after: { ...pinned, pods: { v1: 1, v2: 2 } } },
  { name: 'ring → maglev, persistent', after: { ...pinned, spec: { loadBalancer: 'maglev' } } },
  {
    name: 'ring → maglev, endpoint balanced',
    history: [{ affinity: { ...persistent, endpoint: 'balanced' }, split: { v1: 80, v2: 20 } }],
    before: { affinity: { ...persistent, endpoint: 'balanced' }, split: even },
    after: {
      affinity: { ...persistent, endpoint: 'balanced' },
      split: even,
      spec: { loadBalancer: 'maglev' },
    },
  },
  // Keys.
  {
    name: 'a second source is added',
    after: { affinity: { ...persistent, key: [...header.key, cookie('sid')] }, split: even },
  },
  {
    name: 'the other source, a cookie, is renamed',
    history: [{ ...history, affinity: { ...persistent, key: [...header.key, cookie('sid')] } }],
    before: { ...pinned, affinity: { ...persistent, key: [...header.key, cookie('sid')] } },
    after: { ...pinned, affinity: { ...persistent, key: [...header.key, cookie('session')] } },
  },
  {
    name: 'the other source, a cookie, is dropped',
    history: [{ ...history, affinity: { ...persistent, key: [...header.key, cookie('sid')] } }],
    before: { ...pinned, affinity: { ...persistent, key: [...header.key, cookie('sid')] } },
    after: pinned,
  },
  {
    name: 'sources change places',
    history: [{ ...history, affinity: { ...persistent, key: [...header.key, { query: 'user' }] } }],
    before: { ...pinned, affinity: { ...persistent, key: [...header.key, { query: 'user' }] } },
    after: { ...pinned, affinity: { ...persistent, key: [{ query: 'user' }, ...header.key] } },
  },
  {
    name: 'of sessions by two sources, those of one begin anew',
    history: [{ ...history, affinity: { ...persistent, key: [...header.key, { query: 'user' }] } }],
    before: { ...pinned, affinity: { ...persistent, key: [...header.key, { query: 'user' }] } },
    after: { ...pinned, affinity: { ...persistent, key: [...header.key, { header: 'x-account' }] } },
    calls: (i) =>
      i % 4 === 0
        ? { headers: [['x-account', `account-${i}`]], path: `/?user=${i}` }
        : { headers: [...user(i), ['x-account', `account-${i}`]] },
    near: NEAR_BY_CHANCE,
  },
  {
    name: 'the key is another header',
    after: { ...pinned, affinity: { ...persistent, key: [{ header: 'x-account' }] } },
    calls: (i) => ({ headers: [...user(i), ['x-account', `account-${i}`]] }),
    near: NEAR_BY_CHANCE,
  },
  {
    name: 'salt: auto, a rollout begins',
    history: [{ affinity: auto, split: { v1: 1 } }],
    before: { affinity: auto, split: { v1: 1 } },
    after: { affinity: auto, split: { v1: 90, v2: 10 } },
  },
  {
    name: 'salt: auto, a rollout begins under balanced',
    before: { affinity: { ...auto, ...balanced }, split: { v1: 1 } },
    after: { affinity: { ...auto, ...balanced }, split: { v1: 80, v2: 20 } },
  },
  {
    name: 'salt: auto, a rollout ends under balanced',
    before: { affinity: { ...auto, ...balanced }, split: { v1: 80, v2: 20 } },
    after: { affinity: { ...auto, ...balanced }, split: { v2: 1 } },
  },
  {
    name: 'salt: auto, within a rollout',
    history: [{ affinity: auto, split: { v1: 70, v2: 30 } }],
    before: { affinity: auto, split: { v1: 70, v2: 30 } },
    after: { affinity: { ...auto, version: 'balanced' }, split: { v1: 30, v2: 70 } },
  },
  { name: 'no salt → salt: auto', after: { ...pinned, affinity: auto } },
  {
    name: 'balanced, no salt → salt: auto',
    before: { affinity: balanced, split: even },
    after: { affinity: { ...balanced, salt: 'auto' }, split: even },
    near: NEAR_BY_CHANCE,
  },
  { name: 'salt', after: { ...pinned, affinity: { ...persistent, salt: 'pepper' } } },
  {
    name: 'salted: persistent → balanced',
    history: [{ affinity: { ...persistent, salt: 'sage' }, split: { v1: 80, v2: 20 } }],
    before: { affinity: { ...persistent, salt: 'sage' }, split: even },
    after: { affinity: { ...persistent, salt: 'sage', version: 'balanced' }, split: even },
  },
  {
    name: 'a second salt: sessions of the first one are counted, too',
    history: [history, { ...pinned, affinity: { ...persistent, salt: 'pepper' } }],
    before: { affinity: { ...persistent, salt: 'sage' }, split: { v1: 30, v2: 70 } },
    after: { affinity: { ...persistent, salt: 'sage' }, split: { v1: 1 } },
  },
  {
    name: 'salt, endpoint balanced: pins that were made with another salt',
    history: [{ ...pinned, affinity: { ...persistent, endpoint: 'balanced' } }],
    before: { ...pinned, affinity: { ...persistent, endpoint: 'balanced', salt: 'sage' } },
    after: { ...pinned, affinity: { ...persistent, endpoint: 'balanced', salt: 'thyme' } },
    near: NEAR_BY_CHANCE,
  },
  {
    name: 'scope, after the salt has changed: pins that were made with another salt',
    history: [{ ...pinned, affinity: { ...persistent, salt: 'pepper' } }],
    before: { ...pinned, affinity: { ...persistent, salt: 'sage' } },
    after: { ...pinned, affinity: { ...persistent, salt: 'sage', scope: 'route' } },
    near: NEAR_BY_CHANCE,
  },
  // Scope.
  { name: 'scope service → route', after: { ...pinned, affinity: { ...persistent, scope: 'route' } } },
  {
    name: 'scope route, and the route is renamed',
    history: [{ ...history, affinity: { ...persistent, scope: 'route' } }],
    before: { affinity: { ...persistent, scope: 'route' }, ...routed('default') },
    after: { affinity: { ...persistent, scope: 'route' }, ...routed('main') },
  },
  {
    name: 'scope route, and the cookie beside the header goes with the route’s name',
    history: [
      { ...history, affinity: { ...persistent, scope: 'route', key: [...header.key, cookie('sid')] } },
    ],
    before: {
      affinity: { ...persistent, scope: 'route', key: [...header.key, cookie('sid')] },
      ...routed('default'),
    },
    after: {
      affinity: { ...persistent, scope: 'route', key: [...header.key, cookie('sid')] },
      ...routed('main'),
    },
  },
  // Sessions in cookies.
  { name: 'in cookies: version persistent → balanced', ...inCookies({ version: 'balanced' }) },
  { name: 'in cookies: salt', ...inCookies({ salt: 'pepper' }) },
  { name: 'in cookies: another attribute', ...inCookies({ key: [cookie('sid', { ttl: '2h' })] }) },
  {
    name: 'in cookies: the cookie is renamed',
    ...inCookies({ key: [cookie('session')] }),
    near: NEAR_BY_CHANCE,
  },
  {
    name: 'some in cookies, some by header: the cookie is renamed',
    history: [{ ...history, affinity: { ...persistent, key: [...header.key, cookie('sid')] } }],
    before: { ...pinned, affinity: { ...persistent, key: [...header.key, cookie('sid')] } },
    after: { ...pinned, affinity: { ...persistent, key: [...header.key, cookie('session')] } },
    calls: (i) => ({ headers: i % 4 === 0 ? [] : user(i) }),
    near: NEAR_BY_CHANCE,
  },
  // What else there is.
  {
    name: 'ttl, shorter than sessions have been idle',
    after: { ...pinned, affinity: { ...persistent, ttl: '10m' } },
    idleMs: 1_800_000,
  },
  { name: 'ttl, longer', after: { ...pinned, affinity: { ...persistent, ttl: '5h' } } },
  { name: 'precedence', after: { ...pinned, affinity: { ...persistent, precedence: 'session' } } },
  { name: 'failover', after: { ...pinned, affinity: { ...persistent, failover: 'any' } } },
  {
    name: 'a label’s pins, and its label is evicted',
    history: [{ affinity: balanced, routes: [labelled('v2')] }],
    before: { affinity: balanced },
    after: { affinity: balanced, split: { v1: 1 } },
    calls: (i) => ({ headers: [...user(i), ['x-region', 'us-east']] }),
    pinsOnly: true,
  },
  {
    name: 'a label’s pins, and its route is removed',
    history: [{ affinity: balanced, routes: [labelled('v2')] }],
    before: { affinity: balanced, split: { v1: 90, v2: 10 }, routes: [labelled('v2')] },
    after: { affinity: balanced, split: { v1: 90, v2: 10 } },
    calls: (i) => ({ headers: [...user(i), ['x-region', 'us-east']] }),
  },
];

/** The sessions of the traffic all call by one route. */
async function planOf({ before = pinned, after }: Transition, traffic: SessionTraffic) {
  const plans = await planChange({
    before: parseMeshService(checkout(before)),
    after: parseMeshService(checkout(after)),
    context: { ...context, rollout: () => traffic.mesh.rollout },
    revision: 1000,
    survey: (wanted) => traffic.survey(wanted),
  });
  const planned =
    plans.find((plan) => plan.livePins + plan.cookieSessions > 0) ??
    plans.find(({ route }) => route === 'default');
  if (planned === undefined) throw new Error('nothing is planned');
  return planned;
}

for (const transition of TRANSITIONS) {
  t.test(transition.name, async (t) => {
    const { history: past = [history], before = pinned, calls = byHeader, near = NEAR } = transition;
    const traffic = new SessionTraffic(secret);
    const callAll = (options: ShopOptions) => {
      traffic.mesh.apply(checkout(options));
      return Array.from({ length: SESSIONS }, (_, i) => traffic.call(i, calls(i)));
    };
    for (const options of past) callAll(options);
    const was = callAll(before);
    traffic.nowMs += transition.idleMs ?? 0;
    const planned = await planOf(transition, traffic);
    const is = callAll(transition.after);

    const moves = was.map((place, i) => ({
      release: place?.[0] !== is[i]?.[0] && place?.[1] !== is[i]?.[1],
      pod: place?.[1] !== is[i]?.[1],
    }));
    const [releases, pods] = (['release', 'pod'] as const).map(
      (level) => moves.filter((move) => move[level]).length / SESSIONS,
    ) as [number, number];
    const { movedRelease, movedEndpoint } = planned;
    const held = planned.livePins + planned.cookieSessions;
    const moved = planned.movedPins + planned.movedCookieSessions;
    if (held > 0) t.ok(Math.abs(moved / held - pods) <= near, `${moved} of ${held}, ${pods}`);
    if (transition.pinsOnly) return;
    t.ok(Math.abs(movedRelease - releases) <= near, `releases: ${movedRelease}, ${releases}`);
    t.ok(Math.abs(movedEndpoint - pods) <= near, `pods: ${movedEndpoint}, ${pods}`);
  });
}
