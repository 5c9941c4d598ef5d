import t from 'tap';
import type { UpstreamEndpoint } from '../../../../sidecar/cluster/upstream-endpoint.js';
import type { Pin } from '../../../../src/routing/pins.js';
import {
  formatSessionCookie,
  PinDigests,
  parseSessionCookie,
  type ReleaseDigests,
} from '../../../../src/routing/pins.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { NO_COOKIES, pinsFor } from '../../../support/session-pins.js';
import { checkout, labelled, podsOf } from '../../../support/shop.js';

const KEY = 'abcdefghijklmnopqrstuv';
const digests = new PinDigests(Buffer.from('secret'), 'shop/checkout');
const { digest, labelDigest } = digests.ofRelease('v2', '1');
const KINDS = [
  { release: 0, label: false },
  { release: digest, label: false },
  { release: labelDigest, label: true },
];

t.test('every kind of pin comes back from its cookie as it was', async (t) => {
  for (const to of KINDS) {
    const pin = digests.pin(to, '10.0.2.1:80');
    t.same(parseSessionCookie(formatSessionCookie({ key: KEY, pin })), { key: KEY, pin });
  }
});

t.test(
  'an endpoint has a digest for each kind of pin, which no other kind and no other service has',
  async (t) => {
    const other = new PinDigests(Buffer.from('secret'), 'shop/orders');
    const all = [digests, other].flatMap((service) =>
      KINDS.flatMap((to) => ['10.0.2.1:80', '10.0.2.2:80'].map((address) => service.pin(to, address))),
    );
    const written = all.map((pin) =>
      formatSessionCookie({ key: KEY, pin: { ...pin, release: 1, label: false } }),
    );
    t.equal(new Set(written).size, all.length);
  },
);

/** A client's cookie on v2, before v2 is drained and its session belongs elsewhere. */
function drainedSession() {
  const table = new MeshTable();
  const sessions = pinsFor(10);
  const affinity = { key: [{ cookie: 'sid' }], version: 'balanced', endpoint: 'persistent' };
  const shop = (split: Record<string, number>) => checkout({ split, affinity, routes: [labelled('v2')] });
  table.apply(shop({ v1: 0, v2: 100 }));
  const placed = table.send('checkout');
  t.ok(placed.endpoint);
  const setCookie = sessions.keep(placed as never, placed.endpoint as UpstreamEndpoint, NO_COOKIES) ?? '';
  const parsed = parseSessionCookie(setCookie.slice('sid='.length, setCookie.indexOf(';')));
  table.apply(shop({ v1: 100, v2: 0 }));
  const where = (pin: Pin) =>
    table.send('checkout', {
      headers: [['cookie', `sid=${formatSessionCookie({ key: parsed?.key ?? '', pin })}`]],
    }).release.name;
  return { pin: parsed?.pin as Pin, where };
}

t.test('a client cannot make a label of its pin, and stay on a release that is drained', async (t) => {
  const { pin, where } = drainedSession();
  t.match(pin, { release: 0, label: false });
  t.equal(where(pin), 'v1', 'its own pin holds the endpoint alone');
  for (const forged of [1, 5, 2 ** 48 - 1]) t.equal(where({ ...pin, release: forged, label: true }), 'v1');
});

/** A service with a label for v2, whose affinity and pods a test changes; and what its cookies hold. */
class CookieWorld {
  private readonly table = new MeshTable();
  private readonly sessions = pinsFor(10);

  /** @param network of the pods: those of another are other pods */
  apply(version: string, split: Record<string, number>, network = 0): void {
    const affinity = { key: [{ cookie: 'sid' }], version };
    const versions = ['v1', 'v2'].map((name) => ({ name, endpoints: podsOf(name, 2, network) }));
    this.table.apply(checkout({ split, affinity, routes: [labelled('v2')], spec: { versions } }));
  }

  get v2(): ReleaseDigests {
    const [host] = this.table.table.virtualHosts;
    const found = host?.service.releases.find(({ name }) => name === 'v2');
    if (found === undefined) throw new Error('there is no v2');
    return found;
  }

  /** Calls, and gives the release and the cookie's value afterwards. */
  call(value?: string, label = false): { readonly release: string; readonly cookie: string } {
    const cookie: [string, string][] = value === undefined ? [] : [['cookie', `sid=${value}`]];
    const headers: [string, string][] = label ? [...cookie, ['x-region', 'us-east']] : cookie;
    const placed = this.table.send('checkout', { headers });
    const set = this.sessions.keep(placed as never, placed.endpoint as UpstreamEndpoint, NO_COOKIES);
    return {
      release: placed.release.name,
      cookie: set?.slice('sid='.length, set.indexOf(';')) ?? value ?? '',
    };
  }
}

const asLabel = (value: string) => value.replace('.', '~');
t.test('a persistent pin that its client writes as a label counts as what it is', async (t) => {
  const world = new CookieWorld();
  world.apply('persistent', { v1: 0, v2: 100 });
  const { release, cookie } = world.call();
  t.same([release, cookie.includes('.')], ['v2', true]);
  world.apply('balanced', { v1: 100, v2: 0 });
  t.equal(world.call(cookie).release, 'v1', 'the mode has changed: its pin holds nothing any more');
  t.equal(world.call(asLabel(cookie)).release, 'v1');
  world.apply('persistent', { v1: 100, v2: 0 });
  t.equal(world.call(asLabel(cookie)).release, 'v2', 'what the pin holds by right it goes on holding');
  const renewed = world.call(asLabel(cookie)).cookie;
  world.apply('balanced', { v1: 100, v2: 0 });
  t.equal(world.call(renewed).release, 'v1', 'nor is it made a label by using it');
});

t.test(
  'a label pin keeps its release when its pod is gone, and cannot be written as another kind',
  async (t) => {
    const world = new CookieWorld();
    world.apply('balanced', { v1: 100, v2: 0 });
    const { cookie } = world.call(undefined, true);
    t.ok(cookie.includes('~'));
    t.equal(world.call(cookie).release, 'v2');
    t.equal(world.call(cookie.replace('~', '.')).release, 'v1');
    world.apply('balanced', { v1: 100, v2: 0 }, 1);
    const moved = world.call(cookie);
    t.same([moved.release, moved.cookie.includes('~')], ['v2', true]);
    t.not(moved.cookie, cookie, 'the new endpoint is in it');
    world.apply('persistent', { v1: 100, v2: 0 }, 1);
    t.equal(world.call(cookie.replace('~', '.')).release, 'v1');
  },
);

t.test("a label's cookie from before releases had a digest for each kind", async (t) => {
  const world = new CookieWorld();
  world.apply('balanced', { v1: 100, v2: 0 });
  const { key = '', pin } = parseSessionCookie(world.call(undefined, true).cookie) ?? {};
  const old = formatSessionCookie({ key, pin: { ...(pin as Pin), release: world.v2.digest } });
  const renewed = world.call(old);
  t.equal(renewed.release, 'v2', 'its endpoint proves what it is');
  const expected = { key, pin: { release: pin?.release, label: true } };
  t.match(parseSessionCookie(renewed.cookie), expected, 'and it is renewed');
  world.apply('persistent', { v1: 100, v2: 0 }, 1);
  t.equal(world.call(old).release, 'v2', 'without the endpoint it holds what a persistent pin would');
  t.equal(world.call(old).cookie.includes('.'), true);
  world.apply('balanced', { v1: 100, v2: 0 }, 1);
  t.equal(world.call(old).release, 'v1', 'which is nothing where only labels pin');
});
