import t from 'tap';
import { MemoryBackend } from '../../../../control-plane/store/backend.js';
import { readBackup } from '../../../../control-plane/store/backup.js';
import {
  applyChange,
  type Change,
  type ConfigState,
  emptyState,
} from '../../../../control-plane/store/config-state.js';
import { ConfigStore } from '../../../../control-plane/store/config-store.js';
import { digestOf } from '../../../../control-plane/store/digest.js';
import type { Edit } from '../../../../control-plane/store/edit.js';
import { RejectedError } from '../../../../control-plane/store/errors.js';
import { NOBODY } from '../../../../src/model/author.js';
import { withSplit } from '../../../../src/model/operations.js';
import { formatProblem } from '../../../../src/model/problems.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { meshService } from '../../../support/shop.js';

const silent = createLogger('test', 'silent');
const EMPTY: ConfigState = emptyState(Buffer.alloc(32));

/** Keeps every change, and fails when told to. */
class RecordingBackend extends MemoryBackend {
  readonly changes: Change[] = [];
  failure: Error | undefined;

  override async append(change?: Change): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failure) throw this.failure;
    if (change) this.changes.push(change);
  }
}

async function openStore(state = EMPTY) {
  const backend = new RecordingBackend(state);
  const store = await ConfigStore.open(backend, silent);
  const events: string[] = [];
  store.on('change', ({ revision }, keys) => events.push(`${revision}: ${[...keys].sort().join(' ')}`));
  return { backend, store, events };
}

const input = (...args: Parameters<typeof meshService>) => meshService(...args) as MeshServiceInput;
const apply = (store: ConfigStore, ...documents: MeshServiceInput[]) => store.edit({ documents });
const file = (digest: string, name = 'a.yaml') => ({ file: name, digest });

async function problemsOf(work: Promise<unknown>): Promise<string[]> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    return [...error.problems].flatMap(([i, problems]) => problems.map((p) => `${i} ${formatProblem(p)}`));
  }
  return [];
}

t.test('an edit is one revision, whatever is in it', async (t) => {
  const { store, backend, events } = await openStore();
  const first = await apply(store, input('a.shop'), input('b.shop'));
  t.same([first.revision, [...first.changed].sort()], [1, ['shop/a', 'shop/b']]);
  const second = await store.edit({ documents: [input('c.shop')], deleted: ['shop/a'] });
  t.same([second.revision, [...second.changed].sort()], [2, ['shop/a', 'shop/c']]);
  t.same(events, ['1: shop/a shop/b', '2: shop/a shop/c']);
  t.equal(backend.changes.length, 2);
  t.same([...store.current.services.keys()].sort(), ['shop/b', 'shop/c']);
});

t.test('what changes nothing is not a revision', async (t) => {
  const { store, events } = await openStore();
  await apply(store, input('a.shop'), input('b.shop'));
  const same = await apply(store, input('a.shop'));
  t.same([same.revision, same.changed.size], [1, 0]);
  const { spec, metadata, kind, apiVersion } = input('a.shop');
  const shuffled = { spec, kind, metadata: { namespace: 'shop', name: metadata.name }, apiVersion };
  t.equal((await apply(store, shuffled)).changed.size, 0, 'in another order it says the same');
  const mixed = await apply(store, input('a.shop'), input('b.shop', { v1: 1, v2: 1 }));
  t.same([mixed.revision, [...mixed.changed]], [2, ['shop/b']]);
  t.equal(store.current.services.get('shop/a')?.record.revision, 1, 'each service has its own revision');
  t.equal(events.length, 2);
  t.equal((await store.edit({})).revision, 2);
});

t.test('all or nothing: one bad document keeps the others out', async (t) => {
  const { store, backend, events } = await openStore();
  const bad = input('bad.shop', { v1: 0 });
  t.same(await problemsOf(apply(store, input('a.shop'), bad, input('a.shop'))), [
    '1 spec.routes[0].split: has only weights of 0; at least one version needs a weight above 0',
    '2 metadata.name: shop/a is there twice; a service is one document',
  ]);
  t.same([store.current.revision, store.current.services.size, backend.changes, events], [0, 0, [], []]);
});

