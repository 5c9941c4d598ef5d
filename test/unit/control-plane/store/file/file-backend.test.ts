import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import type { Change, ConfigState, ServiceRecord } from '../../../../../control-plane/store/config-state.js';
import { applyChange } from '../../../../../control-plane/store/config-state.js';
import { FileBackend } from '../../../../../control-plane/store/file/file-backend.js';
import type { MeshServiceInput } from '../../../../../src/model/schema.js';
import { createLogger } from '../../../../../src/telemetry/logger.js';
import { temporaryFolder } from '../../../../support/folder.js';

const FILES = ['config.journal', 'config.journal.previous'];

type Test = Parameters<typeof temporaryFolder>[0];

function recordOf(revision: number, note = ''): ServiceRecord {
  return { document: { note } as unknown as MeshServiceInput, revision, born: { v1: 1 } };
}

function change(revision: number, keys: readonly string[], deleted: readonly string[] = []): Change {
  return {
    revision,
    at: '2026-01-01T00:00:00Z',
    put: keys.map((key) => [key as `${string}/${string}`, recordOf(revision)]),
    deleted: deleted as `${string}/${string}`[],
  };
}

/** A change that leaves no history, as when a document moves to another file: the services alone make the size. */
function unhistoric(revision: number, key: string): Change {
  return { ...change(revision, []), put: [[key as `${string}/${string}`, recordOf(0)]] };
}

/** Opens a store, with what it logs. */
async function open(folder: string, compactMinBytes?: number) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) });
  const backend = await FileBackend.open(folder, log, compactMinBytes);
  return { backend, lines, state: await backend.load() };
}

async function commit(backend: FileBackend, state: ConfigState, next: Change): Promise<ConfigState> {
  const after = applyChange(state, next);
  await backend.append(next, after);
  return after;
}

async function filled(t: Test): Promise<{ folder: string; path: string; state: ConfigState }> {
  const folder = join(await temporaryFolder(t), 'made', 'on', 'demand');
  const { backend, state: empty } = await open(folder);
  let state = empty;
  state = await commit(backend, state, change(1, ['shop/a', 'shop/b']));
  state = await commit(backend, state, change(2, ['shop/b']));
  state = await commit(backend, state, change(3, ['shop/c'], ['shop/a']));
  await backend.close();
  return { folder, path: join(folder, 'config.journal'), state };
}

t.test('every commit is there after a restart, with the secret made once', async (t) => {
  const { folder, state } = await filled(t);
  const again = await open(folder);
  t.same(again.state, state);
  t.same([...again.state.services.keys()], ['shop/b', 'shop/c']);
  t.equal(again.state.pinSecret.length, 32);
  t.same(again.lines, []);
  await again.backend.close();
  t.same((await readdir(folder)).sort(), FILES, 'the lock is given back');
  t.equal((await stat(folder)).mode & 0o777, 0o700);
});

t.test('a torn end is cut off, told, and not told again', async (t) => {
  const { folder, path, state } = await filled(t);
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 7));
  const torn = await open(folder);
  t.equal(torn.state.revision, 2);
  t.match(torn.lines, [{ level: 40, msg: /cut off a write that a crash had torn/ }]);
  t.same(await commit(torn.backend, torn.state, change(3, ['shop/c'], ['shop/a'])), {
    ...state,
    pinSecret: torn.state.pinSecret,
  });
  await torn.backend.close();
  const again = await open(folder);
  t.same([again.state.revision, again.lines], [3, []]);
  await again.backend.close();
});

t.test('a damaged record costs its own change and no other; the file is kept, once', async (t) => {
  const { folder, path } = await filled(t);
  const text = await readFile(path, 'utf8');
  const lines = text.split('\n');
  lines[2] = (lines[2] as string).replace('"revision":2', '"revision":9');
  await writeFile(path, lines.join('\n'));
  const damaged = await open(folder);
  t.same([...damaged.state.services.keys()], ['shop/b', 'shop/c']);
  t.equal(damaged.state.services.get('shop/b')?.revision, 1, 'as it was before the change that is lost');
  t.equal(damaged.state.revision, 4, 'numbers are not given out twice');
  t.match(damaged.lines, [{ level: 50, lines: [3], revisions: [2], copy: /config\.journal\.damaged-\d+$/ }]);
  t.equal(await readFile(String(damaged.lines[0]?.copy), 'utf8'), lines.join('\n'));
  await commit(damaged.backend, damaged.state, change(5, ['shop/d']));
  await damaged.backend.close();
  const again = await open(folder);
  t.same(again.lines, []);
  t.same([...again.state.services.keys()], ['shop/b', 'shop/c', 'shop/d']);
  await again.backend.close();
  t.equal((await readdir(folder)).length, 3, 'the journal, its predecessor and one copy');
});

