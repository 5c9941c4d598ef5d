import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { DamagedFileError, seal, unseal } from '../../src/lifecycle/sealed-file.js';
import type { ConfigState } from './config-state.js';
import { InvalidBackupError } from './errors.js';
import { FORMAT, migrate, type SnapshotRecord, snapshotOf } from './journal-records.js';

/** Everything that a control plane keeps. The file holds the key of pins: keep it as you keep passwords. */
export type BackupContent = SnapshotRecord;

const KIND = 'roost-backup';
/** Most that a backup may be unpacked: thousands of services, and as much history as is kept. */
const MAX_CONTENT_BYTES = 512 * 1024 * 1024;

/** A backup file: sealed, its content as JSON with gzip. @param at ISO 8601 */
export async function packBackup(state: ConfigState, at: string): Promise<Buffer> {
  const content = await promisify(gzip)(JSON.stringify(snapshotOf(state)));
  const facts = { revision: state.revision, services: state.services.size };
  return seal({ file: KIND, format: FORMAT, at }, facts, content);
}

/** @throws InvalidBackupError saying what is wrong with it */
export async function unpackBackup(file: Buffer): Promise<BackupContent> {
  const { content, seal } = opened(file);
  const json = await promisify(gunzip)(content, { maxOutputLength: MAX_CONTENT_BYTES });
  const snapshot = JSON.parse(json.toString('utf8')) as SnapshotRecord;
  const migrated = snapshot.kind === 'snapshot' ? migrate(snapshot) : undefined;
  if (migrated !== undefined) return migrated;
  throw new InvalidBackupError(
    `is of format ${seal.format}; this version reads formats up to ${FORMAT}. Restore it with the version that wrote it`,
  );
}

function opened(file: Buffer): ReturnType<typeof unseal> {
  try {
    return unseal(KIND, file);
  } catch (error) {
    if (error instanceof DamagedFileError) throw new InvalidBackupError(error.message);
    throw error;
  }
}
