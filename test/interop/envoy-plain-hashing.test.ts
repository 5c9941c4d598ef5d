import t, { type Test } from 'tap';
import { Backend } from '../support/backend.js';
import { ENVOY } from '../support/envoy.js';
import { eventually } from '../support/processes.js';
import { cluster, hostOf, listener, RDS, untilEnvoyHas } from '../support/xds/plain-mesh.js';
import { assignmentOf, endpointAt, type NamedProxy, startTwoProxies } from '../support/xds/two-proxies.js';

/**
 * Consistent hashing as other control planes ask for it, in Envoy's own fields: a real Envoy and a sidecar send each
 * key to the same endpoint.
 */

interface HashingCase {
  readonly what: string;
  readonly cluster: object;
  readonly assignment?: (name: string, addresses: readonly string[]) => object;
}

const KEYS = Array.from({ length: 200 }, (_, i) => `key-${i}`);
const ring = (minimum: number, maximum: number) => ({
  minimumRingSize: { value: minimum },
  maximumRingSize: { value: maximum },
});
const byLocality = (clusterName: string, addresses: readonly string[]) => ({
  clusterName,
  endpoints: [0, 1].map((zone) => ({
    locality: { region: 'r', zone: `z${zone}` },
    loadBalancingWeight: { value: zone === 0 ? 3 : 1 },
    lbEndpoints: addresses.filter((_, i) => i % 2 === zone).map((address) => endpointAt(address)),
  })),
});
const weighted = (clusterName: string, addresses: readonly string[]) => ({
  clusterName,
  endpoints: [
    {
      lbEndpoints: addresses.map((address, i) =>
        endpointAt(address, { loadBalancingWeight: { value: i + 1 } }),
      ),
    },
  ],
});
const CASES: readonly HashingCase[] = [
  { what: 'a ring of Envoy’s own size', cluster: { lbPolicy: 'RING_HASH' } },
  { what: 'a small ring', cluster: { lbPolicy: 'RING_HASH', ringHashLbConfig: ring(7, 40) } },
  { what: 'weights on a ring', cluster: { lbPolicy: 'RING_HASH' }, assignment: weighted },
  { what: 'Maglev', cluster: { lbPolicy: 'MAGLEV' } },
  {
    what: 'a small Maglev table, and weights',
    cluster: { lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: { value: 101 } } },
    assignment: weighted,
  },
  {
    what: 'localities with weights, on a ring',
    cluster: { lbPolicy: 'RING_HASH', commonLbConfig: { localityWeightedLbConfig: {} } },
    assignment: byLocality,
  },
  {
    what: 'localities with weights, Maglev',
    cluster: { lbPolicy: 'MAGLEV', commonLbConfig: { localityWeightedLbConfig: {} } },
    assignment: byLocality,
  },
];

const bounded = (factor: number, more: object = {}) => ({
  ...more,
  commonLbConfig: { consistentHashingLbConfig: { hashBalanceFactor: { value: factor } } },
});
const BOUNDED: readonly HashingCase[] = [
  { what: 'bounded load on a ring', cluster: bounded(150, { lbPolicy: 'RING_HASH' }) },
  { what: 'tightly bounded load on a ring', cluster: bounded(100, { lbPolicy: 'RING_HASH' }) },
  {
    what: 'bounded load on a ring with weights',
    cluster: bounded(120, { lbPolicy: 'RING_HASH' }),
    assignment: weighted,
  },
  { what: 'bounded load, Maglev', cluster: bounded(150, { lbPolicy: 'MAGLEV' }) },
];

async function start(t: Test, cases: readonly HashingCase[]) {
  const held: Held[] = [];
  const backends = await Promise.all([0, 1, 2, 3, 4].map((n) => startHolding(t, `b${n}`, held)));
  // In the order that a sidecar puts them in. How much is too much, and where it goes then, depends on that.
  const addresses = backends.map(({ address }) => address).sort();
  const names = cases.map((_, i) => `cluster-${i}`);
  const hashPolicy = [{ header: { headerName: 'x-user' } }];
  const { server, proxies } = await startTwoProxies(t, {
    listener: { outbound: listener(RDS) },
    route: {
      routes: {
        name: 'routes',
        virtualHosts: names.map((name, i) => ({
          name: hostOf(i),
          domains: [hostOf(i)],
          routes: [{ match: { prefix: '/' }, route: { cluster: name, hashPolicy, timeout: {} } }],
        })),
      },
    },
    cluster: Object.fromEntries(
      cases.map((each, i) => [names[i], cluster(names[i] as string, each.cluster)]),
    ),
    endpoint: Object.fromEntries(
      cases.map(({ assignment = assignmentOf }, i) => [names[i], assignment(names[i] as string, addresses)]),
    ),
  });
  return { server, held, proxies: await untilEnvoyHas(proxies, hostOf(0)) };
}

t.test('each key goes where Envoy sends it', { skip: ENVOY.skip }, async (t) => {
  const { server, proxies } = await start(t, CASES);
  for (const [index, { what }] of CASES.entries()) {
    const [theirs, ours] = await Promise.all(
      proxies.map(({ call }) =>
        Promise.all(
          KEYS.map(async (key) => (await call(hostOf(index), { headers: { 'x-user': key } })).backend),
        ),
      ),
    );
    t.same(ours, theirs, what);
    t.ok(new Set(ours).size > 1, 'more than one endpoint is used');
  }
  t.same(server.rejections, []);
});

t.test('so do those that do not fit at its own any more', { skip: ENVOY.skip }, async (t) => {
  const { server, held, proxies } = await start(t, BOUNDED);
  for (const [index, { what }] of BOUNDED.entries()) {
    for (const user of ['a', 'b', 'c']) {
      const [theirs, ours] = [
        await placesOf(proxies[0], held, hostOf(index), user),
        await placesOf(proxies[1], held, hostOf(index), user),
      ];
      t.same(ours, theirs, `${what}: ${theirs.join(' ')}`);
      t.ok(new Set(ours).size > 1, 'they do not all fit');
    }
  }
  t.same(server.rejections, []);
});

/** A request that waits for its answer. */
interface Held {
  readonly at: string;
  finish(): void;
}

/** A backend that answers with its name; requests with `x-hold` when it is told to. */
function startHolding(t: Test, name: string, held: Held[]): Promise<Backend> {
  return Backend.start(t, name, ({ headers }, response) => {
    const finish = () => response.end(JSON.stringify({ backend: name }));
    if (headers['x-hold']) held.push({ at: name, finish });
    else finish();
  });
}

/** Where ten requests of one user go that are under way at the same time, begun one after the other. */
async function placesOf({ call }: NamedProxy, held: Held[], host: string, user: string): Promise<string[]> {
  const pending: Promise<unknown>[] = [];
  while (pending.length < 10) {
    pending.push(call(host, { headers: { 'x-user': user, 'x-hold': 'yes' } }));
    await eventually('it has arrived', () => held.length === pending.length);
  }
  const all = held.splice(0);
  for (const { finish } of all) finish();
  await Promise.all(pending);
  return all.map(({ at }) => at);
}
