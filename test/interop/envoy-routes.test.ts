import t, { type Test } from 'tap';
import { utf8Bytes } from '../../src/http/byte-text.js';
import type { CallOptions } from '../support/calls.js';
import { caller } from '../support/calls.js';
import { ENVOY, startPrintedEnvoy } from '../support/envoy.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { type NamedProxy, type Obedient, seenThrough, startObedient } from '../support/xds/two-proxies.js';

/**
 * What the routes of a MeshService do: an Envoy, started from what `roost bootstrap envoy` prints, and a sidecar, both
 * fed by our control plane, do the same with the same requests.
 */

interface RouteCase {
  readonly what: string;
  /** Of a service with the releases v1 (pods 0 and 1) and v2 (pods 2 and 3). */
  readonly routes: readonly object[];
  readonly spec?: object;
  readonly requests: readonly CallOptions[];
  /** What comes of each request at least. */
  readonly expected?: readonly object[];
}

const TO_V1 = { split: [{ version: 'v1', weight: 1 }] };
const TO_V2 = { split: [{ version: 'v2', weight: 1 }] };
const REST = { name: 'rest', ...TO_V1 };
const route = (fields: object) => ({ name: 'one', ...TO_V1, ...fields });
const answered = (answers: string, more: CallOptions = {}): CallOptions => ({
  ...more,
  headers: { 'x-answer': answers },
});
const after = (status: number, attempts: number) => ({ status, headers: { 'x-attempt': String(attempts) } });
const paths = (...all: readonly string[]) => all.map((path) => ({ path }));
const at = (...urls: readonly string[]) => urls.map((url) => ({ upstream: { url } }));

const matching = (
  what: string,
  match: object,
  requests: readonly CallOptions[],
  ...releases: string[]
): RouteCase => ({
  what: `match: ${what}`,
  routes: [{ name: 'matched', match: [match], ...TO_V2 }, REST],
  requests,
  expected: releases.map((backend) => ({ upstream: { backend } })),
});
const header = (name: string, ...values: (string | undefined)[]): CallOptions[] =>
  values.map((value) => (value === undefined ? {} : { headers: { [name]: value } }));

