import fc from 'fast-check';
import t from 'tap';
import { buildMaglev } from '../../../../src/hashing/maglev.js';
import { buildRing, proportionalRingSize } from '../../../../src/hashing/ring.js';
import { combineHashes, xxh64, xxh64Chain, xxh64OfHeader } from '../../../../src/hashing/xxh64.js';

const host = (port: number, weight = 1) => ({ key: `127.0.0.1:${port}`, weight });
const six = [90, 91, 92, 93, 94, 95].map((port) => host(port));

t.test('XXH64 gives the answers that Envoy publishes in its tests', async (t) => {
  t.equal(xxh64('foo'), 3728699739546630719n);
  t.equal(xxh64('bar'), 5234164152756840025n);
  t.equal(xxh64(''), 17241709254077376921n);
  t.equal(xxh64Chain(['foo', 'bar']), 17745830980996999794n);
  t.equal(combineHashes(xxh64('foo'), xxh64('bar')), 3449051153737634343n);
});

t.test('the values of a repeated header are sorted before they are chained', async (t) => {
  t.equal(xxh64OfHeader(['foo', 'bar']), xxh64Chain(['bar', 'foo']));
  t.equal(xxh64OfHeader(['bar', 'foo']), xxh64Chain(['bar', 'foo']));
  t.equal(xxh64OfHeader(['foo']), xxh64('foo'));
});

t.test('XXH64 hashes bytes, not UTF-8', async (t) => {
  t.equal(xxh64('\xe9'), xxh64OfHeader(['\xe9']));
  t.not(xxh64('\xe9'), xxh64('\xc3\xa9'), 'the latin-1 byte E9 and the UTF-8 pair C3 A9 are different keys');
  t.equal(typeof xxh64('k'.repeat(65_536)), 'bigint');
});

t.test('the ring equals Envoy entry for entry', async (t) => {
  const ring = buildRing(six, { min: 12, max: 12 });
  const expected: [number, bigint][] = [
    [94, 833437586790550860n],
    [92, 928266305478181108n],
    [90, 1033482794131418490n],
    [95, 3551244743356806947n],
    [93, 3851675632748031481n],
    [91, 5583722120771150861n],
    [91, 6311230543546372928n],
    [93, 7700377290971790572n],
    [95, 13144177310400110813n],
    [92, 13444792449719432967n],
    [94, 15516499411664133160n],
    [90, 16117243373044804889n],
  ];
  t.equal(ring.size, 12);
  expected.forEach(([port, hash], i) => {
    t.equal(ring.hashAt(i), hash);
    t.equal(six[ring.hostAt(i)]?.key, `127.0.0.1:${port}`);
  });
  t.equal(ring.find(833437586790550860n), 0, 'an exact hash finds its own entry');
  t.equal(ring.find(833437586790550861n), 1);
  t.equal(ring.find(16117243373044804890n), 0, 'past the last entry the ring wraps');
});

t.test('the ring honours weights as Envoy does', async (t) => {
  const hosts = [host(90, 1), host(91, 2), host(92, 3)];
  const ring = buildRing(hosts, { min: 6, max: 6 });
  const expected: [number, bigint][] = [
    [92, 928266305478181108n],
    [92, 4443673547860492590n],
    [91, 5583722120771150861n],
    [91, 6311230543546372928n],
    [92, 13444792449719432967n],
    [90, 16117243373044804889n],
  ];
  t.same(
    expected.map((_, i) => [hosts[ring.hostAt(i)]?.key, ring.hashAt(i)]),
    expected.map(([port, hash]) => [`127.0.0.1:${port}`, hash]),
  );
});

t.test('the Maglev table equals Envoy slot for slot', async (t) => {
  const ports = (hosts: { key: string }[], size: number, weights: number[] = hosts.map(() => 1)) => {
    const table = buildMaglev(
      hosts.map((h, i) => ({ key: h.key, weight: weights[i] ?? 1 })),
      size,
    );
    return Array.from({ length: size }, (_, slot) => hosts[table.hostAt(slot)]?.key.slice(-2));
  };
  t.same(ports(six, 7), ['92', '94', '90', '91', '95', '90', '93']);
  t.same(
    ports(
      [90, 91, 92, 93, 94, 95].map((p) => ({ key: String(p) })),
      7,
    ),
    ['92', '95', '90', '93', '94', '91', '90'],
  );
  t.same(
    ports([host(90), host(91)], 17, [1, 2]).map((p) => Number(p?.slice(-1))),
    [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1],
  );
});

t.test('no host is an error, not an endless loop', async (t) => {
  t.throws(() => buildRing([]), RangeError);
  t.throws(() => buildMaglev([]), RangeError);
});

t.test('with a proportional ring, a joining host takes its share and nobody else moves', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }), (weights) => {
      const before = [1, ...weights].map((weight, i) => host(1000 + i, weight));
      const after = [...before, host(5000)];
      const [a, b] = [before, after].map((hosts) => buildRing(hosts, proportionalRingSize(hosts)));
      for (let i = 0; i < 300; i++) {
        const hash = xxh64(`user-${i}`);
        const was = before[a!.hostAt(a!.find(hash))]?.key;
        const now = after[b!.hostAt(b!.find(hash))]?.key;
        if (now !== was && now !== '127.0.0.1:5000') return false;
      }
      return true;
    }),
    { numRuns: 40, seed: 7 },
  );
});

t.test(
  'a proportional ring gives each host the same number of entries for each unit of weight',
  async (t) => {
    for (let n = 1; n <= 200; n++) {
      const hosts = Array.from({ length: n }, (_, i) => host(1000 + i, 100));
      const size = proportionalRingSize(hosts);
      t.equal(buildRing(hosts, size).size, n * (n <= 16 ? 256 : 32));
    }
  },
);

t.test('a hash finds the same entry of a ring as looking at every entry does', async (t) => {
  const LAST = 2n ** 64n - 1n;
  const sizes = fc.record({
    pods: fc.integer({ min: 1, max: 9 }),
    entries: fc.integer({ min: 1, max: 700 }),
  });
  fc.assert(
    fc.property(sizes, fc.array(fc.bigInt({ min: 0n, max: LAST })), ({ pods, entries }, random) => {
      const hosts = Array.from({ length: pods }, (_, i) => host(i));
      const ring = buildRing(hosts, { min: entries, max: Math.max(entries, pods) });
      const hashes = Array.from({ length: ring.size }, (_, at) => ring.hashAt(at));
      const edges = hashes.flatMap((hash) => [hash, hash - 1n, hash + 1n]);
      for (const hash of [...random, ...edges, 0n, LAST].filter((hash) => hash >= 0n && hash <= LAST)) {
        const first = hashes.findIndex((entry) => entry >= hash);
        if (ring.find(hash) !== Math.max(first, 0)) return false;
      }
      return true;
    }),
    { numRuns: 40 },
  );
  t.pass();
});
