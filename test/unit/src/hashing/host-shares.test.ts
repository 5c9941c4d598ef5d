import t from 'tap';
import { sharesOf, type WeightedHost } from '../../../../src/hashing/host-shares.js';
import { buildMaglev, DEFAULT_MAGLEV_TABLE_SIZE } from '../../../../src/hashing/maglev.js';
import { buildRing } from '../../../../src/hashing/ring.js';

/** Known answers are those of Envoy's tests: `ring_hash_lb_test.cc` and `maglev_lb_test.cc`. */

const host = (port: number, weight: number, locality?: string, localityWeight = 1): WeightedHost => ({
  key: `127.0.0.1:${port}`,
  weight,
  locality: locality === undefined ? undefined : { name: locality, weight: localityWeight },
});
/** Localities of weights 1, 2, 3 and 0, with a host each. */
const four = [host(90, 1, 'a', 1), host(91, 1, 'b', 2), host(92, 1, 'c', 3), host(93, 1, 'd', 0)];
/** 1:2 within either locality, and 1:2 between the two. */
const nine = [host(90, 1, 'a', 1), host(91, 2, 'a', 1), host(92, 1, 'b', 2), host(93, 2, 'b', 2)];
/** One host of 127/128 of the weight, and 1,023 others. */
const lopsided = Array.from({ length: 1024 }, (_, i) =>
  host(i, 1, i === 0 ? 'heavy' : 'light', i === 0 ? 127 : 1),
);

const ringOf = (hosts: readonly WeightedHost[], min: number, max = 8_388_608) =>
  buildRing(hosts, { min, max });
/** How many of so many hashes, spread evenly, go to each host. */
function histogram(
  hosts: readonly WeightedHost[],
  ring: ReturnType<typeof buildRing>,
  hashes: number,
): number[] {
  const counts = hosts.map(() => 0);
  for (let i = 0n; i < hashes; i++) {
    const index = ring.hostAt(ring.find(i * ((2n ** 64n - 1n) / BigInt(hashes))));
    counts[index] = (counts[index] as number) + 1;
  }
  return counts;
}

t.test('without localities a host has its weight of all weights', async (t) => {
  t.same(sharesOf([host(90, 1), host(91, 2), host(92, 5)]), [1 / 8, 2 / 8, 5 / 8]);
});

t.test("with localities it has its weight of its locality's, times the locality's of all", async (t) => {
  t.same(sharesOf([host(90, 1, 'a', 1), host(91, 3, 'a', 1), host(92, 7, 'b', 3)]), [1 / 16, 3 / 16, 3 / 4]);
  t.throws(() => sharesOf([host(90, 1, 'a', 0)]), RangeError, 'nobody weighs anything');
});

t.test('LocalityWeightedTinyRing and LargeRing', async (t) => {
  const tiny = ringOf(four, 6, 6);
  const expected: [bigint, number][] = [
    [928266305478181108n, 2],
    [4443673547860492590n, 2],
    [5583722120771150861n, 1],
    [6311230543546372928n, 1],
    [13444792449719432967n, 2],
    [16117243373044804889n, 0],
  ];
  t.same(
    expected.map((_, i) => [tiny.hashAt(i), tiny.hostAt(i)]),
    expected,
  );
  const large = ringOf(four, 6144);
  t.equal(large.size, 6144);
  t.same(histogram(four, large, 6000), [987, 1932, 3081, 0]);
});

t.test('HostAndLocalityWeightedTinyRing and LargeRing', async (t) => {
  const tiny = ringOf(nine, 9, 9);
  const expected: [bigint, number][] = [
    [928266305478181108n, 2],
    [3851675632748031481n, 3],
    [5583722120771150861n, 1],
    [6311230543546372928n, 1],
    [7700377290971790572n, 3],
    [12559126875973811811n, 3],
    [13444792449719432967n, 2],
    [13784988426630141778n, 3],
    [16117243373044804889n, 0],
  ];
  t.same(
    expected.map((_, i) => [tiny.hashAt(i), tiny.hostAt(i)]),
    expected,
  );
  const large = ringOf(nine, 9216);
  t.equal(large.size, 9216);
  t.same(histogram(nine, large, 9000), [924, 2009, 2053, 4014]);
});

t.test('LargeFractionalScale and LopsidedWeightSmallScale', async (t) => {
  const two = [host(90, 1), host(91, 1)];
  t.same(histogram(two, ringOf(two, 1023, 1023), 1023), [526, 497]);
  const ring = ringOf(lopsided, 1024, 1024);
  const expected: [bigint, number][] = [
    [11664790346325243808n, 1],
    [15894554872961148518n, 128],
    [13958138884277627155n, 256],
    [15803774069438192949n, 384],
    [3829253010855396576n, 512],
    [17918147347826565154n, 640],
    [6442769608292299103n, 768],
    [5881074926069334434n, 896],
  ];
  for (const [hash, index] of expected) t.equal(ring.hostAt(ring.find(hash)), index);
  const entries = Array.from({ length: ring.size }, (_, i) => ring.hostAt(i));
  t.equal(entries.filter((index) => index === 0).length, 1016);
});

t.test('Maglev: LocalityWeightedSameLocalityWeights, Different and Lopsided', async (t) => {
  const slots = (hosts: readonly WeightedHost[], size: number) => {
    const table = buildMaglev(hosts, size);
    return Array.from({ length: size }, (_, slot) => table.hostAt(slot));
  };
  t.same(
    slots([host(90, 1, 'a', 1), host(91, 2, 'b', 1)], 17),
    [1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1],
  );
  t.same(
    slots([host(90, 1, 'a', 8), host(91, 2, 'c', 2), host(92, 3, 'b', 0)], 17),
    [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0],
  );
  const counts = lopsided.map(() => 0);
  for (const index of slots(lopsided, DEFAULT_MAGLEV_TABLE_SIZE))
    counts[index] = (counts[index] as number) + 1;
  t.same(new Set(counts.slice(1)), new Set([1]));
  t.equal(counts[0], DEFAULT_MAGLEV_TABLE_SIZE - 1023);
});