t.test('a damaged last record that was written whole is damage, and no torn write', async (t) => {
  const { folder, path } = await filled(t);
  const bytes = await readFile(path);
  bytes[bytes.length - 3] = 0x20;
  await writeFile(path, bytes);
  const { backend, state, lines } = await open(folder);
  t.same([state.revision, [...state.services.keys()]], [3, ['shop/a', 'shop/b']]);
  t.match(lines, [{ level: 50, lines: [4] }]);
  await backend.close();
});

/** Ways in which the first record of a journal is lost. */
async function beheaded(path: string): Promise<readonly (readonly [string, Buffer])[]> {
  const whole = await readFile(path);
  const firstLine = whole.indexOf(0x0a);
  const flipped = Buffer.from(whole);
  flipped[20] = (flipped[20] as number) ^ 1;
  return [
    ['empty', Buffer.alloc(0)],
    ['one byte', whole.subarray(0, 1)],
    ['torn in the first record', whole.subarray(0, firstLine)],
    ['first record damaged', flipped],
    ['zeros', Buffer.alloc(whole.length)],
  ];
}

t.test('without its first record a journal goes on from its predecessor', async (t) => {
  const { path } = await filled(t);
  for (const [what, bytes] of await beheaded(path)) {
    const { folder, path, state } = await filled(t);
    await writeFile(path, bytes);
    const { backend, state: found, lines } = await open(folder);
    const whole = what === 'first record damaged';
    t.equal(found.revision, whole ? 3 : 0, what);
    t.same(found.services, whole ? state.services : new Map(), `${what}: what can be read counts`);
    t.match(lines[0], { level: 50, msg: /beginning of the journal is damaged/, copy: /damaged-\d+$/ }, what);
    t.same(await readFile(String(lines[0]?.copy)), bytes, `${what}: the damaged file is kept`);
    await commit(backend, found, change(found.revision + 1, ['shop/d']));
    await backend.close();
    const again = await open(folder);
    t.same(again.lines, [], what);
    t.ok(again.state.services.has('shop/d'), what);
    await again.backend.close();
  }
});

t.test('a compacted journal whose snapshot is damaged loses nothing', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'config.journal');
  let { backend, state } = await open(folder, 4000);
  let size = 0;
  let revision = 0;
  // Up to two changes after a compaction.
  for (let since = Number.NEGATIVE_INFINITY; since < 2; since++) {
    state = await commit(backend, state, change(++revision, [`shop/s${revision % 3}`]));
    const now = (await stat(path)).size;
    if (now < size) since = 0;
    size = now;
  }
  await backend.close();
  const bytes = await readFile(path);
  bytes[200] = (bytes[200] as number) ^ 1;
  await writeFile(path, bytes);
  const damaged = await open(folder, 4000);
  t.same(damaged.state, state, 'every change, and the history');
  t.match(damaged.lines, [{ level: 50, lines: [1], msg: /taken from its predecessor/ }]);
  await damaged.backend.close();
  await rm(path);
  ({ backend, state } = await open(folder, 4000));
  t.equal(state.revision, revision, 'as is a journal that is missing');
  await backend.close();
});

t.test('where neither has a beginning both are refused, and nothing is touched', async (t) => {
  const { folder, path } = await filled(t);
  const whole = await readFile(path);
  const previous = await readFile(`${path}.previous`);
  for (const [what, bytes] of await beheaded(path)) {
    for (const [file, content] of [
      [path, bytes],
      [`${path}.previous`, Buffer.alloc(3)],
    ] as const)
      await writeFile(file, content);
    await t.rejects(open(folder), { name: 'OperatorError', message: /is damaged: its first record/ }, what);
    t.same(await readFile(path), bytes, what);
    t.same((await readdir(folder)).sort(), FILES, 'no lock, no copies');
  }
  await writeFile(path, whole);
  await writeFile(`${path}.previous`, previous);
  await (await open(folder)).backend.close();
});