t.test('two services cannot have one host, whichever of them is edited', async (t) => {
  const { store } = await openStore();
  const withHost = (name: string, host: string) => input(name, { v1: 1 }, { hosts: [host] });
  await apply(store, withHost('a.shop', 'x.test'));
  t.same(await problemsOf(apply(store, withHost('b.shop', 'x.test'))), [
    '0 spec.hosts[0]: "x.test" is a host of shop/a already; a host leads to one service',
  ]);
  await apply(store, withHost('c.shop', 'late.shop'));
  t.same(await problemsOf(apply(store, input('late.shop'))), [
    '0 metadata.name: the service would answer to "late.shop", which shop/c lists among its hosts',
  ]);
  const moved = await apply(store, withHost('a.shop', 'y.test'), withHost('b.shop', 'x.test'));
  t.equal(moved.changed.size, 2, 'in one edit a host can move');
  await store.edit({ deleted: ['shop/b'], documents: [withHost('d.shop', 'x.test')] });
});

t.test('an expected revision is that of the service, and 0 is that it does not exist', async (t) => {
  const { store } = await openStore();
  const expecting = (revision: number, split: Record<string, number>) =>
    store.edit({ documents: [input('a.shop', split)], expected: new Map([['shop/a', revision]]) });
  await t.rejects(expecting(3, { v1: 1 }), {
    message: 'shop/a was expected at revision 3, but it does not exist; look at it and try again',
  });
  await expecting(0, { v1: 1 });
  await t.rejects(expecting(0, { v1: 2 }), { message: /expected not to exist, but it is at revision 1;/ });
  await apply(store, input('other.shop'));
  t.equal((await expecting(1, { v1: 1, v2: 1 })).revision, 3, "others' changes do not count");
  await t.rejects(expecting(1, { v1: 2 }), { name: 'RevisionConflictError' });
  await t.rejects(store.remove('shop/a', 1), { name: 'RevisionConflictError' });
  await store.remove('shop/a', 3);
  await t.rejects(store.remove('shop/a', undefined), { name: 'UnknownServiceError' });
});

t.test('a hundred edits at once, all expecting one revision: one of them wins', async (t) => {
  const { store } = await openStore();
  await apply(store, input('a.shop', { v1: 1, v2: 1 }));
  for (let round = 0; round < 3; round++) {
    const { revision } = store.current;
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) =>
        store.modify('shop/a', revision, (document) =>
          withSplit(document, [{ version: 'v1', weight: 1000 * round + i + 2 }]),
        ),
      ),
    );
    t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    t.equal(store.current.revision, revision + 1);
  }
});

t.test(
  'edits at once without an expectation are made one after the other, none on an old state',
  async (t) => {
    const { store } = await openStore();
    await apply(store, input('a.shop', { v1: 0, v2: 1 }));
    await Promise.all(
      Array.from({ length: 50 }, () =>
        store.modify('shop/a', undefined, (document) => {
          const [first] = document.spec.routes?.[0]?.split ?? [];
          return withSplit(document, [
            { version: 'v1', weight: (first?.weight ?? 0) + 1 },
            { version: 'v2', weight: 1 },
          ]);
        }),
      ),
    );
    const split = store.current.services.get('shop/a')?.service.spec.routes[0]?.split;
    t.match(split, [{ version: 'v1', weight: 50 }]);
    t.equal(store.current.revision, 51);
  },
);

t.test('a store that cannot write says so, changes nothing, and goes on', async (t) => {
  const { store, backend, events } = await openStore();
  await apply(store, input('a.shop'));
  backend.failure = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  await t.rejects(apply(store, input('b.shop')), { code: 'ENOSPC' });
  t.same([store.current.revision, [...store.current.services.keys()], events.length], [1, ['shop/a'], 1]);
  backend.failure = undefined;
  t.equal((await apply(store, input('b.shop'))).revision, 2);
});

