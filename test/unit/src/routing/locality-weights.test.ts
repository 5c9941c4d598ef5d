import t from 'tap';
import { type Endpoint, EndpointSet, UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import { pickEndpoint } from '../../../../src/routing/pick-endpoint.js';
import type { LoadBalancerKind } from '../../../../src/xds/load-balancer.js';

/** `a1`: an endpoint of locality a, which weighs what is said here. */
const LOCALITIES: Readonly<Record<string, number>> = { a: 1, b: 3, none: 0 };

function setOf(
  kind: LoadBalancerKind,
  names: Readonly<Record<string, number>>,
  dead: readonly string[] = [],
): EndpointSet {
  const endpoints = Object.entries(names).map(([host, weight]): Endpoint => {
    const name = host.replace(/\d/g, '');
    return {
      host,
      port: 80,
      address: `${host}:80`,
      weight,
      zone: name,
      status: 'healthy',
      activeRequests: 0,
      hashing: { key: '', hostname: '', locality: { name, weight: LOCALITIES[name] ?? 0 } },
    };
  });
  const config = {
    kind,
    ringSize: { min: 64, max: 1024 },
    tableSize: 65_537,
    slowStartMs: 0,
    hashing: { balanceFactor: 0, byLocality: true, byHostname: false },
  };
  return EndpointSet.of(endpoints, config, ({ host }) => (dead.includes(host) ? UNUSABLE : USABLE));
}

/** Share of each endpoint in 10,000 picks. */
function sharesOf(set: EndpointSet): Record<string, number> {
  const counts: Record<string, number> = {};
  let n = 0;
  const random = () => (n++ * 0.754_877_666) % 1;
  for (let i = 0; i < 10_000; i++) {
    const { host } = pickEndpoint(set, undefined, [], random) as Endpoint;
    counts[host] = (counts[host] ?? 0) + 1 / 10_000;
  }
  return counts;
}

const near = (a: number | undefined, b: number) => Math.abs((a ?? 0) - b) < 0.01;

t.test('by load, a locality gets its weight, and an endpoint its weight within it', async (t) => {
  for (const kind of ['round-robin', 'random'] as const) {
    const shares = sharesOf(setOf(kind, { a1: 1, b1: 1, b2: 2, none1: 5 }));
    t.ok(near(shares.a1, 0.25) && near(shares.b1, 0.25) && near(shares.b2, 0.5), JSON.stringify(shares));
    t.equal(shares.none1, undefined, 'a locality without a weight gets nothing');
  }
  const shares = sharesOf(setOf('least-request', { a1: 1, b1: 1 }));
  t.ok((shares.b1 ?? 0) > 0.7, JSON.stringify(shares));
});

t.test('a locality that has lost more than over-provisioning makes up for gets less', async (t) => {
  const names = { a1: 1, a2: 1, b1: 1, b2: 1, b3: 1, b4: 1 };
  const oneOfFour = sharesOf(setOf('random', names, ['b1']));
  t.ok(near((oneOfFour.a1 ?? 0) + (oneOfFour.a2 ?? 0), 0.25), 'three of four are enough');
  const half = sharesOf(setOf('random', names, ['b1', 'b2']));
  // 3 × 1.4 × 2/4 = 2.1 against 1.
  t.ok(near((half.a1 ?? 0) + (half.a2 ?? 0), 1 / 3.1), JSON.stringify(half));
  const all = sharesOf(setOf('random', names, ['b1', 'b2', 'b3', 'b4']));
  t.ok(near((all.a1 ?? 0) + (all.a2 ?? 0), 1));
  t.ok(near(sharesOf(setOf('random', { none1: 1, none2: 1 })).none1, 0.5), 'no weights at all: none count');
});
