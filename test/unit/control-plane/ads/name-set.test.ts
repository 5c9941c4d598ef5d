import fc from 'fast-check';
import t from 'tap';
import { type NameSet, NameSets } from '../../../../control-plane/ads/name-set.js';

const ids = ({ names }: NameSet) => [...names].sort().join(' ');

t.test('clients that want the same share one set, however they came to it', async (t) => {
  const sets = new NameSets();
  const ab = sets.change(sets.empty, ['a', 'b'], []);
  t.equal(ids(ab), 'a b');
  t.equal(sets.change(sets.empty, ['b', 'a'], []), ab, 'in another order');
  t.equal(sets.change(sets.change(sets.empty, ['a'], []), ['b'], []), ab, 'one after the other');
  t.equal(sets.change(sets.empty, ['a', 'x', 'b'], ['x']), ab, 'with one that is dropped at once');
  t.equal(sets.change(ab, ['a'], ['nosuch']), ab, 'a change that changes nothing');
  t.equal(sets.change(ab, [], ['a', 'b']), sets.empty);
  t.not(sets.change(sets.empty, ['a', 'c'], []), ab);
  t.equal(ids(ab), 'a b', 'a set is never changed');
});

t.test('the same lists lead to the same set without being read again', async (t) => {
  const sets = new NameSets();
  const reads: string[] = [];
  const list = new Proxy(['a', 'b'], {
    get: (target, key) => {
      reads.push(String(key));
      return Reflect.get(target, key);
    },
  });
  const first = sets.change(sets.empty, list, []);
  const none: string[] = [];
  const again = sets.change(sets.empty, list, none);
  reads.length = 0;
  t.equal(sets.change(sets.empty, list, none), again);
  t.equal(again, first);
  t.same(reads, ['length']);
});

t.test('a digest proves nothing', async (t) => {
  const sets = new NameSets(() => 1);
  const [ab, cd] = [sets.change(sets.empty, ['a', 'b'], []), sets.change(sets.empty, ['c', 'd'], [])];
  t.not(ab, cd);
  t.equal(ids(ab), 'a b');
  t.equal(ids(cd), 'c d');
  t.equal(ids(sets.change(ab, ['c', 'd'], ['a', 'b'])), 'c d');
});

t.test('whatever is added and dropped, the set is what a set would be, and equal sets are one', async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.record({ add: fc.array(name), drop: fc.array(name) });
  fc.assert(
    fc.property(fc.array(fc.array(step), { minLength: 2, maxLength: 4 }), (clients) => {
      const sets = new NameSets();
      const found = new Map<string, NameSet>();
      for (const steps of clients) {
        let held = sets.empty;
        const model = new Set<string>();
        for (const { add, drop } of steps) {
          held = sets.change(held, add, drop);
          for (const n of add) model.add(n);
          for (const n of drop) model.delete(n);
          const key = [...model].sort().join(' ');
          if (ids(held) !== key) return false;
          if ((found.get(key) ?? held) !== held) return false;
          found.set(key, held);
        }
      }
      return true;
    }),
  );
});