const CASES: readonly RouteCase[] = [
  {
    what: 'no action',
    routes: [REST],
    requests: [{}, { method: 'POST', body: 'x' }],
    expected: [{ status: 200 }],
  },
  matching(
    'path by segments',
    { path: { prefix: '/a' } },
    paths('/a', '/a/b', '/ab', '/a?b'),
    'v2',
    'v2',
    'v1',
    'v2',
  ),
  matching('path, exact', { path: { exact: '/a' } }, paths('/a', '/a/', '/a?b'), 'v2', 'v1', 'v2'),
  matching('path, regex', { path: { regex: '/\\d+' } }, paths('/12', '/12x', '/'), 'v2', 'v1', 'v1'),
  matching('method', { method: 'PUT' }, [{ method: 'PUT' }, {}], 'v2', 'v1'),
  matching(
    'header',
    { headers: [{ name: 'x-a', exact: 'b' }] },
    header('x-a', 'b', 'c', undefined),
    'v2',
    'v1',
    'v1',
  ),
  matching(
    'no such header value',
    { headers: [{ name: 'x-a', exact: 'b', not: true }] },
    header('x-a', 'b', 'c', undefined),
    'v1',
    'v2',
    'v2',
  ),
  matching(
    'header, present',
    { headers: [{ name: 'x-a', present: true }] },
    header('x-a', '', undefined),
    'v2',
    'v1',
  ),
  matching(
    'header, absent',
    { headers: [{ name: 'x-a', present: true, not: true }] },
    header('x-a', '', undefined),
    'v1',
    'v2',
  ),
  matching(
    'header, suffix and regex',
    {
      headers: [
        { name: 'x-a', suffix: 'z' },
        { name: 'x-a', regex: '[a-z]+' },
      ],
    },
    header('x-a', 'xyz', '1z', 'xy'),
    'v2',
    'v1',
    'v1',
  ),
  matching(
    'cookie',
    { cookies: [{ name: 'c', exact: '1' }] },
    header('cookie', 'c=1', 'a=2; c=1; d', 'c=12', 'cc=1', undefined),
    'v2',
    'v2',
    'v1',
    'v1',
    'v1',
  ),
  matching(
    'no such cookie',
    { cookies: [{ name: 'c', present: true, not: true }] },
    header('cookie', 'c=1', 'd=1', undefined),
    'v1',
    'v2',
    'v2',
  ),
  matching(
    'query',
    { query: [{ name: 'q', prefix: 'a' }] },
    paths('/?q=ab', '/?x&q=a', '/?q=b', '/q=a', '/'),
    'v2',
    'v2',
    'v1',
    'v1',
    'v1',
  ),
  matching(
    'cookie, regex: not a neighbour',
    { cookies: [{ name: 'c', regex: '^.*beta[^x]*$' }] },
    header('cookie', 'c=a-beta; d', 'c = "beta"', 'c=1; d=beta', 'd=beta; c=1', 'c=betax'),
    'v2',
    'v2',
    'v1',
    'v1',
    'v1',
  ),
  matching(
    'no such cookie value, regex',
    { cookies: [{ name: 'c', regex: '.*beta.*', not: true }] },
    header('cookie', 'c=1; d=beta', 'c=beta', undefined),
    'v2',
    'v1',
    'v2',
  ),
  matching(
    'query, the first of several',
    { query: [{ name: 'q', exact: '1' }] },
    paths('/?q=1&q=2', '/?q=2&q=1', '/?p=1'),
    'v2',
    'v1',
    'v1',
  ),
  matching(
    'query, empty',
    { query: [{ name: 'q', exact: '' }] },
    paths('/?q', '/?q=', '/?a&q', '/?q=1', '/?a', '/'),
    'v2',
    'v2',
    'v2',
    'v1',
    'v1',
    'v1',
  ),
  matching(
    'header beyond ASCII',
    {
      headers: [
        { name: 'x-a', regex: 'Zoë|.*東京' },
        { name: 'x-a', exact: 'Zoe', not: true },
      ],
    },
    header('x-a', utf8Bytes('Zoë'), utf8Bytes('東京'), 'Zoe', utf8Bytes('Zoëë')),
    'v2',
    'v2',
    'v1',
    'v1',
  ),
  matching(
    'path and query beyond ASCII',
    { path: { prefix: '/über' }, query: [{ name: 'q', exact: 'ö' }] },
    paths('/%C3%BCber/a?q=%C3%B6', '/%C3%BCber?q=o', '/uber?q=%C3%B6'),
    'v2',
    'v1',
    'v1',
  ),
  {
    what: 'headers',
    routes: [
      route({
        headers: {
          request: { set: { 'x-a': '1', 'x-percent': '5%' }, add: { 'x-b': '2' }, remove: ['x-gone'] },
          response: { set: { 'x-seen': 'yes' }, add: { 'x-from': 'roost' }, remove: ['x-secret'] },
        },
      }),
    ],
    requests: [{ headers: { 'x-a': '0', 'x-b': '0', 'x-gone': '1' } }, {}],
    expected: [{ upstream: { headers: { 'x-a': '1', 'x-b': '0, 2' } }, headers: { 'x-seen': 'yes' } }],
  },
  {
    what: 'rewrite: prefix',
    routes: [route({ match: [{ path: { prefix: '/api/v2' } }], rewrite: { prefix: '/api' } }), REST],
    requests: paths('/api/v2/users?id=7', '/api/v2', '/api/v22'),
    expected: at('/api/users?id=7', '/api', '/api/v22'),
  },
  {
    what: 'rewrite: prefix to the root',
    routes: [route({ match: [{ path: { prefix: '/app' } }], rewrite: { prefix: '/' } }), REST],
    requests: paths('/app/a', '/app', '/app/', '/apple'),
    expected: at('/a', '/', '/', '/apple'),
  },
  {
    what: 'rewrite: path and host',
    routes: [route({ rewrite: { path: '/fixed', host: 'inside.test' } })],
    requests: paths('/any/thing?q'),
    expected: [{ upstream: { url: '/fixed?q', headers: { host: 'inside.test' } } }],
  },
  {
    what: 'redirect: everything',
    routes: [
      {
        name: 'moved',
        match: [{ path: { prefix: '/old' } }],
        redirect: { prefix: '/new', scheme: 'https', host: 'shop.example', port: 8443, status: 308 },
      },
      REST,
    ],
    requests: paths('/old/a?b', '/old', '/older'),
    expected: [{ status: 308, headers: { location: 'https://shop.example:8443/new/a?b' } }],
  },
  {
    what: 'redirect: path, with headers',
    routes: [
      { name: 'moved', redirect: { path: '/new' }, headers: { response: { set: { 'x-seen': 'yes' } } } },
    ],
    requests: paths('/old?q'),
    expected: [{ status: 302, headers: { 'x-seen': 'yes' } }],
  },
  {
    what: 'fault: abort',
    routes: [route({ fault: { abort: { status: 418, percent: 100 } } })],
    requests: [{}],
    expected: [{ status: 418, upstream: undefined }],
  },
  {
    what: 'fault: none of them',
    routes: [
      route({ fault: { abort: { status: 418, percent: 0 }, delay: { duration: '1ms', percent: 100 } } }),
    ],
    requests: [{}],
    expected: [{ status: 200 }],
  },
  {
    what: 'timeout of the route',
    routes: [route({ timeout: '300ms' })],
    requests: [{ headers: { 'x-wait': '3000' } }, {}],
    expected: [{ status: 504 }, { status: 200 }],
  },
  {
    what: 'timeout of the service, and none',
    spec: { timeouts: { request: '300ms' } },
    routes: [route({ match: [{ path: { prefix: '/slow' } }], timeout: '10s' }), REST],
    requests: [{ headers: { 'x-wait': '3000' } }, { path: '/slow', headers: { 'x-wait': '600' } }],
    expected: [{ status: 504 }, { status: 200 }],
  },
  {
    what: 'idle timeout',
    routes: [route({ idleTimeout: '300ms' })],
    requests: [{ headers: { 'x-wait': '3000' } }],
    expected: [{ status: 504 }],
  },
  {
    what: 'retries: statuses, of what may be repeated',
    routes: [route({ retries: { attempts: 2, on: ['503'] } })],
    requests: [
      answered('503,503,200'),
      answered('503,503,503,200'),
      answered('500,200'),
      answered('503,200', { method: 'POST', body: 'x' }),
      answered('503,200', { method: 'PUT', body: 'x' }),
    ],
    expected: [after(200, 3), after(503, 3), after(500, 1), after(503, 1), after(200, 2)],
  },
  {
    what: 'retries: methods that the route names',
    routes: [route({ retries: { attempts: 1, on: ['gateway-error'], methods: ['POST'] } })],
    requests: [answered('502,200', { method: 'POST', body: 'x' }), answered('502,200')],
    expected: [after(200, 2), after(502, 1)],
  },
  {
    what: 'retries: none unless asked for',
    routes: [REST],
    requests: [answered('503,200')],
    expected: [after(503, 1)],
  },
  {
    what: 'retries: a try that takes too long',
    routes: [route({ retries: { attempts: 1, on: ['reset'], perTryTimeout: '200ms' } })],
    requests: [{ headers: { 'x-wait': '3000' } }],
    expected: [after(200, 2)],
  },
  {
    what: 'a service whose routes match nothing',
    routes: [route({ match: [{ path: { exact: '/only' } }] })],
    requests: paths('/only', '/other'),
    expected: [{ status: 200 }, { status: 404 }],
  },
];