t.test('a dry run tells what would change, and changes nothing', async (t) => {
  const { store, events } = await openStore();
  await apply(store, input('a.shop'));
  const dry = (edit: Edit) => store.edit({ ...edit, dryRun: true });
  const would = await dry({ documents: [input('a.shop', { v1: 2 }), input('b.shop')] });
  t.same([would.revision, [...would.changed].sort()], [1, ['shop/a', 'shop/b']]);
  t.equal((await dry({ documents: [input('a.shop')] })).changed.size, 0);
  t.equal((await problemsOf(dry({ documents: [input('b.shop', { v1: 0 })] }))).length, 1);
  await t.rejects(dry({ documents: [input('a.shop')], expected: new Map([['shop/a', 7]]) }));
  t.equal(events.length, 1);
});

t.test('a release that goes and comes back is another one, also with the whole service', async (t) => {
  const { store } = await openStore();
  const births = () => store.current.services.get('shop/a')?.record.born;
  await apply(store, input('a.shop', { v1: 1, v2: 1 }));
  t.same(births(), { v1: 1, v2: 1 });
  await apply(store, input('a.shop', { v1: 1 }));
  t.same(births(), { v1: 1 });
  await apply(store, input('a.shop', { v1: 1, v2: 1 }));
  t.same(births(), { v1: 1, v2: 3 });
  await store.remove('shop/a', undefined);
  await apply(store, input('a.shop', { v1: 1, v2: 1 }));
  t.same(births(), { v1: 5, v2: 5 });
});

/** A store with one service, and when its rollout began after each edit. */
async function rollouts(
  store: ConfigStore,
  ...splits: Record<string, number>[]
): Promise<(number | undefined)[]> {
  const began: (number | undefined)[] = [];
  for (const split of splits) {
    await apply(store, input('a.shop', split));
    began.push(rolloutOf(store));
  }
  return began;
}
const rolloutOf = (store: ConfigStore) => store.current.services.get('shop/a')?.record.rollout;

t.test('a rollout begins where a second release gets a weight, and ends where one has all', async (t) => {
  const { store } = await openStore();
  const [one, ten, half, all] = [
    { v1: 1, v2: 0 },
    { v1: 90, v2: 10 },
    { v1: 50, v2: 50 },
    { v1: 0, v2: 1 },
  ];
  t.same(await rollouts(store, one, ten, half, all, ten), [undefined, 2, 2, undefined, 5]);
  await store.undo('shop/a', undefined, undefined);
  t.equal(rolloutOf(store), undefined);
  await store.undo('shop/a', 3, undefined);
  t.equal(rolloutOf(store), 2, 'what is undone goes on with its own sample');
  await store.edit({ deleted: ['shop/a'] });
  t.same(await rollouts(store, ten), [9], 'a service that begins with a split begins with a rollout');
});

t.test('rollouts survive backups, and records that know of none', async (t) => {
  const { store, backend } = await openStore();
  await rollouts(store, { v1: 1 }, { v1: 90, v2: 10 });
  const backup = readBackup(await store.backup());
  await rollouts(store, { v1: 1 }, { v1: 90, v2: 10 });
  t.equal(rolloutOf(store), 4);
  const { store: other } = await openStore();
  for (const to of [store, other]) {
    await to.restore(backup, false, { action: 'restore', by: NOBODY });
    t.equal(rolloutOf(to), 2);
  }

  const old = backend.changes.slice(0, 2).map(({ put, ...change }) => ({
    ...change,
    put: put.map(([key, { rollout: _, ...record }]) => [key, record] as const),
  }));
  const { store: upgraded } = await openStore(old.reduce(applyChange, EMPTY));
  t.same(
    await rollouts(upgraded, { v1: 80, v2: 20 }, { v1: 1 }, { v1: 80, v2: 20 }),
    [undefined, undefined, 5],
    'a rollout that is under way draws no other sample',
  );
});

