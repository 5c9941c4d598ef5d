import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type { Explanation } from '../../src/routing/explain.js';
import { FastCaller, type NamedBackend, startBackends } from '../support/fast-traffic.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout, labelled, type ShopOptions } from '../support/shop.js';

/** S9 as operators meet it: `roost explain` and `roost plan` against a control plane with a sidecar, all processes. */

const COOKIE = { cookie: { name: 'sid', ttl: '1h' } };
const balanced = { version: 'balanced', endpoint: 'balanced', key: [{ header: 'x-user-id' }, COOKIE] };
const persistent = { ...balanced, version: 'persistent', endpoint: 'persistent' };

class World {
  private constructor(
    readonly backends: ReadonlyMap<string, readonly NamedBackend[]>,
    readonly caller: FastCaller,
    private readonly controlPlane: string,
  ) {}

  static async start(t: Test): Promise<World> {
    const backends = await startBackends(t, { v1: 3, v2: 2 });
    const { grpc } = await startControlPlane(t);
    const { outbound, admin } = await startSidecar(t, ['--service', 'web.shop', '--control-plane', grpc]);
    await eventually('ready', async () => (await fetch(`http://${admin}/ready`)).status === 200);
    return new World(backends, new FastCaller(t, outbound), grpc);
  }

  /** `checkout.shop` with the backends that run. */
  document(options: ShopOptions): string {
    const versions = [...this.backends].map(([name, all]) => ({
      name,
      endpoints: all.map(({ address }) => ({ address })),
    }));
    return stringify(checkout({ ...options, spec: { versions, ...options.spec } }));
  }

  run(args: readonly string[], input = '') {
    return roost([...args, '--control-plane', this.controlPlane], { input });
  }

  async apply(options: ShopOptions): Promise<void> {
    const { code, stderr } = await this.run(['apply', '-f', '-'], this.document(options));
    if (code !== 0) throw new Error(stderr);
  }

  async explain(...args: string[]): Promise<Explanation> {
    const { code, stdout, stderr } = await this.run(['explain', 'checkout.shop', '-o', 'json', ...args]);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Explanation;
  }

  nameOf(address: string | undefined): string | undefined {
    return [...this.backends.values()].flat().find((backend) => backend.address === address)?.name;
  }
}

const world = await World.start(t);

t.test('S9: what explain says is where the sidecar sends the request', async (t) => {
  await world.apply({ affinity: balanced, split: { v1: 60, v2: 40 }, routes: [labelled('v2')] });
  for (let i = 0; i < 12; i++) {
    const header = `x-user-id: user-${i}`;
    const { outcome, release, endpoint, session } = await world.explain('-H', header);
    t.match({ outcome, session }, { outcome: 'forward', session: { source: 'header x-user-id' } });
    const { body } = await world.caller.one({ host: 'checkout.shop', headers: [['x-user-id', `user-${i}`]] });
    t.equal(world.nameOf(endpoint?.address), body);
    t.equal(release?.name, body.split('-')[0]);
  }
  const { setCookie } = await world.caller.one({ host: 'checkout.shop' });
  const cookie = setCookie?.split(';')[0] ?? '';
  const explained = await world.explain('-H', `cookie: ${cookie}`);
  t.match(explained.session, { source: 'cookie sid', minted: false });
  const { body } = await world.caller.one({ host: 'checkout.shop', headers: [['cookie', cookie]] });
  t.equal(world.nameOf(explained.endpoint?.address), body);
});

t.test('S9: explain tells people what and why, and refuses what it cannot ask', async (t) => {
  const labelledCall = [
    '-H',
    'x-region: us-east',
    '-H',
    'X-User-Id: user-1',
    '--path',
    '/cart?x=1',
    '-X',
    'POST',
  ];
  const { code, stdout } = await world.run(['explain', 'shop/checkout', ...labelledCall]);
  t.equal(code, 0);
  for (const line of [
    /^service +checkout\.shop$/m,
    /^route +qa +its conditions hold$/m,
    /^session +header x-user-id +hash [0-9a-f]{16}$/m,
    /^release +v2 +the route lists no other$/m,
    /^endpoint +127\.0\.0\.1:\d+ +by the session's hash \(ring-hash\)$/m,
    /^new pin +v2, endpoint /m,
  ])
    t.match(stdout, line);
  t.match(
    (await world.run(['explain', 'checkout.shop'])).stdout,
    /^session +cookie sid .*made for this request$/m,
  );
  const unknown = await world.run(['explain', 'checkot.shop']);
  t.equal(unknown.code, 1);
  t.match(unknown.stderr, /no service shop\/checkot/);
  const noHeader = await world.run(['explain', 'checkout.shop', '-H', 'x-user-id']);
  t.equal(noHeader.code, 2);
  t.match(noHeader.stderr, /is no header/);
});

