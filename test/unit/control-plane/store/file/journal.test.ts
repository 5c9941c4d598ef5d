import { copyFile, type FileHandle, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Journal, type JournalContent } from '../../../../../control-plane/store/file/journal.js';
import { temporaryFolder } from '../../../../support/folder.js';

const record = (n: number) => ({ n, text: `record ${n} — with ünïcode 🐓 and "quotes"\n` });

async function write(path: string, count: number): Promise<Buffer> {
  const { journal } = await Journal.open(path);
  await journal.rewrite([record(0)]);
  for (let i = 1; i < count; i++) await journal.append(record(i));
  await journal.close();
  return readFile(path);
}

async function read(path: string): Promise<JournalContent> {
  const { journal, content } = await Journal.open(path);
  await journal.close();
  if (content === undefined) throw new Error('there is no journal');
  return content;
}

t.test('what was written is read back, and there is nothing where nothing was written', async (t) => {
  const path = join(await temporaryFolder(t), 'journal');
  t.equal((await Journal.open(path)).content, undefined);
  const bytes = await write(path, 3);
  t.same(await read(path), {
    records: [record(0), record(1), record(2)],
    tornBytes: 0,
    damagedLines: [],
  });
  const { journal } = await Journal.open(path);
  t.equal(journal.size, bytes.length);
  await journal.close();
  t.equal((await stat(path)).mode & 0o777, 0o600, 'it has a secret in it');
});

t.test('torn at every byte: the records that are whole are there, and the journal goes on', async (t) => {
  const folder = await temporaryFolder(t);
  const bytes = await write(join(folder, 'whole'), 3);
  const ends = [...bytes.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1);
  const path = join(folder, 'torn');
  for (let length = 0; length <= bytes.length; length++) {
    await writeFile(path, bytes.subarray(0, length));
    const whole = ends.filter((end) => end <= length);
    const { journal, content } = await Journal.open(path);
    const expected = { records: whole.length, tornBytes: length - (whole.at(-1) ?? 0), damagedLines: 0 };
    const found = {
      records: content?.records.length,
      tornBytes: content?.tornBytes,
      damagedLines: content?.damagedLines.length,
    };
    if (JSON.stringify(found) !== JSON.stringify(expected)) t.same(found, expected, `cut at ${length}`);
    await journal.append(record(99));
    await journal.close();
    const again = await read(path);
    const last = again.records.at(-1) as { n: number };
    if (again.tornBytes !== 0 || last.n !== 99 || again.records.length !== whole.length + 1)
      t.fail(`after a cut at ${length} the journal does not go on`);
  }
  t.equal(ends.length, 3);
});

t.test('every byte flipped: never a wrong record, and the others are kept', async (t) => {
  const folder = await temporaryFolder(t);
  const bytes = await write(join(folder, 'whole'), 3);
  const good = new Set([0, 1, 2].map((n) => JSON.stringify(record(n))));
  const path = join(folder, 'flipped');
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [1, 0x80]) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ bit;
      await writeFile(path, flipped);
      const { records, damagedLines, tornBytes } = await read(path);
      if (!records.every((found) => good.has(JSON.stringify(found)))) t.fail(`byte ${at}: a wrong record`);
      if (records.length < 1 || records.length > 2 || damagedLines.length + tornBytes === 0)
        t.fail(`byte ${at}: ${records.length} records, ${damagedLines.length} damaged, ${tornBytes} torn`);
    }
  }
  t.pass('all flips were noticed');
});

t.test('a damaged record in the middle is named, and what follows it is read', async (t) => {
  const path = join(await temporaryFolder(t), 'journal');
  const text = (await write(path, 4)).toString('utf8');
  await writeFile(path, text.replace('record 1', 'record X'));
  const { records, damagedLines } = await read(path);
  t.same(damagedLines, [2]);
  t.same(records, [record(0), record(2), record(3)]);
});

t.test('a rewrite is the old journal or the new one, whenever the machine stops', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'journal');
  await write(path, 3);
  const { journal } = await Journal.open(path);
  await journal.rewrite([record(7)]);
  await journal.append(record(8));
  t.same((await read(path)).records, [record(7), record(8)], 'appends go to the new file');
  await journal.close();
  t.same(await readdir(folder), ['journal']);

  // A crash after the new file was written in part, or whole, and before it took the name.
  for (const leftover of ['12345678 {"half', (await readFile(path)).toString()]) {
    await writeFile(`${path}.new`, leftover);
    t.same((await read(path)).records, [record(7), record(8)]);
    t.same(await readdir(folder), ['journal'], 'the leftover is gone');
  }
});

/** Makes the open file fail, as a full or broken disk would. */
function breakFile(journal: Journal, method: 'appendFile' | 'datasync' | 'truncate', times = 1): void {
  const { file } = journal as unknown as { file: FileHandle };
  const working = file[method].bind(file) as (...args: unknown[]) => Promise<unknown>;
  let left = times;
  (file as unknown as Record<string, unknown>)[method] = async (...args: unknown[]) => {
    if (left-- <= 0) return working(...args);
    // A part of it gets through.
    if (method === 'appendFile') await working(String(args[0]).slice(0, 10));
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
}

t.test('a write that fails leaves nothing behind', async (t) => {
  const path = join(await temporaryFolder(t), 'journal');
  await write(path, 2);
  for (const method of ['appendFile', 'datasync'] as const) {
    const { journal } = await Journal.open(path);
    const { size } = journal;
    breakFile(journal, method);
    await t.rejects(journal.append(record(5)), { code: 'ENOSPC' });
    t.equal((await stat(path)).size, size, `${method}: cut back`);
    await journal.close();
    t.equal((await read(path)).tornBytes, 0);
  }
});

t.test('where a failed write cannot be undone, nothing is written after it until it can', async (t) => {
  const path = join(await temporaryFolder(t), 'journal');
  await write(path, 2);
  const { journal } = await Journal.open(path);
  breakFile(journal, 'appendFile');
  breakFile(journal, 'truncate', 2);
  await t.rejects(journal.append(record(5)), { code: 'ENOSPC' });
  await t.rejects(journal.append(record(6)), { code: 'ENOSPC' }, 'the remains are still there');
  await journal.append(record(7));
  await journal.close();
  t.same((await read(path)).records, [record(0), record(1), record(7)]);
});

t.test('a copy is kept beside the journal', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'journal');
  await write(path, 2);
  const { journal } = await Journal.open(path);
  const copy = await journal.keepCopy('damaged-1');
  await journal.close();
  t.match(copy, /journal\.damaged-\d+$/);
  await copyFile(copy, join(folder, 'again'));
  t.same((await read(join(folder, 'again'))).records, [record(0), record(1)]);
});
