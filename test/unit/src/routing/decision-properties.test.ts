import fc from 'fast-check';
import t from 'tap';
import { xxh64 } from '../../../../src/hashing/xxh64.js';
import { UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import type { Pin } from '../../../../src/routing/pins.js';
import { SLOTS, toSlots } from '../../../../src/routing/split.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout, podsOf, user } from '../../../support/shop.js';

/** What SEMANTICS promises of every configuration and every sequence of them, on generated ones. */

t.setTimeout(300_000);

const RELEASES = ['v1', 'v2', 'v3', 'v4'];
const PODS = { v1: 3, v2: 3, v3: 3, v4: 3 };
const balanced = { version: 'balanced', endpoint: 'balanced' };
const persistent = { version: 'persistent', endpoint: 'persistent' };
const ids = Array.from({ length: 200 }, (_, i) => i);

type Weights = Readonly<Record<string, number>>;
const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);
const releaseOf = (place: string) => place.split(' ')[0] as string;
const slotOf = (n: number) => Number(xxh64(`user-${n}`) % BigInt(SLOTS));
const call = (table: MeshTable, n: number) => table.where('checkout', { headers: user(n) });

const weight = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 1_000_000 }));
/** Weights of v1 and v2. */
const pair = fc.tuple(weight, weight).filter((weights) => sum(weights) > 0);
/** Two or more of the releases in any order, with weights. */
const anySplit: fc.Arbitrary<Weights> = fc
  .tuple(fc.shuffledSubarray(RELEASES, { minLength: 2 }), fc.array(weight, { minLength: 4, maxLength: 4 }))
  .map(([releases, weights]) => Object.fromEntries(releases.map((name, i) => [name, weights[i] as number])))
  .filter((split) => sum(Object.values(split)) > 0);

function tableWith(split: Weights, affinity: object, table = new MeshTable()): MeshTable {
  table.apply(checkout({ split, affinity, pods: PODS }));
  return table;
}

t.test(
  'S4.2 balanced: with two releases exactly the slots between the two ends move, no session besides',
  async () => {
    fc.assert(
      fc.property(pair, pair, ([a1, a2], [b1, b2]) => {
        const table = tableWith({ v1: a1, v2: a2 }, balanced);
        const before = ids.map((n) => call(table, n));
        tableWith({ v1: b1, v2: b2 }, balanced, table);
        const [was, is] = [toSlots([a1, a2])[0] as number, toSlots([b1, b2])[0] as number];
        return ids.every((n) => {
          const after = call(table, n);
          const moves = slotOf(n) >= Math.min(was, is) && slotOf(n) < Math.max(was, is);
          if (!moves) return after === before[n];
          return (
            releaseOf(after) === (is < was ? 'v2' : 'v1') && releaseOf(after) !== releaseOf(before[n] ?? '')
          );
        });
      }),
      { numRuns: 15 },
    );
  },
);

t.test('S4.2 balanced: while a canary grows, nobody leaves it', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 6 }), (weights) => {
      const table = new MeshTable();
      const onCanary = new Set<number>();
      for (const canary of weights.sort((a, b) => a - b)) {
        tableWith({ v1: 1000 - canary, v2: canary }, balanced, table);
        for (const n of ids) {
          if (releaseOf(call(table, n)) === 'v2') onCanary.add(n);
          else if (onCanary.has(n)) return false;
        }
      }
      return true;
    }),
    { numRuns: 20 },
  );
});

t.test('S4.2 balanced: sidecars agree that share a configuration and nothing else', async () => {
  fc.assert(
    fc.property(fc.array(anySplit, { maxLength: 4 }), anySplit, (history, now) => {
      const old = new MeshTable();
      for (const split of history) {
        tableWith(split, balanced, old);
        for (const n of ids) call(old, n);
      }
      tableWith(now, balanced, old);
      const fresh = tableWith(now, balanced);
      return ids.every((n) => call(old, n) === call(fresh, n));
    }),
    { numRuns: 15 },
  );
});

t.test('S2, S4: shares are within binomial bounds of the slots', async () => {
  const affinity = fc.constantFrom(balanced, persistent, { version: 'none', endpoint: 'balanced' });
  fc.assert(
    fc.property(anySplit, affinity, fc.nat(), (split, mode, batch) => {
      const table = tableWith(split, mode);
      const calls = 3000;
      const counts = new Map<string, number>();
      for (let i = 0; i < calls; i++) {
        const release = releaseOf(table.where('checkout', { headers: user(`${batch}-${i}`) }));
        counts.set(release, (counts.get(release) ?? 0) + 1);
      }
      const slots = toSlots(Object.values(split));
      return Object.keys(split).every((release, i) => {
        const share = (slots[i] as number) / SLOTS;
        const off = (counts.get(release) ?? 0) - calls * share;
        // 6.5 standard deviations: one run in ten thousand million; with 2 for what is rarer than one in the sample.
        return share === 0 ? off === 0 : Math.abs(off) <= 6.5 * Math.sqrt(calls * share * (1 - share)) + 2;
      });
    }),
    { numRuns: 15, seed: 4 },
  );
});

