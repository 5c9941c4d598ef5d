import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { DamagedFileError, seal, unseal } from '../../src/lifecycle/sealed-file.js';
import type { ConfigState } from './config-state.js';
import { InvalidBackupError } from './errors.js';
import { FORMAT, migrate, type SnapshotRecord, snapshotOf } from './journal-records.js';

/** Everything that a control plane keeps. The file holds the key of pins: keep it as you keep passwords. */
export type BackupContent = SnapshotRecord;

const KIND = 'roost-backup';
/** Most that a backup may be unpacked: thousands of services, and as much history as is kept. */
const MAX_CONTENT_BYTES = 128 * 1024 * 1024;

/** A backup file: sealed, its content as JSON with gzip. @param at ISO 8601 */
export async function packBackup(state: ConfigState, at: string): Promise<Buffer> {
  const content = await promisify(gzip)(JSON.stringify(snapshotOf(state)));
  const facts = { revision: state.revision, services: state.services.size };
  return seal({ file: KIND, format: FORMAT, at }, facts, content);
}

/**
 * What a backup file has. Blocks for as long as that takes, seconds for the largest: see `unpackBackup`.
 *
 * @throws InvalidBackupError saying what is wrong with it
 */
export function readBackup(file: Buffer): BackupContent {
  const { content } = opened(file);
  const snapshot = parsed(unzipped(content));
  if (!isSnapshot(snapshot)) throw new InvalidBackupError('is damaged: its content is not a configuration');
  const migrated = migrate(snapshot);
  if (migrated !== undefined) return migrated;
  throw new InvalidBackupError(
    `is of format ${snapshot.format}; this version reads formats up to ${FORMAT}. Restore it with the version that wrote it`,
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

function unzipped(content: Buffer): string {
  try {
    return gunzipSync(content, { maxOutputLength: MAX_CONTENT_BYTES }).toString('utf8');
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const megabytes = MAX_CONTENT_BYTES / 1024 / 1024;
    throw new InvalidBackupError(
      isTooLarge
        ? `unpacks to more than ${megabytes} MiB, the most that is taken`
        : 'is damaged: its content does not unpack',
    );
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidBackupError('is damaged: its content is not JSON');
  }
}

/** Whether all has the shape that is relied on; documents are checked like any others when they are restored. */
function isSnapshot(value: unknown): value is SnapshotRecord {
  if (!isObject(value) || value.kind !== 'snapshot') return false;
  const { format, revision, pinSecret, services, history } = value;
  return (
    Number.isSafeInteger(format) &&
    isRevision(revision) &&
    typeof pinSecret === 'string' &&
    Array.isArray(services) &&
    services.every(isService) &&
    (history === undefined || (Array.isArray(history) && history.every(isEntry)))
  );
}

function isService(entry: unknown): boolean {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !isObject(entry[1])) return false;
  const { document, revision, born, rollout, grant } = entry[1];
  const isBorn = isObject(born) && Object.values(born).every(isRevision);
  const isRollout = rollout === undefined || isRevision(rollout);
  const isApproved = grant === undefined || isGrant(grant);
  return isObject(document) && isRevision(revision) && isBorn && isRollout && isApproved;
}

function isGrant(grant: unknown): boolean {
  if (!isObject(grant)) return false;
  const { hosts, endpoints, files } = grant;
  const isText = (item: unknown) => typeof item === 'string';
  return [hosts, endpoints, files].every((list) => Array.isArray(list) && list.every(isText));
}

function isEntry(entry: unknown): boolean {
  if (!isObject(entry) || !isRevision(entry.revision) || typeof entry.at !== 'string') return false;
  return Array.isArray(entry.before) && entry.before.every((pair) => Array.isArray(pair));
}

function isRevision(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
