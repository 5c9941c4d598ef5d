import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MemoryBackend, type StoreBackend } from '../../control-plane/store/backend.js';
import { type Cause, emptyState } from '../../control-plane/store/config-state.js';
import { ConfigStore } from '../../control-plane/store/config-store.js';
import { EtcdBackend } from '../../control-plane/store/etcd/etcd-backend.js';
import { FileBackend } from '../../control-plane/store/file/file-backend.js';
import { unpackBackup } from '../../control-plane/store/unpack-backup.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import { withSplit } from '../../src/model/operations.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import { temporaryFolder } from '../support/folder.js';
import { meshService } from '../support/shop.js';

const silent = createLogger('test', 'silent');
/** Small enough for every store to compact within a test. */
const COMPACT_BYTES = 20_000;

/** One kind of store: what opens it, and opens it again after it was closed. */
interface Kind {
  readonly name: string;
  readonly skip: string | false;
  /** Each call of the result opens the same store. */
  place(t: Test): Promise<() => Promise<StoreBackend>>;
  /** What is closed is still there when it is opened again. */
  readonly durable: boolean;
}

const KINDS: readonly Kind[] = [
  {
    name: 'memory',
    skip: false,
    durable: false,
    place: async () => async () => new MemoryBackend(emptyState(Buffer.alloc(32, 7))),
  },
  {
    name: 'file',
    skip: false,
    durable: true,
    place: async (t) => {
      const folder = join(await temporaryFolder(t), 'data');
      return () => FileBackend.open(folder, silent, COMPACT_BYTES);
    },
  },
  {
    name: 'etcd',
    skip: ETCD.skip,
    durable: true,
    place: async (t) => {
      const etcd = await EtcdCluster.start(t);
      return async () => EtcdBackend.open(etcd.storeOptions(), silent, { compactMinBytes: COMPACT_BYTES });
    },
  },
];

const input = (...args: Parameters<typeof meshService>) => meshService(...args) as MeshServiceInput;
const by = (name: string) => ({ origin: 'api' as const, name, peer: '127.0.0.1' });
const cause = (action: string, requestId?: string): Cause => ({
  action,
  by: by('ann'),
  ...(requestId === undefined ? {} : { requestId }),
});
const weights = (store: ConfigStore, key: ServiceKey) =>
  Object.fromEntries(
    (store.current.services.get(key)?.service.spec.routes[0]?.split ?? []).map(({ version, weight }) => [
      version,
      weight,
    ]),
  );

