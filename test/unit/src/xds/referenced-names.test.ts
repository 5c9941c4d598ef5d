import fc from 'fast-check';
import t from 'tap';
import { ReferencedNames } from '../../../../src/xds/referenced-names.js';

t.test('a name is wanted until its last reference goes', async (t) => {
  const wanted = new ReferencedNames();
  wanted.add('a');
  wanted.add('a');
  t.same(wanted.takeChanges(), { added: ['a'], dropped: [] });
  wanted.release('a');
  t.ok(wanted.has('a'));
  t.same(wanted.takeChanges(), { added: [], dropped: [] });
  wanted.release('a');
  t.notOk(wanted.has('a'));
  t.same(wanted.takeChanges(), { added: [], dropped: ['a'] });
  wanted.release('a');
  t.same(wanted.takeChanges(), { added: [], dropped: [] }, 'what is not wanted cannot be released');
});

t.test('whatever happens in between, changes add up to what is wanted', async () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(fc.record({ add: name }), fc.record({ release: name }), fc.constant('take' as const));
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const wanted = new ReferencedNames();
      const told = new Set<string>();
      const take = () => {
        const { added, dropped } = wanted.takeChanges();
        for (const n of added) if (told.has(n)) return false;
        for (const n of added) told.add(n);
        for (const n of dropped) if (!told.delete(n)) return false;
        return [...told].sort().join() === [...wanted.names()].sort().join();
      };
      for (const s of steps) {
        if (s === 'take') {
          if (!take()) return false;
        } else if ('add' in s) wanted.add(s.add);
        else wanted.release(s.release);
      }
      return take();
    }),
  );
});
