import t from 'tap';
import { MemoryBackend } from '../../../../control-plane/store/backend.js';
import { emptyState } from '../../../../control-plane/store/config-state.js';
import { ConfigStore } from '../../../../control-plane/store/config-store.js';
import { type Editor, OPERATOR } from '../../../../control-plane/store/editor.js';
import { RejectedError } from '../../../../control-plane/store/errors.js';
import { withSplit } from '../../../../src/model/operations.js';
import { formatProblem } from '../../../../src/model/problems.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { meshService } from '../../../support/shop.js';

const OPS: Editor = OPERATOR;
/** An admin of one namespace, in a mesh with these. */
const tenant = (own: string): Editor => ({
  grants: false,
  sees: (namespace) => namespace === own,
  isNamespace: (name) => ['shop', 'bank'].includes(name),
});

const openStore = () =>
  ConfigStore.open(new MemoryBackend(emptyState(Buffer.alloc(32))), createLogger('test', 'silent'));
const input = (name: string, hosts: readonly string[], spec: object = {}) =>
  meshService(name, { v1: 1 }, { hosts, ...spec }) as MeshServiceInput;
const put = (store: ConfigStore, as: Editor | undefined, ...documents: MeshServiceInput[]) =>
  store.edit({ documents, as });
const grantOf = (store: ConfigStore, key: `${string}/${string}`) =>
  store.current.services.get(key)?.record.grant;

async function problemsOf(work: Promise<unknown>): Promise<string[]> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    return [...error.problems.values()].flat().map(formatProblem);
  }
  return [];
}

t.test(
  'an admin of one namespace cannot claim names of another, whether there is such a service or not',
  async (t) => {
    const store = await openStore();
    for (const host of [
      'account.bank',
      'account.bank.svc',
      'account.bank.svc.cluster.local',
      'account.elsewhere.svc',
      'pod-0.account.bank.svc.cluster.local',
    ])
      t.match(await problemsOf(put(store, tenant('shop'), input('evil.shop', [host]))), [
        new RegExp(`^spec\\.hosts\\[0\\]: "${host}" belongs to the namespace "(bank|elsewhere)"`),
      ]);
    for (const host of [
      'localhost',
      'app.localhost',
      '127.0.0.1',
      '10.96.0.1',
      '127.1',
      '2130706433',
      '0x7f.1',
    ])
      t.match(await problemsOf(put(store, tenant('shop'), input('evil.shop', [host]))), [
        /names a machine and no service; only an admin of all namespaces may grant that$/,
      ]);
    await put(store, tenant('shop'), input('own.shop', ['other.shop.svc', 'pay.example', 'account']));
    t.same(grantOf(store, 'shop/own'), { hosts: [], endpoints: [], files: [] });
  },
);

t.test('a service can always be created under its own name, whoever has listed that', async (t) => {
  const store = await openStore();
  const elsewhere: Editor = { ...tenant('shop'), isNamespace: () => false };
  await put(store, elsewhere, input('evil.shop', ['account.bank', 'account', 'late.bank']));
  await put(store, tenant('bank'), input('account.bank', []));
  await put(store, OPS, input('late.bank', []));
  t.same(await problemsOf(put(store, tenant('shop'), input('late.shop', ['account.bank']))), [
    'spec.hosts[0]: "account.bank" belongs to the namespace "bank", as all names of that form do',
  ]);
  await store.modify(
    'shop/evil',
    undefined,
    (document) => withSplit(document, [{ version: 'v1', weight: 9 }], undefined),
    { as: tenant('shop') },
  );
  t.pass('what a service has claimed already keeps nobody from moving its traffic');
});

t.test(
  "what leads to another service of the caller's own namespace, or is granted, is refused",
  async (t) => {
    const store = await openStore();
    await put(store, OPS, input('pay.bank', ['pay.example']));
    await put(store, tenant('shop'), input('own.shop', ['pay.example', 'cart.example']));
    t.same(await problemsOf(put(store, tenant('shop'), input('second.shop', ['cart.example']))), [
      'spec.hosts[0]: "cart.example" is a host of shop/own already; a host leads to one service',
    ]);
    t.same(await problemsOf(put(store, OPS, input('third.web', ['pay.example', 'cart.example']))), [
      'spec.hosts[0]: "pay.example" is a host of bank/pay already; a host leads to one service',
    ]);
    t.same(await problemsOf(put(store, OPS, input('own.shop', ['pay.example']))), [
      'spec.hosts[0]: "pay.example" is a host of bank/pay already; a host leads to one service',
    ]);
  },
);

