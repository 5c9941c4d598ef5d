import t, { type Test } from 'tap';
import { packAny } from '../../src/xds/descriptors.js';
import { FAULT_TYPE } from '../../src/xds/fault.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../src/xds/listener.js';
import type { CallOptions } from '../support/calls.js';
import { ENVOY } from '../support/envoy.js';
import { eventually } from '../support/processes.js';
import { CLUSTER_CASES } from '../support/xds/plain-clusters.js';
import { ROUTE_CASES } from '../support/xds/plain-routes.js';
import {
  assignmentOf,
  type NamedProxy,
  type Obedient,
  seenThrough,
  startObedient,
  startTwoProxies,
} from '../support/xds/two-proxies.js';

/**
 * Envoy's own fields, from a control plane that knows nothing of Roost: a real Envoy and a sidecar take the same
 * resources, are sent the same requests, and do the same with them.
 */

const ADS = { ads: {}, resourceApiVersion: 'V3' };
const FAULT_FILTER = 'envoy.filters.http.fault';
const ROUTER = { name: 'envoy.filters.http.router', typedConfig: packAny(ROUTER_TYPE, {}) };
const httpFilters = [{ name: FAULT_FILTER, typedConfig: packAny(FAULT_TYPE, {}) }, ROUTER];
const RDS = { rds: { routeConfigName: 'routes', configSource: ADS } };

function listener(manager: object): object {
  const all = { statPrefix: 'plain', httpFilters, ...manager };
  const typedConfig = packAny(HTTP_CONNECTION_MANAGER_TYPE, all);
  return {
    name: 'outbound',
    address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
    filterChains: [{ filters: [{ name: 'http', typedConfig }] }],
  };
}

const cluster = (name: string, more: object = {}) => ({
  name,
  connectTimeout: { seconds: 1 },
  ...('type' in more ? {} : { type: 'EDS', edsClusterConfig: { edsConfig: ADS } }),
  ...more,
});

const hostOf = (index: number) => `case-${index}.test`;

/** A cluster and its one endpoint, for each backend, by the backend's name. */
function clustersFor(backends: readonly Obedient[]) {
  const named = backends.map(({ backend }) => backend);
  return {
    cluster: Object.fromEntries(named.map(({ name }) => [name, cluster(name)])),
    endpoint: Object.fromEntries(named.map(({ name, address }) => [name, assignmentOf(name, [address])])),
  };
}

const startNamed = (t: Test, ...names: readonly string[]) =>
  Promise.all(names.map((name) => startObedient(t, name)));

async function untilEnvoyHas(
  proxies: readonly NamedProxy[],
  host: string,
): Promise<[NamedProxy, NamedProxy]> {
  const [envoy, roost] = proxies as [NamedProxy, NamedProxy];
  await eventually('envoy has its configuration', async () => (await envoy.call(host)).status === 200);
  return [envoy, roost];
}

t.test('routes', { skip: ENVOY.skip }, async (t) => {
  const backends = await startNamed(t, 'one', 'two', 'shadow');
  // Each case is a virtual host of its own, so that one configuration has them all.
  const virtualHosts = ROUTE_CASES.map(({ routes, host = {} }, i) => ({
    name: hostOf(i),
    domains: [hostOf(i)],
    routes,
    ...host,
  }));
  const { server, proxies } = await startTwoProxies(t, {
    listener: { outbound: listener(RDS) },
    route: { routes: { name: 'routes', virtualHosts } },
    ...clustersFor(backends),
  });
  const [envoy, roost] = await untilEnvoyHas(proxies, hostOf(0));
  for (const [index, { what, requests, expected }] of ROUTE_CASES.entries()) {
    t.test(what, async (t) => {
      for (const [n, request] of requests.entries()) {
        const keyed = (key: string): CallOptions => ({
          ...request,
          headers: { 'x-key': `${key}-${index}-${n}`, ...request.headers },
        });
        const theirs = await seenThrough(envoy, hostOf(index), keyed('e'));
        const ours = await seenThrough(roost, hostOf(index), keyed('r'));
        t.strictSame(ours, theirs, JSON.stringify(request));
        if (expected?.[n]) t.match(ours, expected[n], 'which is what it should be');
      }
    });
  }
  t.same(server.rejections, []);
});