type Change =
  | { readonly kind: 'split'; readonly split: Weights }
  | { readonly kind: 'scale'; readonly release: string; readonly pods: number }
  | { readonly kind: 'health'; readonly release: string; readonly pod: number; readonly dead: boolean }
  | { readonly kind: 'stable'; readonly release: string };

const release = fc.constantFrom(...RELEASES);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('split' as const), split: anySplit }),
  fc.record({ kind: fc.constant('scale' as const), release, pods: fc.integer({ min: 1, max: 6 }) }),
  // Never the first pod: with no usable pod a release fails over, which is another promise.
  fc.record({
    kind: fc.constant('health' as const),
    release,
    pod: fc.integer({ min: 2, max: 6 }),
    dead: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('stable' as const), release }),
);

/** A service that is changed step by step, and what is true of it. */
class ChangingService {
  readonly table = new MeshTable();
  readonly dead = new Set<string>();
  readonly pods: Record<string, number> = { ...PODS };
  stable = 'v1';

  constructor(public split: Weights) {
    this.apply();
  }

  change(change: Change): void {
    if (change.kind === 'split') this.split = change.split;
    else if (change.kind === 'scale') this.pods[change.release] = change.pods;
    else if (change.kind === 'stable') this.stable = change.release;
    else this.setHealth(podsOf(change.release, change.pod).at(-1)?.address ?? '', change.dead);
    this.apply();
  }

  serves(place: string): boolean {
    const [name, address] = place.split(' ') as [string, string];
    const isThere = podsOf(name, this.pods[name] ?? 0).some((pod) => pod.address === address);
    return isThere && !this.dead.has(address);
  }

  private setHealth(address: string, dead: boolean): void {
    if (dead) this.dead.add(address);
    else this.dead.delete(address);
    this.table.setUsability(address, dead ? UNUSABLE : USABLE);
  }

  private apply(): void {
    const { split, pods, stable } = this;
    this.table.apply(checkout({ split, pods, affinity: persistent, spec: { stable } }));
  }
}

t.test(
  'S4.2 persistent: whatever changes, a session moves only if its release leaves the split or its pod is lost',
  async () => {
    fc.assert(
      fc.property(anySplit, fc.array(change, { minLength: 1, maxLength: 12 }), (first, changes) => {
        const service = new ChangingService(first);
        const sessions = ids.slice(0, 40);
        const places = sessions.map((n) => call(service.table, n));
        for (const each of changes) {
          service.change(each);
          for (const n of sessions) {
            const was = places[n] as string;
            const is = call(service.table, n);
            const listed = service.split[releaseOf(was)] !== undefined;
            if (listed && releaseOf(is) !== releaseOf(was)) return false;
            if (listed && service.serves(was) && is !== was) return false;
            if (!listed && (service.split[releaseOf(is)] ?? 0) === 0) return false;
            places[n] = is;
          }
        }
        return true;
      }),
      { numRuns: 40 },
    );
  },
);

t.test('S6: a pin survives updates that reach each sidecar in another order', async () => {
  /** Any weights for v1 and v2, in any order, with any of the others besides. */
  const keepsBoth = anySplit.filter(({ v1, v2 }) => v1 !== undefined && v2 !== undefined);
  const orders = (count: number) =>
    fc.shuffledSubarray(
      Array.from({ length: count }, (_, i) => i),
      { minLength: count },
    );
  const run = fc
    .array(keepsBoth, { minLength: 2, maxLength: 5 })
    .chain((splits) =>
      fc.tuple(fc.constant(splits), fc.array(orders(splits.length), { minLength: 3, maxLength: 3 })),
    );
  fc.assert(
    fc.property(run, ([splits, sidecarOrders]) => {
      const pins = new Map<string, Pin>();
      const sidecars = sidecarOrders.map(() =>
        tableWith({ v1: 1, v2: 1 }, persistent, new MeshTable(undefined, pins)),
      );
      const sessions = ids.slice(0, 60);
      const places = sessions.map((n) => call(sidecars[n % 3] as MeshTable, n));
      return splits.every((_, step) => {
        sidecars.forEach((sidecar, i) => {
          tableWith(splits[sidecarOrders[i]?.[step] ?? 0] as Weights, persistent, sidecar);
        });
        return sessions.every((n) => call(sidecars[(n + step) % 3] as MeshTable, n) === places[n]);
      });
    }),
    { numRuns: 20 },
  );
});
