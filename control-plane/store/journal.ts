import { type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import writeFileAtomic from 'write-file-atomic';

/**
 * An append-only file of checked records, one line each: eight hexadecimal digits of CRC-32, a space, JSON.
 * A record counts once it is on disk whole; what a crash tore is recognised and dropped.
 */
export class Journal {
  private sizeBytes = 0;

  private constructor(
    private readonly path: string,
    private file: FileHandle,
  ) {}

  /**
   * Opens or creates the journal and reads it.
   *
   * @param onDamage told when records at the end had to be dropped, and where the damaged file was kept
   */
  static async open(
    path: string,
    onDamage: (what: string) => void,
  ): Promise<{ journal: Journal; records: unknown[] }> {
    const text = await readIfThere(path);
    const { records, goodBytes } = parseRecords(text);
    if (goodBytes < text.length) await setAside(path, text, goodBytes, onDamage);
    const file = await open(path, 'a', 0o600);
    const journal = new Journal(path, file);
    journal.sizeBytes = goodBytes;
    await syncDirectory(path);
    return { journal, records };
  }

  /** Bytes on disk; tells the owner when to compact. */
  get size(): number {
    return this.sizeBytes;
  }

  /** Resolves once the record is on disk. Calls must not overlap. */
  async append(record: unknown): Promise<void> {
    const line = formatRecord(record);
    try {
      await this.file.appendFile(line);
      await this.file.datasync();
      this.sizeBytes += Buffer.byteLength(line);
    } catch (error) {
      // Half a record must not stay in front of the next one. If even this fails, the next start drops it.
      await this.file.truncate(this.sizeBytes).catch(() => {});
      throw error;
    }
  }

  /** Replaces the whole journal by these records, atomically. Must not overlap with `append`. */
  async rewrite(records: readonly unknown[]): Promise<void> {
    const text = records.map(formatRecord).join('');
    await writeFileAtomic(this.path, text, { mode: 0o600 });
    await syncDirectory(this.path);
    await this.file.close();
    this.file = await open(this.path, 'a', 0o600);
    this.sizeBytes = Buffer.byteLength(text);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

function formatRecord(record: unknown): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** Reads records up to the first that is damaged. */
function parseRecords(text: Buffer): { records: unknown[]; goodBytes: number } {
  const records: unknown[] = [];
  let goodBytes = 0;
  for (let end = text.indexOf(0x0a); end !== -1; end = text.indexOf(0x0a, goodBytes)) {
    const line = text.toString('utf8', goodBytes, end);
    const json = line.slice(9);
    if (line[8] !== ' ' || checksum(json) !== line.slice(0, 8)) break;
    records.push(JSON.parse(json));
    goodBytes = end + 1;
  }
  return { records, goodBytes };
}

/** Cuts the damaged end off; where more than one torn record is lost, the whole file is kept beside it. */
async function setAside(
  path: string,
  text: Buffer,
  goodBytes: number,
  onDamage: (what: string) => void,
): Promise<void> {
  const lost = text.subarray(goodBytes);
  const torn = !lost.subarray(0, -1).includes(0x0a);
  const kept = `${path}.damaged-${Date.now()}`;
  if (!torn) await writeFileAtomic(kept, text, { mode: 0o600 });
  await writeFileAtomic(path, text.subarray(0, goodBytes), { mode: 0o600 });
  const where = torn
    ? 'a write that was cut off and never acknowledged'
    : `the damaged file is kept as ${kept}`;
  onDamage(`dropped ${lost.length} bytes at the end of ${path} (${where})`);
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** Makes a new name in a directory durable. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
