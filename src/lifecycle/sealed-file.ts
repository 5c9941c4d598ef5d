import { createHash } from 'node:crypto';

/**
 * A file that tells whether it is whole: a line of JSON that says what it is, for people and programs, then the
 * content, whose size and SHA-256 are in the line.
 */
export interface Seal {
  /** What kind of file it is: `roost-backup`. */
  readonly file: string;
  readonly format: number;
  /** ISO 8601. */
  readonly at: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** A file that is not what was written; the message says what is wrong, without the file's name. */
export class DamagedFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DamagedFileError';
  }
}

const MAX_LINE_BYTES = 4096;

/** @param facts what else the first line is to say */
export function seal(
  kind: Pick<Seal, 'file' | 'format' | 'at'>,
  facts: Readonly<Record<string, string | number>>,
  content: Uint8Array,
): Buffer {
  const line: Seal = { ...kind, ...facts, bytes: content.length, sha256: sha256(content) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(line)}\n`), content]);
}

/** @throws DamagedFileError */
export function unseal(kind: string, file: Buffer): { readonly seal: Seal; readonly content: Buffer } {
  const end = file.subarray(0, MAX_LINE_BYTES).indexOf(0x0a);
  const found = end === -1 ? undefined : parseSeal(kind, file.toString('utf8', 0, end));
  if (found === undefined) throw new DamagedFileError(`is not a ${kind}`);
  const content = file.subarray(end + 1);
  const { bytes } = found;
  if (content.length < bytes)
    throw new DamagedFileError(`is cut off: ${content.length} of ${bytes} bytes of content are there`);
  if (content.length > bytes) throw new DamagedFileError(`has ${content.length - bytes} bytes after its end`);
  if (sha256(content) !== found.sha256)
    throw new DamagedFileError('is damaged: its content is not what its checksum says');
  return { seal: found, content };
}

function parseSeal(kind: string, line: string): Seal | undefined {
  try {
    const found = JSON.parse(line) as Partial<Seal> | null;
    return found?.file === kind ? (found as Seal) : undefined;
  } catch {
    // Not JSON: the caller says that it is no such file.
    return undefined;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
