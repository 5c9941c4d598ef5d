import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { FileSource, type FileSourceOptions } from '../../control-plane/source/files/file-source.js';
import { MemoryBackend } from '../../control-plane/store/backend.js';
import { emptyState } from '../../control-plane/store/config-state.js';
import { ConfigStore } from '../../control-plane/store/config-store.js';
import { FileBackend } from '../../control-plane/store/file/file-backend.js';
import { withSplit } from '../../src/model/operations.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually } from '../support/processes.js';
import { meshService } from '../support/shop.js';

type Test = Parameters<typeof temporaryFolder>[0];

const silent = createLogger('test', 'silent');
const yaml = (...documents: object[]) => documents.map((document) => stringify(document)).join('---\n');
const cart = (weight = 1, spec: object = {}) => meshService('cart.shop', { v1: weight, v2: 1 }, spec);

/** A store in memory, and files in a folder of their own. */
async function start(
  t: Test,
  contents: Readonly<Record<string, string>> = {},
  options: Partial<FileSourceOptions> = {},
) {
  const folder = await temporaryFolder(t);
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  for (const [name, text] of Object.entries(contents)) await write(name, text);
  const backend = new MemoryBackend(emptyState(Buffer.alloc(32)));
  const store = await ConfigStore.open(backend, silent);
  const files = new FileSource({
    paths: [folder],
    store,
    log: silent,
    settleMs: 0,
    quietMs: 100,
    ...options,
  });
  t.teardown(() => files.close());
  /** Reads the files again. @returns the problems, without the folder's name */
  const load = async () => {
    await files.load();
    return files.problems.map((problem) => problem.replaceAll(`${folder}/`, ''));
  };
  return { folder, write, store, files, load, ...looking(store) };
}

function looking(store: ConfigStore) {
  const weight = (key = 'shop/cart') =>
    store.current.services.get(key as 'shop/cart')?.service.spec.routes[0]?.split?.[0]?.weight;
  const keys = () => [...store.current.services.keys()].sort().join(' ');
  const split = (to: number) =>
    store.modify('shop/cart', undefined, (document) =>
      withSplit(document, [
        { version: 'v1', weight: to },
        { version: 'v2', weight: 1 },
      ]),
    );
  return { weight, keys, split };
}

t.test(
  'newest word wins: an unchanged file leaves what the API changed, a changed one does not',
  async (t) => {
    const { write, load, weight, split, store } = await start(t, { 'a.yaml': yaml(cart(1)) });
    t.same(await load(), []);
    await split(5);
    await load();
    t.equal(weight(), 5);
    await write('a.yaml', `# a comment changes no document\n${yaml(cart(1))}`);
    await load();
    t.equal(weight(), 5);
    await write('other.yaml', yaml(meshService('pay.shop')));
    await load();
    t.equal(weight(), 5, 'nor does another file');
    await write('a.yaml', yaml(cart(2)));
    await load();
    t.equal(weight(), 2);
    await split(7);
    await write('a.yaml', yaml(cart(1)));
    await load();
    t.equal(weight(), 1, 'also back to what it said before');
    const { revision } = store.current;
    await load();
    t.equal(store.current.revision, revision);
  },
);

t.test('it is so across restarts, where there is a data directory', async (t) => {
  const folder = await temporaryFolder(t);
  const config = join(folder, 'shop.yaml');
  await writeFile(config, yaml(cart(1), meshService('pay.shop')));
  const open = async (paths: string[]) => {
    const store = await ConfigStore.open(await FileBackend.open(join(folder, 'data'), silent), silent);
    const files = new FileSource({ paths, store, log: silent, settleMs: 0 });
    await files.load();
    t.same(files.problems, []);
    return { store, ...looking(store) };
  };
  const first = await open([config]);
  await first.split(5);
  await first.store.close();
  const second = await open([config]);
  t.equal(second.weight(), 5, 'the file has said nothing since');
  await second.store.close();
  const elsewhere = join(folder, 'moved.yaml');
  await rename(config, elsewhere);
  const third = await open([elsewhere]);
  t.equal(third.weight(), 5, 'a document that only moved to another file has said nothing either');
  t.equal(third.store.current.services.get('shop/cart')?.record.source?.file, elsewhere);
  await third.store.close();
  await writeFile(elsewhere, yaml(cart(3)));
  const fourth = await open([elsewhere]);
  t.equal(fourth.weight(), 3, 'what was written while nobody ran counts');
  t.equal(fourth.keys(), 'shop/cart', 'and so does what was taken out');
  await fourth.store.close();
});

t.test('what a file no longer declares is deleted; what the API made stays', async (t) => {
  const { folder, write, load, keys, store } = await start(t, {
    'a.yaml': yaml(cart(), meshService('pay.shop')),
    'b.yaml': yaml(meshService('till.shop')),
  });
  await load();
  await store.edit({ documents: [meshService('own.shop') as never] });
  await t.rejects(store.remove('shop/pay', undefined), {
    message: new RegExp(`shop/pay is declared in ${folder}/a\\.yaml; take it out there`),
  });
  await write('a.yaml', yaml(cart()));
  await load();
  t.equal(keys(), 'shop/cart shop/own shop/till');
  await unlink(join(folder, 'b.yaml'));
  await load();
  t.equal(keys(), 'shop/cart shop/own');
  await write('a.yaml', '# nothing\n---\n');
  await load();
  t.equal(keys(), 'shop/own');
  await store.remove('shop/own', undefined);
});