t.test('mirrors', { skip: ENVOY.skip }, async (t) => {
  const backends = await startNamed(t, 'one', 'shadow');
  const shadow = backends[1] as Obedient;
  const route = (more: object) => ({ match: { prefix: '/' }, route: { cluster: 'one', ...more } });
  const policy = (more: object = {}) => ({ requestMirrorPolicies: [{ cluster: 'shadow', ...more }] });
  const share = (numerator: number) => ({ runtimeFraction: { defaultValue: { numerator } } });
  const hosts: readonly [routes: object, host: object, copies: readonly string[]][] = [
    [route({}), {}, []],
    [route(policy()), {}, ['case-1.test-shadow']],
    [route(policy({ disableShadowHostSuffixAppend: true })), {}, ['case-2.test']],
    [route(policy(share(0))), {}, []],
    [route(policy(share(100))), {}, ['case-4.test-shadow']],
    [route({}), policy(), ['case-5.test-shadow']],
    [route(policy(share(0))), policy(), []],
  ];
  const { server, proxies } = await startTwoProxies(t, {
    listener: { outbound: listener(RDS) },
    route: {
      routes: {
        name: 'routes',
        virtualHosts: hosts.map(([first, host], i) => ({
          name: hostOf(i),
          domains: [hostOf(i)],
          routes: [first],
          ...host,
        })),
      },
    },
    ...clustersFor(backends),
  });
  await untilEnvoyHas(proxies, hostOf(0));
  for (const { name, call } of proxies) {
    for (const [i, [, , expected]] of hosts.entries()) {
      const before = shadow.seen.length;
      await call(hostOf(i), { path: `/${name}/${i}`, method: 'POST', body: 'x' });
      await eventually('the copy is there', () => shadow.seen.length === before + expected.length);
    }
    // What comes late would be seen with the next.
    const copies = shadow.seen.filter(({ url }) => url.startsWith(`/${name}/`));
    t.same(
      copies.map(({ url, headers }) => `${url} ${headers.host}`),
      hosts.flatMap(([, , expected], i) => expected.map((host) => `/${name}/${i} ${host}`)),
      name,
    );
  }
  t.same(server.rejections, []);
});

t.test('clusters', { skip: ENVOY.skip }, async (t) => {
  const backends = await Promise.all([0, 1, 2].map((n) => startObedient(t, `b${n}`, n)));
  const addresses = backends.map(({ backend }) => backend.address);
  const names = CLUSTER_CASES.map((_, i) => `cluster-${i}`);
  const { server, proxies } = await startTwoProxies(t, {
    listener: { outbound: listener(RDS) },
    route: {
      routes: {
        name: 'routes',
        virtualHosts: names.map((name, i) => ({
          name: hostOf(i),
          domains: [hostOf(i)],
          routes: [{ match: { prefix: '/' }, route: { cluster: name } }],
        })),
      },
    },
    cluster: Object.fromEntries(
      CLUSTER_CASES.map(({ cluster: more, inside }, i) => {
        const name = names[i] as string;
        return [name, cluster(name, { ...more, ...inside?.(name, addresses) })];
      }),
    ),
    endpoint: Object.fromEntries(
      CLUSTER_CASES.map(({ assignment = assignmentOf }, i) => {
        const name = names[i] as string;
        return [name, assignment(name, addresses)];
      }),
    ),
  });
  await untilEnvoyHas(proxies, hostOf(0));
  for (const [index, { what, before, reached }] of CLUSTER_CASES.entries()) {
    t.test(what, async (t) => {
      for (const { name, call } of proxies) {
        for (let i = 0; i < (before?.requests ?? 0); i++) await call(hostOf(index), before);
        const expected = reached.map((n) => `b${n}`).join();
        const found = async () => {
          const answers = [];
          for (let i = 0; i < 30; i++) answers.push((await call(hostOf(index))).backend);
          return [...new Set(answers)].sort().join();
        };
        // A name may have to be looked up first, and a check made.
        await eventually(`${name} reaches ${expected}`, async () => (await found()) === expected, 20_000);
        t.equal(await found(), expected, name);
      }
    });
  }
  t.same(server.rejections, []);
});