for (const kind of KINDS)
  t.test(`${kind.name}: the contract of a store`, { skip: kind.skip }, async (t) => {
    const openBackend = await kind.place(t);
    const open = async () => ConfigStore.open(await openBackend(), silent);
    let store = await open();
    t.teardown(() => store.close());

    await t.test('begins with nothing, at revision 0, with a secret for pins', async (t) => {
      t.same([store.current.revision, store.current.services.size], [0, 0]);
      t.equal(store.current.pinSecret.length, 32);
      t.equal(store.problem, undefined);
    });

    await t.test('an edit is one revision, seen by everybody once it is acknowledged', async (t) => {
      const seen: string[] = [];
      store.on('change', ({ revision }, keys) => seen.push(`${revision}: ${[...keys].sort()}`));
      const documents = [input('a.shop'), input('b.shop', { v1: 1, v2: 1 })];
      const { revision, changed } = await store.edit({ documents, cause: cause('apply') });
      t.same([revision, [...changed].sort()], [1, ['shop/a', 'shop/b']]);
      t.same(seen, ['1: shop/a,shop/b']);
      t.same((await store.edit({ documents })).changed.size, 0, 'the same again is not a revision');
      t.equal(store.current.revision, 1);
    });

    await t.test('an expected revision is held to, and a lost race says who was first', async (t) => {
      const split = (n: number, expected: number) =>
        store.modify(
          'shop/b',
          expected,
          (document) =>
            withSplit(document, [
              { version: 'v1', weight: n },
              { version: 'v2', weight: 1 },
            ]),
          { cause: cause('split') },
        );
      const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => split(i + 2, 1)));
      t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      t.equal(store.current.revision, 2);
      await t.rejects(split(50, 1), /expected at revision 1, but it is at revision 2.*since then:.*by ann/s);
    });

    await t.test('a request that is made again is answered, not done again', async (t) => {
      const edit = (n: number) =>
        store.edit({ documents: [input('c.shop', { v1: n })], cause: cause('apply', 'request-1') });
      const first = await edit(3);
      const again = await edit(3);
      t.same([again.revision, [...again.changed]], [first.revision, ['shop/c']]);
      t.same(again.differences, first.differences);
      await store.edit({ documents: [input('c.shop', { v1: 9 })], cause: cause('apply', 'request-2') });
      t.equal((await edit(3)).revision, first.revision, 'also after somebody else changed it');
      t.same(weights(store, 'shop/c'), { v1: 9 });
    });

    await t.test('history and undo', async (t) => {
      const [last] = store.history('shop/c');
      t.match(last, { action: 'apply', by: by('ann'), key: 'shop/c' });
      await store.undo('shop/c', undefined, undefined, { cause: cause('undo') });
      t.same(weights(store, 'shop/c'), { v1: 3 });
      await store.remove('shop/c', undefined, cause('delete'));
      t.notOk(store.current.services.has('shop/c'));
      await store.undo('shop/c', undefined, undefined, { cause: cause('undo') });
      t.same(weights(store, 'shop/c'), { v1: 3 });
    });

    await t.test('an edit larger than any one message or transaction: whole or not at all', async (t) => {
      const many = (n: number) =>
        Array.from({ length: 1000 }, (_, i) =>
          input(
            `s${i}.bulk`,
            { v1: n, v2: 1 },
            { hosts: [`${'x'.repeat(60)}.${'y'.repeat(60)}.s${i}.test`] },
          ),
        );
      const before = store.current.revision;
      await t.rejects(store.edit({ documents: [...many(1), input('bad.bulk', { v1: 0 })] }));
      t.equal(store.current.revision, before);
      const { revision, changed } = await store.edit({ documents: many(2), cause: cause('apply') });
      t.same([revision, changed.size], [before + 1, 1000]);
    });

    await t.test(
      'what is closed and opened again is as it was',
      { skip: !kind.durable && 'memory' },
      async (t) => {
        const facts = () => ({
          revision: store.current.revision,
          services: [...store.current.services.keys()].sort(),
          secret: store.current.pinSecret.toString('hex'),
          a: weights(store, 'shop/a'),
          history: store.history().map(({ revision, action, key }) => `${revision} ${action} ${key}`),
        });
        const before = facts();
        await store.close();
        store = await open();
        t.same(facts(), before);
        await store.edit({ documents: [input('d.shop')], cause: cause('apply') });
        t.equal(store.current.revision, before.revision + 1);
      },
    );

    await t.test('compaction loses nothing', async (t) => {
      for (let n = 1; n <= 100; n++)
        await store.edit({ documents: [input('a.shop', { v1: n, v2: 1 })], cause: cause(`apply ${n}`) });
      t.same(weights(store, 'shop/a'), { v1: 100, v2: 1 });
      if (!kind.durable) return;
      const { revision } = store.current;
      await store.close();
      store = await open();
      t.equal(store.current.revision, revision);
      t.same(weights(store, 'shop/a'), { v1: 100, v2: 1 });
      t.equal(store.history('shop/a').filter(({ action }) => action.startsWith('apply ')).length, 100);
    });

    await t.test('backup and restore, also of a secret', async (t) => {
      const backup = await unpackBackup(await store.backup());
      const secret = store.current.pinSecret;
      await store.edit({ deleted: ['shop/a'], documents: [input('e.shop')], cause: cause('apply') });
      const { revision } = await store.restore(backup, false, cause('restore'));
      t.same(weights(store, 'shop/a'), { v1: 100, v2: 1 });
      t.notOk(store.current.services.has('shop/e'));
      t.ok(revision > backup.revision);
      const other = await ConfigStore.open(new MemoryBackend(emptyState(Buffer.alloc(32, 9))), silent);
      await other.restore(backup, false, cause('restore'));
      t.ok(other.current.pinSecret.equals(secret));
    });
  });