t.test('a file takes over what the API made, and the API may change it on', async (t) => {
  const { write, load, store, weight, split } = await start(t);
  await store.edit({ documents: [cart(9) as never] });
  await write('a.yaml', yaml(cart(2)));
  await load();
  t.equal(weight(), 2);
  await split(3);
  t.equal(weight(), 3);
  await t.rejects(store.remove('shop/cart', undefined), { name: 'DeclaredInFileError' });
});

t.test('one broken file keeps everything as it was, and every problem says where', async (t) => {
  const { write, load, weight, keys } = await start(t, { 'a.yaml': yaml(cart(1)) });
  await load();
  await write('a.yaml', yaml(cart(2)));
  await write('broken.yaml', 'kind: [MeshService\nspec: {}\n');
  await write(
    'wrong.yaml',
    `${yaml(meshService('pay.shop'))}---\n${yaml(meshService('till.shop', { v1: 1 }, { prot: 80 }))}`,
  );
  await write('dup.yaml', yaml(meshService('pay.shop')));
  const problems = await load();
  t.match(problems, [
    /^broken\.yaml:2:\d+: is not valid YAML: /,
    /^wrong\.yaml:4:3: metadata\.name: shop\/pay is declared in dup\.yaml:4 already; a service is one document/,
    /^wrong\.yaml:\d+:3: spec\.prot: unknown field; did you mean "port"\?/,
  ]);
  t.same([keys(), weight()], ['shop/cart', 1]);
  await write('broken.yaml', '');
  await write('wrong.yaml', '');
  t.same(await load(), []);
  t.same([keys(), weight()], ['shop/cart shop/pay', 2]);
});

t.test('a host that the API has given away is a problem of the file, at its line', async (t) => {
  const { write, load, store, keys } = await start(t);
  await store.edit({ documents: [meshService('own.shop', { v1: 1 }, { hosts: ['x.test'] }) as never] });
  await write('a.yaml', yaml(meshService('cart.shop', { v1: 1 }, { hosts: ['x.test'] })));
  t.match(await load(), [/^a\.yaml:\d+:7: spec\.hosts\[0\]: "x\.test" is a host of shop\/own already/]);
  t.equal(keys(), 'shop/own');
});

t.test('what is no configuration is passed over, what cannot be read is named', async (t) => {
  const { folder, write, load, keys } = await start(t, { 'a.yaml': yaml(cart()) });
  await write('README.md', 'not: yaml: at: all');
  await write('.hidden.yaml', '][');
  await mkdir(join(folder, 'deep', 'er'), { recursive: true });
  await write('deep/er/b.json', JSON.stringify(meshService('pay.shop')));
  await write('deep/c.yml', yaml(meshService('till.shop')));
  await symlink('..', join(folder, 'deep', 'up'));
  t.same(await load(), [], 'a link that leads back up is not followed for ever');
  t.equal(keys(), 'shop/cart shop/pay shop/till');
  await symlink('nowhere', join(folder, 'dangling.yaml'));
  await symlink('nowhere', join(folder, 'dangling.txt'));
  t.same(await load(), ['dangling.yaml:1:1: file or folder not found']);
  t.equal(keys(), 'shop/cart shop/pay shop/till');
});

t.test('a file that is named and not there is a problem; one named twice is read once', async (t) => {
  const { folder, store } = await start(t, { 'a.yaml': yaml(cart()) });
  const a = join(folder, 'a.yaml');
  const files = new FileSource({ paths: [a, folder, a], store, log: silent, settleMs: 0 });
  await files.load();
  t.same(files.problems, []);
  const gone = new FileSource({ paths: [a, join(folder, 'gone.yaml')], store, log: silent, settleMs: 0 });
  await gone.load();
  t.same(gone.problems, [`${folder}/gone.yaml:1:1: file or folder not found`]);
});

