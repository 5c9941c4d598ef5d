import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { ConfigState } from './config-state.js';
import { InvalidBackupError } from './errors.js';
import { FORMAT, migrate, type SnapshotRecord, snapshotOf } from './journal-records.js';

/** Everything that a control plane keeps. The file holds the key of pins: keep it as you keep passwords. */
export type BackupContent = SnapshotRecord;

/** Most that a backup may be unpacked: thousands of services, and as much history as is kept. */
const MAX_CONTENT_BYTES = 512 * 1024 * 1024;
const MAX_HEADER_BYTES = 4096;
const MAGIC = 'roost-backup';

/** The first line of the file, for people and for checking the rest. */
interface Header {
  readonly file: typeof MAGIC;
  readonly format: number;
  /** ISO 8601. */
  readonly at: string;
  readonly revision: number;
  readonly services: number;
  /** Of what follows the line: its size, and its SHA-256 in hexadecimal. */
  readonly bytes: number;
  readonly sha256: string;
}

/** A backup file: a line of JSON that says what it is, then the content, as JSON, with gzip. */
export async function packBackup(state: ConfigState, at: string): Promise<Buffer> {
  const body = await promisify(gzip)(JSON.stringify(snapshotOf(state)));
  const header: Header = {
    file: MAGIC,
    format: FORMAT,
    at,
    revision: state.revision,
    services: state.services.size,
    bytes: body.length,
    sha256: sha256(body),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
}

/** @throws InvalidBackupError saying what is wrong with it */
export async function unpackBackup(file: Buffer): Promise<BackupContent> {
  const end = file.subarray(0, MAX_HEADER_BYTES).indexOf(0x0a);
  const header = end === -1 ? undefined : parseHeader(file.toString('utf8', 0, end));
  if (header === undefined) throw new InvalidBackupError('is no backup that "roost backup" wrote');
  const body = file.subarray(end + 1);
  if (body.length < header.bytes)
    throw new InvalidBackupError(`is cut off: ${body.length} of ${header.bytes} bytes of content are there`);
  if (body.length > header.bytes)
    throw new InvalidBackupError(`has ${body.length - header.bytes} bytes after its end`);
  if (sha256(body) !== header.sha256)
    throw new InvalidBackupError('is damaged: its content is not what its checksum says');
  const json = await promisify(gunzip)(body, { maxOutputLength: MAX_CONTENT_BYTES });
  const snapshot = JSON.parse(json.toString('utf8')) as SnapshotRecord;
  const content = snapshot.kind === 'snapshot' ? migrate(snapshot) : undefined;
  if (content === undefined)
    throw new InvalidBackupError(
      `is of format ${header.format}; this version reads formats up to ${FORMAT}. Restore it with the version that wrote it`,
    );
  return content;
}

function parseHeader(line: string): Header | undefined {
  try {
    const header = JSON.parse(line) as Partial<Header> | null;
    return header?.file === MAGIC ? (header as Header) : undefined;
  } catch {
    // Not JSON: whoever asks says that it is no backup.
    return undefined;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
