import { copyFile, type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { syncDirectoryOf } from '../../../src/lifecycle/durable-file.js';

/** What was found in a journal's file. */
export interface JournalContent {
  /** The records that are whole, in order. */
  readonly records: readonly unknown[];
  /** Bytes at the end that a crash tore off in the middle of a write; that write was never acknowledged. */
  readonly tornBytes: number;
  /** Line numbers, from 1, of records that were written whole and are not what was written any more. */
  readonly damagedLines: readonly number[];
}

/**
 * An append-only file of checked records, one line each: eight hexadecimal digits of CRC-32, a space, JSON.
 * A record counts once it is on disk whole, with its line end. The file is created by {@link rewrite}, at once
 * with its first records, so that a file without them is a damaged one.
 *
 * Calls must not overlap.
 */
export class Journal {
  private file: FileHandle | undefined;
  private sizeBytes = 0;
  /** What has to succeed before the file may grow again, after something went wrong with it. */
  private repair: (() => Promise<void>) | undefined;

  private constructor(private readonly path: string) {}

  /** Opens a journal and reads it, changing nothing. The content is undefined where there is no file yet. */
  static async open(path: string): Promise<{ journal: Journal; content: JournalContent | undefined }> {
    const journal = new Journal(path);
    // Left by a rewrite that a crash interrupted before it took effect.
    await rm(rewritePath(path), { force: true });
    const bytes = await readIfThere(path);
    if (bytes === undefined) return { journal, content: undefined };
    const content = parseJournal(bytes);
    journal.sizeBytes = bytes.length - content.tornBytes;
    if (content.tornBytes > 0) journal.repair = () => journal.cutTail();
    journal.file = await open(path, 'a', 0o600);
    return { journal, content };
  }

  /** Bytes on disk; tells the owner when to compact. */
  get size(): number {
    return this.sizeBytes;
  }

  /** Resolves once the record is on disk. A failed call leaves nothing of the record behind. */
  async append(record: unknown): Promise<void> {
    const line = formatRecord(record);
    await this.repairIfBroken();
    const file = this.openFile();
    try {
      await file.appendFile(line);
      await file.datasync();
    } catch (error) {
      // Half a record must not stay in front of the next one.
      this.repair = () => this.cutTail();
      await this.repairIfBroken().catch(() => {});
      throw error;
    }
    this.sizeBytes += Buffer.byteLength(line);
  }

  /**
   * Replaces the whole journal by these records: after a crash it is either the old or the new one.
   *
   * @param keepOldAs path that the old file is renamed to; a crash in that moment leaves it there, and no journal
   */
  async rewrite(records: readonly unknown[], keepOldAs?: string): Promise<void> {
    const text = records.map(formatRecord).join('');
    const path = rewritePath(this.path);
    await rm(path, { force: true });
    const file = await open(path, 'a', 0o600);
    try {
      await file.appendFile(text);
      await file.sync();
      if (keepOldAs !== undefined) await this.moveAway(keepOldAs);
      await rename(path, this.path);
    } catch (error) {
      await file.close();
      throw error;
    }
    const old = this.file;
    this.file = file;
    this.sizeBytes = Buffer.byteLength(text);
    // Until the new name is durable, nothing written under it is.
    this.repair = () => syncDirectoryOf(this.path);
    await old?.close();
    await this.repairIfBroken();
  }

  /** Removes what a crash tore off at the end. Without this call, the first `append` does it. */
  async cutTornEnd(): Promise<void> {
    await this.repairIfBroken();
  }

  /** Keeps a copy of the file as it is. @param suffix of the copy's name @returns where */
  async keepCopy(suffix: string): Promise<string> {
    const copy = `${this.path}.${suffix}`;
    await copyFile(this.path, copy);
    const file = await open(copy, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectoryOf(copy);
    return copy;
  }

  async close(): Promise<void> {
    await this.file?.close();
  }

  /** Until the new name is taken, an open journal goes on under the old one. */
  private async moveAway(to: string): Promise<void> {
    try {
      await rename(this.path, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    // The old file is to be found under one of its names whenever the power fails.
    await syncDirectoryOf(this.path);
  }

  private openFile(): FileHandle {
    if (this.file === undefined) throw new Error('the journal has not been written yet');
    return this.file;
  }

  private async cutTail(): Promise<void> {
    await this.openFile().truncate(this.sizeBytes);
    await this.openFile().sync();
  }

  private async repairIfBroken(): Promise<void> {
    await this.repair?.();
    this.repair = undefined;
  }
}

function rewritePath(path: string): string {
  return `${path}.new`;
}

function formatRecord(record: unknown): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

function parseJournal(bytes: Buffer): JournalContent {
  const records: unknown[] = [];
  const damagedLines: number[] = [];
  let start = 0;
  let line = 0;
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
    line++;
    const record = parseRecord(bytes.toString('utf8', start, end));
    if (record === undefined) damagedLines.push(line);
    else records.push(record);
    start = end + 1;
  }
  return { records, damagedLines, tornBytes: bytes.length - start };
}

function parseRecord(line: string): unknown {
  const json = line.slice(9);
  if (line[8] !== ' ' || checksum(json) !== line.slice(0, 8)) return undefined;
  return JSON.parse(json);
}

/** Reads a journal, changing nothing; undefined where there is no file. */
export async function readJournal(path: string): Promise<JournalContent | undefined> {
  const bytes = await readIfThere(path);
  return bytes && parseJournal(bytes);
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
