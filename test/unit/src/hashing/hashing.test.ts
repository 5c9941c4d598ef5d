import fc from 'fast-check';
import t from 'tap';
import { buildMaglev } from '../../../../src/hashing/maglev.js';
import { buildRing, proportionalRingSize } from '../../../../src/hashing/ring.js';
import { FIELDS, sortByHash } from '../../../../src/hashing/sort-by-hash.js';
import {
  combineHashes,
  xxh64,
  xxh64Chain,
  xxh64Numbered,
  xxh64OfHeader,
} from '../../../../src/hashing/xxh64.js';

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

/** Powers of two: what Envoy's arithmetic rounds with others, by an entry now and then, comes out exact. */
const weights = (most: number) => fc.array(fc.constantFrom(...[1, 2, 4, 8, 16].filter((w) => w <= most)));

t.test('with a proportional ring, a joining host takes its share and nobody else moves', async () => {
  const fleets = fc.array(weights(16), { minLength: 1, maxLength: 6 }).map((all) => all.flat());
  fc.assert(
    fc.property(fleets, fc.constantFrom(1, 2, 4, 8, 16), fc.nat(), (others, weight, place) => {
      const before = [1, ...others].map((each, i) => host(1000 + i, each));
      const after = before.toSpliced(place % (before.length + 1), 0, host(5000, weight));
      const [a, b] = [before, after].map((hosts) => buildRing(hosts, proportionalRingSize(hosts)));
      for (let i = 0; i < 300; i++) {
        const hash = xxh64(`user-${i}`);
        const was = before[a!.hostAt(a!.find(hash))]?.key;
        const now = after[b!.hostAt(b!.find(hash))]?.key;
        if (now !== was && now !== '127.0.0.1:5000') return false;
      }
      return true;
    }),
    { numRuns: 60, seed: 7 },
  );
});

t.test(
  'a proportional ring gives each host 256 entries for each unit of weight, at every size',
  async (t) => {
    const entriesOf = (hosts: { key: string; weight: number }[]) => {
      const ring = buildRing(hosts, proportionalRingSize(hosts));
      const counts = hosts.map(() => 0);
      for (let i = 0; i < ring.size; i++) counts[ring.hostAt(i)]!++;
      return counts;
    };
    for (const n of [1, 2, 3, 7, 15, 16, 17, 18, 49, 98, 103, 161, 300])
      t.same(new Set(entriesOf(Array.from({ length: n }, (_, i) => host(i)))), new Set([256]), `${n} hosts`);
    fc.assert(
      fc.property(weights(16), (others) => {
        const hosts = [1, ...others].map((weight, i) => host(i, weight));
        return entriesOf(hosts).every((count, i) => count === 256 * (hosts[i]?.weight ?? 0));
      }),
      { numRuns: 40 },
    );
    const mixed = [1, 3, 5, 7, 11, 16, 2, 9].map((weight, i) => host(i, weight));
    t.ok(
      entriesOf(mixed).every((count, i) => Math.abs(count - 256 * (mixed[i]?.weight ?? 0)) <= 1),
      'other weights: to within an entry, as Envoy rounds',
    );
  },
);

t.test('heavy hosts are on a coarser scale, so that none has more than 4,096 entries', async (t) => {
  const sizeOf = (...all: number[]) => proportionalRingSize(all.map((weight, i) => host(i, weight))).max;
  t.equal(sizeOf(1, 16), 256 * 17);
  t.equal(sizeOf(1, 17), 16 * 18);
  t.equal(sizeOf(100, 256), 16 * 356);
  t.equal(sizeOf(1, 257), 4 * 258);
  t.equal(sizeOf(...Array(9000).fill(16)), 8_388_608, 'no more than Envoy takes');
});

t.test('hashes are sorted as a comparison sorts them, equal ones in the order they came in', async () => {
  const hash = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 3n }));
  const near = fc.bigInt({ min: 0n, max: 2n ** 34n }).map((low) => (0xabcn << 52n) + low);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(hash, near), { minLength: 1, maxLength: 2000 }),
      fc.nat(),
      (hashes, cut) => {
        const first = cut % (hashes.length + 1);
        const sorted = sortByHash(BigUint64Array.from(hashes), [first, hashes.length - first]);
        const expected = hashes
          .map((value, i) => ({ value, owner: i < first ? 0 : 1 }))
          .sort((a, b) => (a.value === b.value ? 0 : a.value < b.value ? -1 : 1));
        return expected.every(({ value, owner }, i) => {
          const [high, low, whose] = sorted.subarray(i * FIELDS, (i + 1) * FIELDS);
          return ((BigInt(high ?? 0) << 32n) | BigInt(low ?? 0)) === value && whose === owner;
        });
      },
    ),
    { numRuns: 100 },
  );
});

t.test('numbered hashes are those of the numbered texts', async (t) => {
  const prefixes = [
    '10.0.1.11:8080_',
    '[2001:db8:85a3:8d3:1319:8a2e:370:7348]:8080_',
    '',
    'k'.repeat(70_000),
  ];
  for (const prefix of prefixes) {
    const hashes = new BigUint64Array(1012);
    xxh64Numbered(prefix, 1010, hashes, 1);
    const expected = Array.from({ length: 1010 }, (_, i) => xxh64(`${prefix}${i}`));
    t.same([...hashes], [0n, ...expected, 0n], `${prefix.slice(0, 20)}…`);
  }
});

t.test('large rings come out the same one after the other', async (t) => {
  const hosts = Array.from({ length: 1200 }, (_, i) => host(i));
  const size = { min: 307_200, max: 307_200 };
  const [big, small] = [buildRing(hosts, size), buildRing(six, { min: 12, max: 12 })];
  t.equal(small.size, 12);
  const again = buildRing(hosts, size);
  t.equal(big.size, 307_200);
  for (let at = 0; at < big.size; at += 97) {
    if (big.hashAt(at) !== again.hashAt(at) || big.hostAt(at) !== again.hostAt(at)) t.fail(`entry ${at}`);
    if (at > 0 && big.hashAt(at) < big.hashAt(at - 1)) t.fail(`entry ${at} is out of order`);
  }
});

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