const serviceOf = (
  name: string,
  { routes, spec }: Pick<RouteCase, 'routes' | 'spec'>,
  pods: readonly Obedient[],
) => ({
  apiVersion: 'roost.dev/v1alpha1',
  kind: 'MeshService',
  metadata: { name, namespace: 'shop' },
  spec: {
    port: 80,
    versions: [0, 1].map((release) => ({
      name: `v${release + 1}`,
      endpoints: pods
        .slice(release * 2, release * 2 + 2)
        .map(({ backend }) => ({ address: backend.address })),
    })),
    routes,
    loadBalancer: 'round-robin',
    ...spec,
  },
});

async function startWorld(t: Test, services: readonly [string, Pick<RouteCase, 'routes' | 'spec'>][]) {
  const names = ['v1-1', 'v1-2', 'v2-1', 'v2-2'];
  const asked = new Map<string, number>();
  const pods = await Promise.all(names.map((name, i) => startObedient(t, name, i, asked)));
  const mesh = await TestMesh.start(
    t,
    services.map(([name, service]) => serviceOf(name, service, pods)),
  );
  const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
  const at = mesh.controlPlane.grpcAddress;
  const { listeners } = await startPrintedEnvoy(t, ['--control-plane', at, '--service', 'frontend.shop']);
  const envoy: NamedProxy = { name: 'envoy', call: caller(t, listeners.outbound as string) };
  const roost: NamedProxy = { name: 'roost', call: caller(t, sidecar.addresses.outbound) };
  const [first] = services[0] as [string, unknown];
  await eventually('envoy has its configuration', async () => (await envoy.call(first)).status === 200);
  return { mesh, pods, envoy, roost };
}

