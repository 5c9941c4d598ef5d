import t from 'tap';
import { overload, pickWithinLoad } from '../../../../src/hashing/bounded-load.js';
import { mt19937 } from '../../../../src/hashing/mt19937.js';

t.test(
  'MT19937: the ten-thousandth number after the default seed is what the C++ standard says',
  async (t) => {
    const next = mt19937(5489);
    let last = 0;
    for (let i = 0; i < 10_000; i++) last = next();
    t.equal(last, 4_123_659_995);
  },
);

/** Overload by host as Envoy's tests have it: listed hosts are overloaded, the later the more. */
const overloaded =
  (...hosts: number[]) =>
  (host: number) =>
    hosts.includes(host) ? 1.02 + hosts.indexOf(host) / 100 : 0.5;

t.test("bounded load: the picks of Envoy's bounded_load_hlb_test.cc", async (t) => {
  const cases: [
    title: string,
    hash: bigint,
    picked: number,
    hosts: number,
    overloaded: number[],
    want: number,
  ][] = [
    ['none overloaded', 3n, 3, 5, [], 3],
    ['one: sequence 2 1 0 4 3 for hash 2', 2n, 2, 5, [2], 1],
    ['several: hosts 0, 1 and 2', 2n, 2, 5, [0, 1, 2], 4],
    ['sequence 4 0 2 3 1 for hash 6', 6n, 3, 5, [3], 4],
    ['sequence 0 1 4 3 2 for hash 7', 7n, 3, 5, [3], 0],
    ['all: the one that is least', 0n, 0, 3, [1, 0, 2], 1],
  ];
  for (const [title, hash, picked, hosts, busy, want] of cases)
    t.equal(pickWithinLoad(hash, picked, hosts, overloaded(...busy)), want, title);
});

t.test(
  'bounded load: the same hash goes through the hosts in the same order, and reaches each',
  async (t) => {
    const order = (hash: bigint) => {
      const busy = new Set<number>();
      const found: number[] = [];
      for (let i = 0; i < 8; i++) {
        const host = pickWithinLoad(hash, 0, 8, (index) => (busy.has(index) ? 2 : 1));
        found.push(host);
        busy.add(host);
      }
      return found;
    };
    t.same(order(123n), order(123n));
    t.notSame(order(123n), order(124n));
    t.same([...order(123n)].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  },
);

t.test('overload: requests in flight by the slots that weight and factor give', async (t) => {
  // 7 in flight and one to come, at 150 %: 12 slots, of which a quarter is 3.
  t.equal(overload(3, 7, 0.25, 150), 1);
  t.equal(overload(4, 7, 0.25, 150), 4 / 3);
  t.equal(overload(1, 0, 0.001, 100), 1, 'every host has a slot at least');
});