t.test('S9: plan says who would move, and --fail-above makes it an answer for pipelines', async (t) => {
  await world.apply({ affinity: balanced, split: { v1: 90, v2: 10 } });
  const split = (...more: string[]) =>
    world.run(['plan', 'split', 'checkout.shop', 'v1=80', 'v2=20', ...more]);
  const told = await split();
  t.equal(told.code, 0);
  t.match(told.stdout, '10.0 % of sessions move v1 → v2, 0 move back; 0.0 % change pod within their release');
  const otherWayRound = await world.run(['plan', 'split', 'checkout.shop', 'v2=20', 'v1=80']);
  t.equal(otherWayRound.stdout, told.stdout, 'in whatever order');
  t.equal((await split('--fail-above', '10%')).code, 0, 'as much is not more');
  const tooMany = await split('--fail-above', '9.9');
  t.equal(tooMany.code, 1);
  t.match(tooMany.stdout, 'v1 → v2', 'the plan is shown all the same');
  t.match(
    tooMany.stderr,
    '10.0 % of the sessions of a route would move or be lost, more than --fail-above 9.9 %',
  );
  t.equal((await split('--fail-above', 'few')).code, 2);
  const json = JSON.parse((await split('-o', 'json')).stdout);
  t.match(json, {
    key: 'shop/checkout',
    isNew: false,
    routes: [{ route: 'default', previousRoute: 'default', lost: 0 }],
  });
  t.match((await world.run(['get', 'checkout.shop'])).stdout, 'v1=90 v2=10', 'and nothing has changed');
});

t.test('S9: plan promote, abort, and what does not move anybody', async (t) => {
  await world.apply({ affinity: persistent, split: { v1: 50, v2: 50 } });
  const planned = async (...args: string[]) => {
    const { code, stdout } = await world.run(['plan', ...args, '--fail-above', '0']);
    return `${code} ${/(\S+ % of sessions move \w+ → \w+|no session changes release|nothing would change)/.exec(stdout)?.[1]}`;
  };
  t.equal(await planned('promote', 'checkout.shop', 'v2'), '1 50.0 % of sessions move v1 → v2');
  t.equal(await planned('abort', 'checkout.shop'), '1 50.0 % of sessions move v2 → v1');
  t.equal(await planned('abort', 'checkout.shop', '--drain'), '0 no session changes release');
  t.equal(await planned('split', 'checkout.shop', 'v1=10', 'v2=90'), '0 no session changes release');
  t.equal(await planned('split', 'checkout.shop', 'v1=50', 'v2=50'), '0 nothing would change');
});

t.test('S9: routes that are renamed, removed or redirected do not slip past --fail-above', async (t) => {
  const affinity = { ...balanced, key: [{ header: 'x-user-id' }] };
  const split = { v1: 100, v2: 0 };
  const toV2 = {
    name: 'beta',
    match: [{ path: { prefix: '/beta' } }],
    split: [{ version: 'v2', weight: 1 }],
    pin: false,
  };
  await world.apply({ affinity, split, routes: [toV2] });
  const plan = (options: ShopOptions) =>
    world.run(['plan', '-f', '-', '--fail-above', '5%'], world.document({ affinity, split, ...options }));
  const renamed = await plan({ routes: [{ ...toV2, name: 'next' }] });
  t.equal(renamed.code, 0, renamed.stderr);
  t.match(renamed.stdout, 'route next, for requests that route beta takes now');
  const removed = await plan({});
  t.equal(removed.code, 1);
  t.match(removed.stdout, 'route default, for requests that route beta takes now');
  t.match(removed.stdout, '100.0 % of sessions move v2 → v1');
  const redirect = { name: 'beta', match: toV2.match, redirect: { path: '/' } };
  const redirected = await plan({ routes: [redirect] });
  t.equal(redirected.code, 1);
  t.match(redirected.stdout, '100.0 % are lost');
  const another = await plan({ routes: [toV2], affinity: { ...affinity, salt: 'pepper' } });
  t.equal(another.code, 1);
  t.match(another.stdout, 'sessions are hashed again, with another salt, and keep their pins');
});
