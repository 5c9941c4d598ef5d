import fc from 'fast-check';
import t from 'tap';
import { HostIndex } from '../../../../control-plane/snapshot/host-index.js';
import type { Grant } from '../../../../src/model/grant.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { meshService } from '../../../support/shop.js';

/** A service with hosts, and those of them that are granted for every namespace; undefined: nobody is asked. */
type Entry = readonly [name: string, hosts: readonly string[], granted?: readonly string[] | undefined];

function indexOf(entries: readonly Entry[]): HostIndex {
  const index = new HostIndex();
  for (const [name, hosts, granted] of entries) {
    const grant: Grant | undefined = granted && { hosts: granted, endpoints: [], files: [] };
    index.put(parseMeshService(meshService(name, { v1: 1 }, { hosts })), grant);
  }
  return index;
}

t.test('whom a host leads where, by what the caller is of', async (t) => {
  const index = indexOf([
    ['evil.shop', ['account.bank', 'account', 'pay.example', 'localhost', 'only.example'], []],
    ['account.bank', []],
    ['account.web', []],
    ['pay.bank', ['pay.example'], ['pay.example']],
    ['open.web', ['old.example', 'account.bank.svc']],
  ]);
  for (const [host, namespace, owner] of [
    ['account.bank', 'shop', 'bank/account'],
    ['account.bank', 'bank', 'bank/account'],
    ['account.bank.svc', 'web', 'bank/account'],
    ['account.bank.svc.cluster.local', 'other', 'bank/account'],
    ['account', 'bank', 'bank/account'],
    ['account', 'web', 'web/account'],
    ['account', 'shop', 'shop/evil'],
    ['account', 'other', undefined],
    ['localhost', 'shop', 'shop/evil'],
    ['localhost', 'bank', undefined],
    ['only.example', 'bank', undefined],
    ['only.example', 'shop', 'shop/evil'],
    ['pay.example', 'bank', 'bank/pay'],
    ['pay.example', 'web', 'bank/pay'],
    ['pay.example', 'shop', 'shop/evil'],
    ['old.example', 'bank', 'web/open'],
    ['evil.shop', 'bank', 'shop/evil'],
    ['unknown.bank', 'bank', undefined],
  ] as const)
    t.equal(index.ownerOf(host, namespace), owner, `${host} from ${namespace}`);
});

t.test('a service that goes leaves its hosts to those that were behind it', async (t) => {
  const index = indexOf([
    ['evil.shop', ['account.bank'], []],
    ['account.bank', []],
  ]);
  index.drop('bank/account');
  t.equal(index.ownerOf('account.bank', 'shop'), 'shop/evil');
  t.equal(index.ownerOf('account.bank', 'bank'), undefined);
  index.drop('shop/evil');
  t.equal(index.ownerOf('account.bank', 'shop'), undefined);
});

const NAMES = ['a', 'b', 'c'];
const NAMESPACES = ['shop', 'bank', 'web'];
const HOSTS = ['a', 'b', 'a.shop', 'a.bank', 'b.bank.svc', 'x.example', 'localhost'];
const entries = fc.uniqueArray(
  fc.tuple(
    fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...NAMESPACES)).map((parts) => parts.join('.')),
    fc.uniqueArray(fc.constantFrom(...HOSTS)),
    fc.option(fc.uniqueArray(fc.constantFrom(...HOSTS)), { nil: undefined }),
  ),
  { selector: ([name]) => name },
);

t.test('who came first does not matter, and every host leads one caller to one service', async () => {
  const order = fc.array(fc.nat(), { minLength: 9, maxLength: 9 });
  fc.assert(
    fc.property(entries, order, (list, keys) => {
      const shuffled = list
        .map((entry, i) => ({ entry, key: keys[i] ?? 0 }))
        .sort((a, b) => a.key - b.key)
        .map(({ entry }) => entry);
      const [one, other] = [indexOf(list), indexOf(shuffled)];
      for (const namespace of [...NAMESPACES, '']) {
        const led = list.flatMap(([name, hosts]) => {
          const service = parseMeshService(meshService(name, { v1: 1 }, { hosts }));
          const found = one.hostsOf(service, namespace);
          for (const host of found)
            if (one.ownerOf(host, namespace) !== `${service.namespace}/${service.name}`) return [host, host];
          return found;
        });
        if (new Set(led).size !== led.length) return false;
        for (const host of HOSTS)
          if (one.ownerOf(host, namespace) !== other.ownerOf(host, namespace)) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
});