t.test(
  'files are watched: written in place, replaced, swapped as Kubernetes swaps a ConfigMap',
  async (t) => {
    const { folder, files, weight } = await start(t);
    // A ConfigMap's mount: the names lead to ..data, which leads to a folder that is never changed.
    const mount = async (version: string, value: number) => {
      await mkdir(join(folder, `..${version}`));
      await writeFile(join(folder, `..${version}`, 'cart.yaml'), yaml(cart(value)));
      await symlink(`..${version}`, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await mount('2026_01', 1);
    await symlink('..data/cart.yaml', join(folder, 'cart.yaml'));
    await files.load();
    t.equal(weight(), 1);
    files.watch();
    await mount('2026_02', 2);
    await rm(join(folder, '..2026_01'), { recursive: true });
    await eventually('the swap is seen', () => weight() === 2);

    await unlink(join(folder, 'cart.yaml'));
    await writeFile(join(folder, 'cart.yaml'), yaml(cart(3)));
    await eventually('the plain file is seen', () => weight() === 3);
    await writeFile(join(folder, '.new'), yaml(cart(4)));
    await rename(join(folder, '.new'), join(folder, 'cart.yaml'));
    await eventually('the replacement is seen', () => weight() === 4);
  },
);

t.test('two writes in the same instant, of the same length: the last one counts', async (t) => {
  const { write, files, weight } = await start(t, { 'a.yaml': yaml(cart(1)) });
  await files.load();
  files.watch();
  for (const value of [2, 3, 4, 5, 6]) {
    await write('a.yaml', yaml(cart(value)));
    await eventually('some write is seen', () => (weight() ?? 0) >= value);
    await write('a.yaml', yaml(cart(value + 1)));
  }
  await eventually('the last write is seen', () => weight() === 7);
});

/** Files that are looked at on a clock of the test's own. */
async function clocked(t: Test, contents: Readonly<Record<string, string>>) {
  const clock = { ms: 0 };
  const options = { settleMs: 10_000, quietMs: 1000, nowMs: () => clock.ms };
  const world = await start(t, contents, options);
  await world.files.start();
  /** Time passes, with a look at the files in each step. */
  const pass = async (ms: number, stepMs = 500) => {
    for (const end = clock.ms + ms; clock.ms < end; ) {
      clock.ms += stepMs;
      await world.files.poll();
    }
  };
  // Files that were written this moment change with every look.
  await new Promise((done) => setTimeout(done, 120));
  await pass(2000);
  /** Writes a file, and waits until it is no longer fresh. */
  const settle = async (name: string, text: string) => {
    await world.write(name, text);
    await new Promise((done) => setTimeout(done, 120));
  };
  return { ...world, pass, settle };
}

t.test('a file that is truncated while it is written takes no service away', async (t) => {
  const both = yaml(cart(1), meshService('pay.shop'));
  const { settle, pass, files, keys, weight } = await clocked(t, { 'a.yaml': both });
  await settle('a.yaml', '');
  await pass(5000);
  t.equal(keys(), 'shop/cart shop/pay');
  t.match(files.waiting, [
    /^shop\/cart: no file declares it any more; it is removed in \d s /,
    /^shop\/pay: /,
  ]);
  t.same(files.problems, []);
  await settle('a.yaml', yaml(cart(2)));
  await pass(4000);
  t.same([keys(), weight()], ['shop/cart shop/pay', 1], 'the second document is still to come');
  await settle('a.yaml', yaml(cart(2), meshService('pay.shop')));
  await pass(1500);
  t.same([keys(), weight()], ['shop/cart shop/pay', 2]);
  t.same(files.waiting, []);
});

t.test('a service that no file declares for long enough is removed', async (t) => {
  const { settle, pass, keys, files, store } = await clocked(t, {
    'a.yaml': yaml(cart(1), meshService('pay.shop')),
  });
  const born = () => store.current.services.get('shop/cart')?.record.born;
  const before = born();
  await settle('a.yaml', yaml(cart(1)));
  await pass(9000);
  t.equal(keys(), 'shop/cart shop/pay');
  await pass(3000);
  t.equal(keys(), 'shop/cart');
  t.same(files.waiting, []);
  t.same(born(), before, 'what stays is what it was');
});

t.test('what is read has not been written to for a while', async (t) => {
  const { settle, pass, weight } = await clocked(t, { 'a.yaml': yaml(cart(1)) });
  await settle('a.yaml', yaml(cart(2)));
  await pass(500);
  t.equal(weight(), 1);
  await settle('a.yaml', `${yaml(cart(3))}\n`);
  await pass(500);
  t.equal(weight(), 1);
  await pass(1500);
  t.equal(weight(), 3);
});

t.test('a service that moves to another file is not absent', async (t) => {
  const { settle, pass, keys, files, store } = await clocked(t, {
    'a.yaml': yaml(cart(1), meshService('pay.shop')),
  });
  await settle('b.yaml', yaml(meshService('pay.shop')));
  await settle('a.yaml', yaml(cart(1)));
  await pass(2000);
  t.equal(keys(), 'shop/cart shop/pay');
  t.same(files.waiting, []);
  t.match(store.current.services.get('shop/pay')?.record.source?.file, /b\.yaml$/);
});

t.test('a control plane that starts with an empty folder keeps what it has for a while', async (t) => {
  const folder = await temporaryFolder(t);
  const backend = new MemoryBackend(emptyState(Buffer.alloc(32)));
  const store = await ConfigStore.open(backend, silent);
  await writeFile(join(folder, 'a.yaml'), yaml(cart(1)));
  const clock = { ms: 0 };
  const open = () =>
    new FileSource({ paths: [folder], store, log: silent, settleMs: 10_000, nowMs: () => clock.ms });
  await open().start();
  await unlink(join(folder, 'a.yaml'));
  const files = open();
  await files.start();
  t.same([...store.current.services.keys()], ['shop/cart']);
  t.match(files.waiting, [/^shop\/cart: no file declares it any more/]);
  clock.ms += 10_000;
  await files.poll();
  t.same([...store.current.services.keys()], []);
});
