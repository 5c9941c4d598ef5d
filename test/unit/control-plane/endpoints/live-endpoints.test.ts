import t from 'tap';
import type { LiveEndpoint } from '../../../../control-plane/endpoints/live-endpoint.js';
import { type ChangedReleases, LiveEndpoints } from '../../../../control-plane/endpoints/live-endpoints.js';
import type { ServiceKey } from '../../../../src/model/mesh-service.js';

const CART: ServiceKey = 'shop/cart';
const pod = (host: number, more: Partial<LiveEndpoint> = {}): LiveEndpoint => ({
  address: `10.0.0.${host}`,
  port: 80,
  ...more,
});

/** What changes come to, as text: `shop/cart v1,v2`. */
function watched(bounds?: ConstructorParameters<typeof LiveEndpoints>[0]) {
  const live = bounds ? new LiveEndpoints(bounds) : new LiveEndpoints();
  const told: string[] = [];
  const tell = (changed: ChangedReleases) =>
    told.push([...changed].map(([key, releases]) => `${key} ${[...releases].join()}`).join('; '));
  const put = (release: string, endpoints: LiveEndpoint[] | undefined, service = CART) =>
    live.update([{ service, release, endpoints }]);
  return { live, told, put, stop: live.onChange(tell) };
}

t.test('tells of a change once, and of nothing where a list says what is known', async (t) => {
  const { live, told, put, stop } = watched();
  live.update([
    { service: CART, release: 'v1', endpoints: [pod(1), pod(2)] },
    { service: CART, release: 'v2', endpoints: [] },
  ]);
  put('v1', [pod(2), pod(1, { status: 'healthy', weight: 1 })]);
  t.same(told, ['shop/cart v1,v2'], 'neither order nor written defaults are a change');
  put('v1', [pod(1), pod(2, { status: 'draining' })]);
  put('v1', [pod(1), pod(2, { status: 'draining', zone: 'eu-1a' })]);
  put('v1', [pod(1), pod(2, { status: 'draining', zone: 'eu-1a', weight: 3 })]);
  t.equal(told.length, 4);
  t.same(live.of(CART, 'v1'), [
    { address: '10.0.0.1:80', weight: 1, status: 'healthy' },
    { address: '10.0.0.2:80', weight: 3, status: 'draining', zone: 'eu-1a' },
  ]);
  stop();
  put('v1', []);
  t.equal(told.length, 4);
});

t.test('a release that is forgotten is as one that no source knows', async (t) => {
  const { live, told, put } = watched();
  put('v1', [pod(1)]);
  put('v1', undefined);
  put('v1', undefined);
  t.same(live.of(CART, 'v1'), []);
  t.same(told, ['shop/cart v1', 'shop/cart v1']);
});

t.test('an address that is listed twice has the better status', async (t) => {
  const { live, put } = watched();
  put('v1', [pod(1, { status: 'unhealthy' }), pod(1), pod(1, { status: 'draining' })]);
  t.match(live.of(CART, 'v1'), [{ address: '10.0.0.1:80', status: 'healthy' }]);
  t.equal(live.of(CART, 'v1').length, 1);
});

t.test('an endpoint that is not valid is left out and named, and the others count', async (t) => {
  const { live, put } = watched();
  const problems = put('v1', [
    pod(1),
    { address: 'pod-1', port: 80 },
    pod(2, { port: 0 }),
    pod(3, { weight: 0.5 }),
    { address: 'fd00::1', port: 80 },
  ]);
  t.same(problems, [
    'cart.shop, release v1: endpoint "pod-1" is not an IP address',
    'cart.shop, release v1: endpoint 10.0.0.2: port 0 is not a number from 1 to 65535',
    'cart.shop, release v1: endpoint 10.0.0.3:80: weight 0.5 is not a whole number from 1 to 1000',
  ]);
  t.same(
    live.of(CART, 'v1').map(({ address }) => address),
    ['10.0.0.1:80', '[fd00::1]:80'],
  );
});

t.test('endpoints and releases are bounded, and what is beyond is named', async (t) => {
  const { live, put } = watched({ endpoints: 2, releases: 1 });
  t.same(put('v1', [pod(1), pod(2), pod(3)]), ['cart.shop, release v1: has 3 endpoints; the first 2 count']);
  t.equal(live.of(CART, 'v1').length, 2);
  t.same(put('v2', [pod(1)]), ['cart.shop, release v2: more than 1 releases have live endpoints']);
  t.same(live.of(CART, 'v2'), []);
  put('v1', undefined);
  t.same(put('v2', [pod(1)]), [], 'a release that is forgotten makes room');
});
