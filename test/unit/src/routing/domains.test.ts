import fc from 'fast-check';
import t from 'tap';
import { type DomainEntry, DomainIndex, DomainTable } from '../../../../src/routing/domains.js';
import { LayeredMap } from '../../../../src/routing/layered-map.js';
import type { VirtualHost } from '../../../../src/routing/table.js';

/** A virtual host of which nothing counts but who it is, and the key of its sessions. */
function host(name: string, key?: string): VirtualHost {
  const affinity = key === undefined ? undefined : { keys: { sources: [{ header: key }] } };
  return { name, routes: [{ affinity }] } as unknown as VirtualHost;
}

const found = (table: DomainTable, authority: string) => table.find(authority)?.name;

t.test('exact, then the longest suffix, then the longest prefix, then any', async (t) => {
  const table = DomainTable.of([
    [['*'], host('any')],
    [['*.test'], host('suffix')],
    [['*.shop.test'], host('longer suffix')],
    [['cart.*'], host('prefix')],
    [['cart.shop.*'], host('longer prefix')],
    [['cart.shop.test'], host('exact')],
  ]);
  t.equal(found(table, 'cart.shop.test'), 'exact');
  t.equal(found(table, 'pay.shop.test'), 'longer suffix');
  t.equal(found(table, 'pay.test'), 'suffix');
  t.equal(found(table, 'cart.shop.local'), 'longer prefix');
  t.equal(found(table, 'cart.local'), 'prefix');
  t.equal(found(table, '.test'), 'any', 'a pattern stands for something');
  t.equal(found(table, 'x'), 'any');
});

t.test('the default port may be left out or written, unless somebody has the host with it', async (t) => {
  const table = DomainTable.of([
    [['cart', 'cart:8080'], host('cart')],
    [['pay:80'], host('pay')],
    [['pay'], host('pay, portless')],
    [['stock:80'], host('stock')],
  ]);
  t.equal(found(table, 'cart:80'), 'cart');
  t.equal(found(table, 'cart:81'), undefined);
  t.equal(found(table, 'pay:80'), 'pay');
  t.equal(found(table, 'pay'), 'pay, portless');
  t.equal(found(table, 'stock'), 'stock');
  const withAny = DomainTable.of([
    [['cart'], host('cart')],
    [['*'], host('any')],
  ]);
  t.equal(found(withAny, 'cart:80'), 'any', 'as in Envoy, where something matches what was written');
});

t.test('who came first has a domain; when it goes, the next one has it', async (t) => {
  const index = new DomainIndex();
  const entries = (name: string): DomainEntry[] => [[['a', '*.a', '*'], host(name)]];
  for (const name of ['first', 'second', 'third']) index.put(name, entries(name));
  const before = index.table();
  for (const authority of ['a', 'x.a', 'y']) t.equal(found(before, authority), 'first');
  index.put('first', entries('first, changed'));
  const changed = index.table();
  for (const authority of ['a', 'x.a', 'y']) t.equal(found(changed, authority), 'first, changed');
  index.drop('second');
  index.drop('first');
  const after = index.table();
  for (const authority of ['a', 'x.a', 'y']) t.equal(found(after, authority), 'third');
  for (const authority of ['a', 'x.a', 'y'])
    t.equal(found(before, authority), 'first', 'a table stays as it was');
  index.drop('third');
  index.drop('nosuch');
  t.equal(found(index.table(), 'a'), undefined);
});

t.test('a configuration that looks at no port is looked at after the others', async (t) => {
  const index = new DomainIndex();
  index.put('ports', [[['a:80'], host('a:80')]]);
  index.put('no ports', [[['a', '*.a'], host('a')]], true);
  const table = index.table();
  t.equal(found(table, 'a:80'), 'a:80');
  t.equal(found(table, 'a:81'), 'a');
  t.equal(found(table, 'x.a:1'), 'a');
  t.same(
    table.virtualHosts.map(({ name }) => name),
    ['a:80', 'a'],
  );
  index.put('no ports', [[['a'], host('a')]]);
  t.equal(found(index.table(), 'a:81'), undefined, 'it looks at ports now');
  index.drop('no ports');
  t.equal(found(index.table(), 'x.a'), undefined);
});

t.test('key sources are there as long as somebody uses them, each once', async (t) => {
  const index = new DomainIndex();
  index.put('a', [[['a'], host('a', 'x-user')]]);
  index.put('b', [[['b'], host('b', 'x-user')]]);
  t.same(index.table().keySources, [{ header: 'x-user' }]);
  index.put('a', [[['a'], host('a', 'x-tenant')]]);
  t.same(index.table().keySources, [{ header: 'x-user' }, { header: 'x-tenant' }]);
  index.drop('b');
  t.same(index.table().keySources, [{ header: 'x-tenant' }]);
});

t.test('whatever comes and goes, the table is the one made of what there is', async () => {
  const domain = fc.constantFrom('a', 'b', 'c', '*.a', '*.b', 'a.*', '*');
  const group = fc.array(fc.array(domain, { minLength: 1, maxLength: 4 }), { maxLength: 3 });
  const name = fc.constantFrom('g1', 'g2', 'g3', 'g4');
  const step = fc.record({ name, group: fc.option(group) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.array(fc.boolean()), (steps, looks) => {
      const index = new DomainIndex();
      const groups = new Map<string, DomainEntry[]>();
      steps.forEach(({ name, group }, i) => {
        if (group === null) {
          index.drop(name);
          groups.delete(name);
        } else {
          const entries = group.map((domains, n): DomainEntry => [domains, host(`${name}/${n}/${i}`)]);
          index.put(name, entries);
          groups.set(name, entries);
        }
        if (looks[i]) index.table();
      });
      const [table, whole] = [index.table(), DomainTable.of([...groups.values()].flat())];
      const hosts = (of: DomainTable) => of.virtualHosts.map(({ name }) => name).join();
      return (
        hosts(table) === hosts(whole) &&
        ['a', 'b', 'c', 'x.a', 'x.b', 'a.x', 'x'].every((name) => found(table, name) === found(whole, name))
      );
    }),
    { numRuns: 1000 },
  );
});

t.test('a map in layers is what a map would be, and stays as it was', async () => {
  const key = fc.nat(300).map(String);
  const change = fc.array(fc.tuple(key, fc.option(fc.nat(), { nil: undefined })), { maxLength: 120 });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      let layered = LayeredMap.empty<number>();
      const model = new Map<string, number>();
      const past: [LayeredMap<number>, ReadonlyMap<string, number>][] = [];
      for (const each of changes) {
        layered = layered.with(new Map(each));
        for (const [k, value] of new Map(each)) {
          if (value === undefined) model.delete(k);
          else model.set(k, value);
        }
        past.push([layered, new Map(model)]);
      }
      return past.every(([map, was]) =>
        Array.from({ length: 301 }, (_, i) => String(i)).every((k) => map.get(k) === was.get(k)),
      );
    }),
  );
});
