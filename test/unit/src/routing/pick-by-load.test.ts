import t from 'tap';
import { EndpointSet, USABLE } from '../../../../src/routing/endpoint-set.js';
import { pickEndpoint } from '../../../../src/routing/pick-endpoint.js';
import type { LoadBalancerKind } from '../../../../src/xds/load-balancer.js';

interface Pod {
  readonly weight?: number;
  activeRequests?: number;
}

function setOf(kind: LoadBalancerKind, pods: readonly Pod[]) {
  const endpoints = pods.map(({ weight = 1, activeRequests = 0 }, i) => ({
    host: `10.0.0.${i}`,
    port: 80,
    address: `10.0.0.${i}:80`,
    weight,
    zone: '',
    status: 'healthy' as const,
    activeRequests,
  }));
  const config = { kind, ringSize: { min: 64, max: 1024 }, tableSize: 65_537, slowStartMs: 0 };
  return { endpoints, set: EndpointSet.of(endpoints, config, () => USABLE) };
}

/** A fixed sequence that looks random: the same picks in every run. */
function chance(): () => number {
  let seed = 12_345;
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
}

function picks(set: EndpointSet, times: number, random = chance()): number[] {
  return Array.from({ length: times }, () => Number(pickEndpoint(set, undefined, [], random)?.host.at(-1)));
}

const countsOf = (picked: readonly number[], pods: number) =>
  Array.from({ length: pods }, (_, i) => picked.filter((p) => p === i).length);

t.test('least-request: of two picked at random, the one with less to do', async (t) => {
  const { set } = setOf('least-request', [{ activeRequests: 5 }, { activeRequests: 1 }]);
  for (const [a, b, expected] of [
    [0.1, 0.9, 1],
    [0.9, 0.1, 1],
    [0.1, 0.2, 0],
    [0.7, 0.8, 1],
  ] as const) {
    const numbers = [a, b];
    t.strictSame(
      picks(set, 1, () => numbers.shift() as number),
      [expected],
      `${a} ${b}`,
    );
  }
});

t.test('least-request: load is taken in proportion to weight', async (t) => {
  const { set } = setOf('least-request', [{ activeRequests: 2 }, { weight: 4, activeRequests: 4 }]);
  const numbers = [0.1, 0.9];
  t.strictSame(
    picks(set, 1, () => numbers.shift() as number),
    [1],
    '4 of 4 is less than 2 of 1',
  );
});

t.test('least-request: the busiest of three gets nothing but what it is picked for twice', async (t) => {
  const { set } = setOf('least-request', [{ activeRequests: 9 }, {}, {}]);
  const [busy, ...others] = countsOf(picks(set, 9000), 3);
  t.ok((busy as number) < 1200 && (busy as number) > 800, `about one in nine: ${busy}`);
  for (const count of others) t.ok(count > 3600, `${count}`);
});

t.test('least-request: two choices keep the load level where one choice does not', async (t) => {
  const spread = (kind: LoadBalancerKind) => {
    const { set, endpoints } = setOf(
      kind,
      Array.from({ length: 10 }, () => ({})),
    );
    const random = chance();
    // Requests that never end: what is picked stays picked.
    for (let i = 0; i < 10_000; i++) {
      const picked = pickEndpoint(set, undefined, [], random) as (typeof endpoints)[number];
      picked.activeRequests++;
    }
    const loads = endpoints.map(({ activeRequests }) => activeRequests);
    return Math.max(...loads) - Math.min(...loads);
  };
  const [two, one] = [spread('least-request'), spread('random')];
  t.ok(two <= 10, `two choices: ${two}`);
  t.ok(one > 3 * two, `one choice: ${one}`);
});

t.test('random: in proportion to weight', async (t) => {
  const { set } = setOf('random', [{ weight: 1 }, { weight: 3 }]);
  const [, heavy] = countsOf(picks(set, 10_000), 2);
  t.ok(Math.abs((heavy as number) - 7500) < 200, `${heavy}`);
});

t.test('round-robin: one after the other', async (t) => {
  const { set } = setOf('round-robin', [{}, {}, {}]);
  t.strictSame(picks(set, 7), [0, 1, 2, 0, 1, 2, 0]);
});

t.test('round-robin: as often as the weights say, evenly spread', async (t) => {
  const { set } = setOf('round-robin', [{ weight: 1 }, { weight: 2 }, { weight: 5 }]);
  const picked = picks(set, 800);
  countsOf(picked, 3).forEach((count, i) => {
    const wanted = [100, 200, 500][i] as number;
    t.ok(Math.abs(count - wanted) <= 3, `${count} of ${wanted}`);
  });
  for (let from = 0; from + 16 <= picked.length; from++)
    t.ok(Math.abs((countsOf(picked.slice(from, from + 16), 3)[2] as number) - 10) <= 2, `turn ${from}`);
});

t.test('hash picks go by the configured weight, whatever the weight for picks by load', async (t) => {
  const { set } = setOf('ring-hash', [{}, {}, {}]);
  const slow = set.withUsability(
    () => USABLE,
    ({ host }) => (host === '10.0.0.0' ? 0.1 : 1),
  );
  for (let n = 0n; n < 200n; n++) {
    const hash = n * 0x9e3779b97f4a7c15n;
    t.equal(pickEndpoint(slow, hash, [], chance()), pickEndpoint(set, hash, [], chance()));
  }
});
