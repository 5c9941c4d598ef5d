import t from 'tap';
import { stringify } from 'yaml';
import { FastCaller, startBackends } from '../support/fast-traffic.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout, type ShopOptions, user } from '../support/shop.js';

/** S9 with processes: plans count the sessions that sidecars hold, and what was planned is what then happens. */

const SESSIONS = 1000;
const persistent = { version: 'persistent', endpoint: 'persistent', key: [{ header: 'x-user-id' }] };
const even = { v1: 50, v2: 50 };

const backends = await startBackends(t, { v1: 3, v2: 2 });
const { grpc } = await startControlPlane(t);
const callers = await Promise.all(
  ['web.shop', 'cart.shop'].map(async (service) => {
    const { outbound, admin } = await startSidecar(t, ['--service', service, '--control-plane', grpc]);
    await eventually('ready', async () => (await fetch(`http://${admin}/ready`)).status === 200);
    return new FastCaller(t, outbound);
  }),
);

function document(options: ShopOptions): string {
  const versions = [...backends].map(([name, all]) => ({
    name,
    endpoints: all.map(({ address }) => ({ address })),
  }));
  return stringify(checkout({ ...options, spec: { versions, ...options.spec } }));
}

async function run(args: readonly string[], options: ShopOptions) {
  return roost([...args, '-f', '-', '--control-plane', grpc], { input: document(options) });
}

async function apply(options: ShopOptions): Promise<void> {
  const { code, stderr } = await run(['apply'], options);
  if (code !== 0) throw new Error(stderr);
}

/** The pods that answer, each session's half of the time through another sidecar. */
async function places(): Promise<string[]> {
  const half = (caller: FastCaller | undefined, from: number) =>
    caller?.all(
      Array.from({ length: SESSIONS / 2 }, (_, i) => ({ host: 'checkout.shop', headers: user(from + i) })),
    ) ?? [];
  const answers = await Promise.all([half(callers[0], 0), half(callers[1], SESSIONS / 2)]);
  return answers.flat().map(({ body }) => body);
}

/** Plans a change, makes it, and compares. */
async function planned(options: ShopOptions) {
  const was = await places();
  const { code, stdout } = await run(['plan', '-o', 'json', '--fail-above', '1%'], options);
  const [plan] = JSON.parse(stdout).routes;
  await apply(options);
  const is = await places();
  const share = (what: (place: string) => string | undefined) =>
    was.filter((place, i) => what(place) !== what(is[i] as string)).length / SESSIONS;
  return { code, plan, releases: share((place) => place.split('-')[0]), pods: share((place) => place) };
}

const near = (a: number, b: number) => Math.abs(a - b) <= 0.01;

t.test('pins of an earlier split: what version balanced moves is planned, and moves', async (t) => {
  await apply({ affinity: persistent, split: { v1: 80, v2: 20 } });
  await places();
  await apply({ affinity: persistent, split: even });
  const { code, plan, releases } = await planned({
    affinity: { ...persistent, version: 'balanced' },
    split: even,
  });
  t.ok(releases > 0.25, `${releases}`);
  t.equal(plan.livePins, SESSIONS);
  t.ok(near(plan.movedRelease, releases), `${plan.movedRelease} ${releases}`);
  t.ok(near(plan.movedPins / SESSIONS, releases), `${plan.movedPins} ${releases}`);
  t.equal(code, 1, 'more than one per cent');
});

t.test('a cookie beside the header is renamed: no session by header moves', async (t) => {
  const key = (name: string) => ({
    ...persistent,
    key: [...persistent.key, { cookie: { name, ttl: '1h' } }],
  });
  await apply({ affinity: key('sid'), split: { v1: 30, v2: 70 } });
  const { code, plan, pods } = await planned({ affinity: key('session'), split: { v1: 30, v2: 70 } });
  t.equal(pods, 0);
  t.match(plan, { livePins: SESSIONS, movedPins: 0, movedRelease: 0, movedEndpoint: 0 });
  t.equal(code, 0);
});

t.test('the route of scope route is renamed', async (t) => {
  const routed = (name: string) => ({
    affinity: { ...persistent, scope: 'route' },
    spec: {
      routes: [{ name, split: Object.entries(even).map(([version, weight]) => ({ version, weight })) }],
    },
  });
  await apply({ affinity: { ...persistent, scope: 'route' }, split: { v1: 80, v2: 20 } });
  await places();
  await apply(routed('default'));
  const { plan, releases, pods } = await planned(routed('main'));
  t.ok(near(plan.movedRelease, releases), `${plan.movedRelease} ${releases}`);
  t.ok(near(plan.movedEndpoint, pods), `${plan.movedEndpoint} ${pods}`);
});

t.test('sessions in cookies that sidecars have seen are planned by their own pins', async (t) => {
  const affinity = { ...persistent, key: [{ cookie: { name: 'sid', ttl: '1h' } }] };
  const host = 'checkout.shop';
  const [caller] = callers as [FastCaller];
  await apply({ affinity, split: { v1: 80, v2: 20 } });
  const answers = await caller.all(Array.from({ length: SESSIONS }, () => ({ host })));
  const requests = answers.map(({ setCookie }) => ({
    host,
    headers: [['cookie', setCookie?.split(';')[0] ?? '']] as const,
  }));
  await apply({ affinity, split: even });
  const change = { affinity: { ...affinity, version: 'balanced' }, split: even };
  const { code, stdout } = await run(['plan', '-o', 'json', '--fail-above', '1%'], change);
  const [plan] = JSON.parse(stdout).routes;
  await apply(change);
  const is = await caller.all(requests);
  const flips = answers.filter(({ body }, i) => body.split('-')[0] !== is[i]?.body.split('-')[0]);
  t.match(plan, { livePins: 0, cookieSessions: SESSIONS });
  t.ok(near(plan.movedRelease, flips.length / SESSIONS), `${plan.movedRelease} ${flips.length}`);
  t.equal(code, 1);
  t.match((await run(['plan'], change)).stdout, /nothing would change/);
});