const nameOf = (index: number) => `case-${index}`;

t.test('routes', { skip: ENVOY.skip }, async (t) => {
  const { envoy, roost } = await startWorld(
    t,
    CASES.map((each, i) => [nameOf(i), each]),
  );
  for (const [index, { what, requests, expected }] of CASES.entries()) {
    t.test(what, async (t) => {
      for (const [n, request] of requests.entries()) {
        const keyed = (key: string): CallOptions => ({
          ...request,
          headers: { 'x-key': `${key}-${index}-${n}`, ...request.headers },
        });
        const theirs = byRelease(await seenThrough(envoy, nameOf(index), keyed('e')));
        const ours = byRelease(await seenThrough(roost, nameOf(index), keyed('r')));
        t.strictSame(ours, theirs, JSON.stringify(request));
        if (expected?.[n]) t.match(ours, expected[n], 'which is what it should be');
      }
    });
  }
});

/** Which pod of a release answers is the load balancer's to choose. */
function byRelease(seen: object): object {
  return JSON.parse(JSON.stringify(seen).replaceAll(/"(v\d)-\d"/g, '"$1"'));
}

t.test('retries stay within the release, and go to another pod of it', { skip: ENVOY.skip }, async (t) => {
  const split = [
    { version: 'v1', weight: 50 },
    { version: 'v2', weight: 50 },
  ];
  const routes = [{ name: 'default', split, retries: { attempts: 3, on: ['5xx'] } }];
  const affinity = { key: [{ header: 'x-user-id' }], version: 'balanced' };
  const { pods, envoy, roost } = await startWorld(t, [['shop', { routes, spec: { affinity } }]]);
  const releaseOf = (pod: Obedient) => pod.backend.name.slice(0, 2);
  for (const { name, call } of [envoy, roost]) {
    for (let user = 0; user < 20; user++) {
      const key = `${name}-${user}`;
      const headers = { 'x-key': key, 'x-answer': '500', 'x-user-id': key };
      const { status } = await call('shop', { headers });
      t.equal(status, 500);
      const asked = pods.filter(({ seen }) => seen.some((request) => request.headers['x-key'] === key));
      t.equal(new Set(asked.map(releaseOf)).size, 1, `${key}: one release`);
      t.equal(asked.length, 2, `${key}: both of its pods`);
    }
  }
});

t.test(
  'copies go where the route says, for the host that the request is for',
  { skip: ENVOY.skip },
  async (t) => {
    const mirrored = { routes: [{ ...REST, mirror: { version: 'v2', percent: 100 } }] };
    const unmirrored = { routes: [{ ...REST, mirror: { version: 'v2', percent: 0 } }] };
    const { pods, envoy, roost } = await startWorld(t, [
      ['shop', mirrored],
      ['till', unmirrored],
    ]);
    const copies = (path: string) =>
      pods
        .slice(2)
        .flatMap(({ seen }) => seen.filter(({ url }) => url === path).map(({ headers }) => headers.host));
    for (const { name, call } of [envoy, roost]) {
      await call('till', { path: `/${name}/not`, method: 'POST', body: 'x' });
      await call('shop', { path: `/${name}`, method: 'POST', body: 'x' });
      await eventually(`${name} has sent a copy`, () => copies(`/${name}`).length > 0);
      t.same(copies(`/${name}`), ['shop'], name);
      t.same(copies(`/${name}/not`), [], name);
    }
  },
);