function line(value: object): string {
  const json = JSON.stringify(value);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

t.test('a format of another version is refused by name', async (t) => {
  const { folder, path } = await filled(t);
  await writeFile(path, line({ kind: 'snapshot', format: 3, revision: 1, pinSecret: '', services: [] }));
  await t.rejects(open(folder), { message: /config\.journal is of format 3; this version .* format 2/ });
  await writeFile(path, line({ hello: 'world' }));
  await t.rejects(open(folder), { message: /is of no known format/ });
});

t.test('a journal of format 1 is migrated, and kept for the version that wrote it', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'config.journal');
  const { by: _by, action: _action, ...old } = change(2, ['shop/a']);
  const written =
    line({
      kind: 'snapshot',
      format: 1,
      revision: 1,
      pinSecret: Buffer.alloc(32, 7).toString('base64'),
      services: [['shop/a', recordOf(1, 'first')]],
    }) + line({ kind: 'change', ...old });
  await writeFile(path, written);
  const { backend, state, lines } = await open(folder);
  t.same([state.revision, state.pinSecret], [2, Buffer.alloc(32, 7)]);
  t.match(state.history.entries, [
    { revision: 2, by: { origin: 'unknown' }, before: [['shop/a', { revision: 1 }]] },
  ]);
  t.match(lines, [{ level: 30, from: 1, to: 2, copy: /config\.journal\.format-1$/ }]);
  t.equal(await readFile(`${path}.format-1`, 'utf8'), written);
  await backend.close();
  const again = await open(folder);
  t.same([again.state, again.lines], [state, []]);
  await again.backend.close();
});

t.test('the journal is compacted as it grows, and stays what it says', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'config.journal');
  let { backend, state } = await open(folder, 10_000);
  let compactions = 0;
  let size = 0;
  for (let revision = 1; revision <= 400; revision++) {
    state = await commit(backend, state, unhistoric(revision, `shop/s${revision % 7}`));
    const now = (await stat(path)).size;
    if (now < size) compactions++;
    size = now;
  }
  t.ok(compactions > 2, `${compactions} compactions`);
  t.ok(size < 20_000, `${size} bytes`);
  await backend.close();
  ({ backend, state } = await open(folder, 10_000));
  t.equal(state.revision, 400);
  t.equal(state.services.size, 7);
  await backend.close();
});

t.test('restarts do not raise the size at which the journal is compacted', async (t) => {
  const folder = await temporaryFolder(t);
  let revision = 0;
  for (let restart = 0; restart < 10; restart++) {
    const { backend, state: loaded } = await open(folder, 2000);
    let state = loaded;
    for (let i = 0; i < 30; i++) state = await commit(backend, state, unhistoric(++revision, 'shop/a'));
    await backend.close();
  }
  const { size } = await stat(join(folder, 'config.journal'));
  t.ok(size < 4000, `${size} bytes after 300 commits of one service`);
});

t.test('a compaction that fails costs no commit', async (t) => {
  const folder = await temporaryFolder(t);
  const opened = await open(folder, 2000);
  let { state } = opened;
  // A folder where the new file would have to be.
  await mkdir(join(folder, 'config.journal.new', 'full'), { recursive: true });
  for (let revision = 1; revision <= 40; revision++)
    state = await commit(opened.backend, state, change(revision, ['shop/a']));
  t.match(opened.lines[0], { level: 50, msg: /could not be compacted/ });
  await opened.backend.close();
  await rm(join(folder, 'config.journal.new'), { recursive: true });
  const again = await open(folder);
  t.equal(again.state.revision, 40);
  await again.backend.close();
});

t.test('a directory that cannot be used is named', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  await writeFile(file, '');
  await t.rejects(open(join(file, 'below')), { code: 'ENOTDIR' });
  if (process.getuid?.() === 0) {
    t.comment('not tried without rights: root has them all');
    return;
  }
  await chmod(folder, 0o500);
  await t.rejects(open(join(folder, 'below')), { code: 'EACCES' });
  t.notOk(existsSync(join(folder, 'below')));
});