t.test('a grant is what an admin of all namespaces puts in force, and nobody else widens it', async (t) => {
  const store = await openStore();
  const hosts = () => grantOf(store, 'shop/cart')?.hosts;
  await put(store, tenant('shop'), input('cart.shop', ['a.example']));
  t.same(hosts(), []);
  const granted = await put(store, OPS, input('cart.shop', ['a.example']));
  t.equal(granted.changed.size, 1, 'a grant alone is a change');
  t.same(hosts(), ['a.example']);
  await put(store, tenant('shop'), input('cart.shop', ['a.example', 'b.example']));
  t.same(hosts(), ['a.example']);
  await put(store, tenant('shop'), input('cart.shop', []));
  await store.undo('shop/cart', undefined, undefined, { as: tenant('shop') });
  t.same(hosts(), ['a.example'], 'a host that comes back is still granted');
  await store.edit({ documents: [input('cart.shop', ['a.example'])], as: OPS, grantMode: 'none' });
  t.same(hosts(), []);
  await store.undo('shop/cart', undefined, undefined, { as: tenant('shop') });
  t.same(hosts(), [], 'what was taken away is not undone by who may not grant');
  await store.undo('shop/cart', 3, undefined, { as: OPS });
  t.same(hosts(), ['a.example']);
  await store.edit({
    documents: [input('cart.shop', ['a.example', 'c.example'])],
    as: OPS,
    grantMode: 'keep',
  });
  t.same(hosts(), ['a.example'], 'a pipeline of many tenants grants nothing unawares');
  await store.remove('shop/cart', undefined);
  await put(store, tenant('shop'), input('cart.shop', ['a.example']));
  t.same(hosts(), [], 'a service that is created again has none');
});

t.test(
  'where nobody is asked, everything is approved, and stays so until somebody claims more',
  async (t) => {
    const store = await openStore();
    const local = { versions: [{ name: 'v1', endpoints: [{ address: '127.0.0.1:9000' }] }] };
    await put(store, undefined, input('cart.shop', ['a.example', 'account.bank'], local));
    t.equal(grantOf(store, 'shop/cart'), undefined);
    await put(
      store,
      tenant('shop'),
      input('cart.shop', ['a.example', 'account.bank'], { ...local, port: 81 }),
    );
    t.equal(grantOf(store, 'shop/cart'), undefined);
    await put(store, tenant('shop'), input('cart.shop', ['a.example', 'b.example'], local));
    t.same(grantOf(store, 'shop/cart'), {
      hosts: ['a.example', 'account.bank'],
      endpoints: ['127.0.0.1:9000'],
      files: [],
      unconfirmed: true,
    });
    t.match(await problemsOf(put(store, undefined, input('account.bank', []))), []);
  },
);

t.test(
  "endpoints on the caller's machine, and files of it, are for an admin of all namespaces to grant",
  async (t) => {
    const store = await openStore();
    const at = (address: string) =>
      input('cart.shop', [], { versions: [{ name: 'v1', endpoints: [{ address }] }] });
    for (const address of [
      '127.0.0.1:80',
      '127.8.8.8:80',
      '0.0.0.0:80',
      '169.254.169.254:80',
      '224.0.0.1:80',
      '255.255.255.255:80',
      '100.100.100.200:80',
      '168.63.129.16:80',
      '[::1]:80',
      '[::]:80',
      '[fe80::1]:80',
      '[ff02::1]:80',
      '[::ffff:127.0.0.1]:80',
      '[::ffff:a9fe:a9fe]:80',
      '[::127.0.0.1]:80',
      '[fd00:ec2::254]:80',
      '[::ffff:0:127.0.0.1]:80',
      '[64:ff9b::169.254.169.254]:80',
      '[2002:7f00:1::]:80',
      '[fe80:0:0:0:0:0:0:1]:80',
    ])
      t.match(
        await problemsOf(put(store, tenant('shop'), at(address))),
        [/^spec\.versions\[0\]\.endpoints\[0\]\.address: ".*" is on the caller's machine/],
        address,
      );
    for (const address of [
      '10.0.0.1:80',
      '192.168.1.1:80',
      '[fd00::1]:80',
      '8.8.8.8:80',
      '[::ffff:10.0.0.1]:80',
    ])
      t.same(await problemsOf(put(store, tenant('shop'), at(address))), [], address);
    const named = (dns: string) => input('named.shop', [], { versions: [{ name: 'v1', dns }] });
    for (const dns of [
      '127.0.0.1:80',
      '127.1:80',
      '2130706433:80',
      '0x7f000001:80',
      '0177.0.0.1:80',
      '[::1]:80',
      'localhost:80',
      'LocalHost.:80',
      'app.localhost:80',
      'localhost.localdomain:80',
      'ip6-localhost:80',
      'metadata.google.internal:80',
    ])
      t.match(
        await problemsOf(put(store, tenant('shop'), named(dns))),
        [/^spec\.versions\[0\]\.dns: ".*" is on the caller's machine/],
        dns,
      );
    t.same(await problemsOf(put(store, tenant('shop'), named('cart-v2:80'))), []);
    await put(store, OPS, named('localhost:80'));
    t.same(grantOf(store, 'shop/named')?.endpoints, ['localhost:80']);
    await put(store, OPS, at('127.0.0.1:80'));
    t.same(await problemsOf(put(store, tenant('shop'), { ...at('127.0.0.1:80') })), []);
    t.equal((await problemsOf(put(store, tenant('shop'), at('127.0.0.1:15000')))).length, 1);
    const tls = (files: object) => input('tls.shop', [], { tls: { serverName: 'x.example', ...files } });
    t.match(await problemsOf(put(store, tenant('shop'), tls({ caFile: '/dev/zero' }))), [
      /^spec\.tls\.caFile: "\/dev\/zero" is a file on the caller's machine; .*; write the certificates into "ca"$/,
    ]);
    await put(store, OPS, tls({ caFile: '/etc/ca.pem' }));
    await put(store, tenant('shop'), { ...tls({ caFile: '/etc/ca.pem' }) });
  },
);