t.test('a file owns what it declares: the API may change it, and not delete it', async (t) => {
  const { store } = await openStore();
  const document = input('a.shop', { v1: 1, v2: 1 });
  await store.edit({ documents: [document], sources: [file(digestOf(document))] });
  await t.rejects(store.remove('shop/a', undefined), {
    message: 'shop/a is declared in a.yaml; take it out there',
  });
  const toV2 = (current: MeshServiceInput) => withSplit(current, [{ version: 'v2', weight: 1 }]);
  const refusal = /shop\/a is declared in a\.yaml; change it there, or with --force/;
  const heedsFiles = true;
  await t.rejects(store.modify('shop/a', undefined, toV2, { heedsFiles }), refusal);
  await t.rejects(store.edit({ documents: [toV2(document)], heedsFiles }), refusal);
  await t.rejects(store.edit({ documents: [toV2(document)], heedsFiles, dryRun: true }), refusal);
  t.equal((await store.edit({ documents: [document], heedsFiles })).changed.size, 0, 'no change is none');
  await store.modify('shop/a', undefined, toV2);
  const { record } = store.current.services.get('shop/a') as { record: { source?: object } };
  t.same(record.source, file(digestOf(document)), 'the file has said nothing new');
  await store.edit({ moved: new Map([['shop/a', file(digestOf(document), 'b.yaml')]]) });
  const moved = store.current.services.get('shop/a');
  t.match(moved?.record, { source: { file: 'b.yaml' }, revision: 2 });
  t.match(moved?.service.spec.routes[0]?.split, [{ version: 'v2' }], "the API's change stays");
});

t.test('a stored service that is not valid any more is left out, the others are served', async (t) => {
  const record = (document: object) => ({ document: document as MeshServiceInput, revision: 1, born: {} });
  const services = new Map([
    ['shop/a', record(input('a.shop'))],
    ['shop/b', record({ ...input('b.shop'), kind: 'OldService' })],
  ] as const);
  const lines: string[] = [];
  const log = createLogger('test', 'info', { write: (line: string) => void lines.push(line) });
  const store = await ConfigStore.open(new MemoryBackend({ ...EMPTY, revision: 4, services }), log);
  t.same([...store.current.services.keys()], ['shop/a']);
  t.match([...store.current.unserved], [['shop/b', { reason: /kind: must be MeshService/ }]]);
  await store.edit({ documents: [input('c.shop')] });
  t.match(lines, [/"service":"shop\/b".*is not valid any more/], 'which is told once');
  t.equal(lines.length, 1);
  await store.edit({ documents: [input('b.shop')] });
  t.equal(store.current.unserved.size, 0);
  t.equal(store.current.services.size, 3, 'and can be put right');
});

t.test('what cannot be served is refused before it is stored', async (t) => {
  const backend = new RecordingBackend(EMPTY);
  const store = await ConfigStore.open(backend, silent, ({ name }) => {
    if (name === 'poison') throw new TypeError('cannot be translated');
    return name === 'refused' ? [{ path: ['spec', 'routes'], message: 'sidecars would refuse this' }] : [];
  });
  await t.rejects(apply(store, input('a.shop'), input('poison.shop')), { message: 'cannot be translated' });
  await t.rejects(apply(store, input('a.shop'), input('refused.shop')), {
    name: 'RejectedError',
    problems: new Map([[1, [{ path: ['spec', 'routes'], message: 'sidecars would refuse this' }]]]),
  });
  t.same([store.current.revision, backend.changes], [0, []]);
});

t.test('closing finishes what is under way and refuses the rest', async (t) => {
  const { store, backend } = await openStore();
  const edits = [apply(store, input('a.shop')), apply(store, input('b.shop'))];
  const closing = store.close();
  await t.rejects(apply(store, input('c.shop')), { message: /shutting down/ });
  await closing;
  t.equal(backend.changes.length, 2);
  await Promise.all(edits);
});

t.test('a change of many services is checked a slice at a time: others run meanwhile', async (t) => {
  let turns = 0;
  let checked = 0;
  const store = await ConfigStore.open(new RecordingBackend(EMPTY), silent, () => {
    checked++;
    const until = performance.now() + 2;
    while (performance.now() < until);
    return [];
  });
  const others = setInterval(() => turns++, 0);
  const many = Array.from({ length: 50 }, (_, i) => input(`service-${i}.shop`));
  await apply(store, ...many);
  clearInterval(others);
  t.equal(checked, 50, 'each once');
  t.ok(turns > 1, `${turns}`);
  await apply(store, ...many);
  t.equal(checked, 50, 'and what stays as it is not again');
});
