import fc from 'fast-check';
import t from 'tap';
import { compileVirtualHost } from '../../../../src/routing/compile.js';
import { findRoute } from '../../../../src/routing/decide.js';
import { EndpointSet, USABLE } from '../../../../src/routing/endpoint-set.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import { codec, packAny } from '../../../../src/xds/descriptors.js';
import { FILTER_CONFIG_TYPE, ROUTE_POLICY_KEY, ROUTE_POLICY_TYPE } from '../../../../src/xds/policy.js';
import { messageNameOf } from '../../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../../src/xds/route.js';

const LOAD_BALANCER = {
  kind: 'random',
  ringSize: 'proportional',
  tableSize: 65_537,
  slowStartMs: 0,
} as const;

interface Match {
  readonly [field: string]: unknown;
  readonly headers?: readonly object[];
  /** Conditions on cookies, as our payload has them. */
  readonly pairs?: readonly object[];
}

/** A virtual host as it comes over the wire, with these matches in this order. */
function hostOf(matches: readonly Match[]) {
  const routes = matches.map(({ pairs = [], headers = [], ...match }, i) => ({
    name: `route-${i}`,
    match: { ...match, headers: [...headers, ...pairs.map(() => ({ name: 'cookie', presentMatch: true }))] },
    route: { cluster: 'c' },
    typedPerFilterConfig: {
      [ROUTE_POLICY_KEY]: packAny(FILTER_CONFIG_TYPE, { config: packAny(ROUTE_POLICY_TYPE, { pairs }) }),
    },
  }));
  const bytes = codec(messageNameOf('route')).encode({
    name: 'r',
    virtualHosts: [{ name: 'h', domains: ['h'], routes }],
  });
  const [config] = decodeRouteConfiguration(bytes).virtualHosts;
  if (config === undefined) throw new Error('no virtual host');
  const endpoints = EndpointSet.of([], LOAD_BALANCER, () => USABLE);
  return compileVirtualHost(config, {
    cluster: (name) => ({ name, endpoints, unusableSinceMs: undefined }),
    mintKey: () => '',
  });
}

const paths = [
  '/',
  '/a',
  '/a/b',
  '/a/b/c',
  '/ab',
  '/A/b',
  '',
  '/%C3%BC',
  '/%c3%bc/a',
  `/${'long'.repeat(80)}`,
];
const values = ['1', '2', '', 'x', 'X', 'ö', 'y'.repeat(300)];
const path = fc.oneof(
  fc.constant({ prefix: '/' }),
  fc.constantFrom(...paths).map((value) => ({ path: value })),
  fc.constantFrom(...paths).map((prefix) => ({ prefix })),
  fc.constantFrom('/a', '/a/b').map((pathSeparatedPrefix) => ({ pathSeparatedPrefix })),
  fc.constantFrom('/a', '/a/b').map((value) => ({ path: value, caseSensitive: { value: false } })),
  fc.constant({ safeRegex: { regex: '/a.*' } }),
);
const header = fc
  .record({
    name: fc.constantFrom('x-one', 'x-two', ':method'),
    exact: fc.constantFrom(...values),
    ignoreCase: fc.boolean(),
    invertMatch: fc.boolean(),
    treatMissingHeaderAsEmpty: fc.boolean(),
  })
  .map(({ exact, ignoreCase, ...rest }) => ({ ...rest, stringMatch: { exact, ignoreCase } }));
const query = { name: 'c', stringMatch: { exact: 'd' } };
/** The requests of these tests draw 0.5. */
const share = { runtimeFraction: { defaultValue: { numerator: 25 } } };
const seldom = <T>(what: T, otherwise: T) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary: fc.constant(what) });
const match = fc
  .record({
    subject: path,
    headers: fc.array(header, { maxLength: 2 }),
    queryParameters: seldom<object[]>([query], []),
    pairs: seldom<object[]>([{ cookie: 'c', exact: 'ö', invert: true }], []),
    share: seldom<object>(share, {}),
  })
  .map(({ subject, share, ...rest }) => ({ ...subject, ...share, ...rest }));
const request = fc
  .record({
    path: fc.constantFrom(...paths, '/a/b?c=d', '/a/bc', '/zzz', '*'),
    headers: fc.array(
      fc.tuple(fc.constantFrom('x-one', 'X-Two', 'cookie'), fc.constantFrom(...values, 'c=ö')),
      { maxLength: 3 },
    ),
  })
  .map(plainRequest);

t.test('with guards the same route is found as without', async (t) => {
  let guarded = 0;
  fc.assert(
    fc.property(
      fc.array(match, { minLength: 4, maxLength: 12 }),
      fc.array(request, { minLength: 5 }),
      (matches, requests) => {
        const host = hostOf(matches);
        if (host.guards !== undefined) guarded++;
        const plain = { ...host, guards: undefined };
        return requests.every(
          (each) => findRoute(host, each, () => 0.5) === findRoute(plain, each, () => 0.5),
        );
      },
    ),
    { numRuns: 1000 },
  );
  t.ok(guarded > 300, `${guarded} of 1,000 hosts had guards`);
});

t.test('few routes have none, nor have conditions that any request may meet', async (t) => {
  t.equal(hostOf([{ path: '/a' }, { path: '/b' }, { path: '/c' }]).guards, undefined);
  t.equal(hostOf(Array.from({ length: 9 }, () => ({ prefix: '/' }))).guards, undefined);
  t.ok(hostOf(['/a', '/b', '/c', '/d'].map((value) => ({ path: value }))).guards);
});
