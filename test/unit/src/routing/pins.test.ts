import t from 'tap';
import type { UpstreamEndpoint } from '../../../../sidecar/upstream/upstream-endpoint.js';
import type { Pin } from '../../../../src/routing/pins.js';
import { formatSessionCookie, PinDigests, parseSessionCookie } from '../../../../src/routing/pins.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { NO_COOKIES, pinsFor } from '../../../support/session-pins.js';
import { checkout, labelled } from '../../../support/shop.js';

const KEY = 'abcdefghijklmnopqrstuv';
const digests = new PinDigests(Buffer.from('secret'), 'shop/checkout');
const release = digests.ofRelease('v2', '1');
const KINDS = [
  { release: 0, label: false },
  { release, label: false },
  { release, label: true },
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