const LISTENERS: readonly {
  readonly what: string;
  readonly manager: object;
  readonly requests: readonly CallOptions[];
  readonly expected: readonly object[];
}[] = [
  {
    what: 'routes inside the listener',
    manager: { routeConfig: { name: 'inside', virtualHosts: [virtualHost({})] } },
    requests: [{}],
    expected: [{ status: 200 }],
  },
  {
    what: 'faults that the listener’s filter injects, but for routes of their own mind',
    manager: {
      httpFilters: [
        {
          name: FAULT_FILTER,
          typedConfig: packAny(FAULT_TYPE, { abort: { httpStatus: 418, percentage: { numerator: 100 } } }),
        },
        ROUTER,
      ],
      routeConfig: {
        name: 'inside',
        virtualHosts: [virtualHost({ typedPerFilterConfig: { [FAULT_FILTER]: packAny(FAULT_TYPE, {}) } })],
      },
    },
    requests: [{}, { path: '/own' }],
    expected: [{ status: 418 }, { status: 200 }],
  },
  {
    what: 'a limit for every request',
    manager: {
      commonHttpProtocolOptions: { maxStreamDuration: { nanos: 3e8 } },
      routeConfig: {
        name: 'inside',
        virtualHosts: [virtualHost({}, { maxStreamDuration: { maxStreamDuration: { seconds: 10 } } })],
      },
    },
    requests: [{ headers: { 'x-wait': '1500' } }, { path: '/own', headers: { 'x-wait': '700' } }],
    expected: [{ status: 504 }, { status: 200 }],
  },
  {
    what: 'a limit for requests in which nothing moves',
    manager: {
      streamIdleTimeout: { nanos: 3e8 },
      routeConfig: { name: 'inside', virtualHosts: [virtualHost({}, { idleTimeout: { seconds: 10 } })] },
    },
    requests: [{ headers: { 'x-wait': '1500' } }, { path: '/own', headers: { 'x-wait': '700' } }],
    expected: [{ status: 504 }, { status: 200 }],
  },
  {
    what: 'ports that do not count',
    manager: {
      routeConfig: {
        name: 'inside',
        ignorePortInHostMatching: true,
        virtualHosts: [virtualHost({})],
      },
    },
    requests: [{}, { headers: { host: 'case-0.test:1234' } }, { headers: { host: 'other.test:80' } }],
    expected: [{ status: 200 }, { status: 200 }, { status: 404 }],
  },
];

/** With one route for everything, and one for `/own` that says more. */
function virtualHost(own: object, action: object = {}): object {
  const to = { cluster: 'one' };
  return {
    name: 'host',
    domains: [hostOf(0)],
    routes: [
      { match: { prefix: '/own' }, route: { ...to, ...action }, ...own },
      { match: { prefix: '/' }, route: to },
    ],
  };
}

t.test('listeners', { skip: ENVOY.skip }, async (t) => {
  for (const [index, { what, manager, requests, expected }] of LISTENERS.entries()) {
    t.test(what, async (t) => {
      const backends = await startNamed(t, 'one');
      const resources = { listener: { outbound: listener(manager) }, route: {}, ...clustersFor(backends) };
      const { server, proxies } = await startTwoProxies(t, resources);
      const [envoy, roost] = proxies as [NamedProxy, NamedProxy];
      for (const [n, request] of requests.entries()) {
        const keyed = (key: string): CallOptions => ({
          ...request,
          headers: { 'x-key': `${key}-${index}-${n}`, ...request.headers },
        });
        const theirs = await seenThrough(envoy, hostOf(0), keyed('e'));
        const ours = await seenThrough(roost, hostOf(0), keyed('r'));
        t.equal(ours.status, theirs.status, JSON.stringify(request));
        t.match(ours, expected[n]);
      }
      t.same(server.rejections, []);
    });
  }
});
