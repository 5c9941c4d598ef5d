import { sameGrant } from '../../src/model/grant.js';
import { type MeshService, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import type { BackupContent } from './backup.js';
import type { Change, ConfigState, ServiceRecord } from './config-state.js';
import { digestOf } from './digest.js';
import { DeclaredInFileError, InvalidBackupError } from './errors.js';
import { isDefault } from './source-mark.js';

/**
 * The one change that puts everything back to what a backup has. Services that are that way already stay as they
 * are. Releases get back the births that they had, rollouts their samples, and pins their secret, so that sessions of then hold again. Its
 * revision is above all that the backup knows, so that no birth is given out twice.
 *
 * @returns undefined where everything is that way already
 * @throws DeclaredInFileError where a file declares a service that the backup does not have
 */
export function planRestore(state: ConfigState, backup: BackupContent): Omit<Change, 'at'> | undefined {
  const revision = Math.max(state.revision, backup.revision) + 1;
  const put = backup.services.flatMap(([key, record]) => restored(state, key, record, revision));
  const kept = new Set(backup.services.map(([key]) => key));
  const deleted = [...state.services.keys()].filter((key) => !kept.has(key));
  for (const key of deleted) {
    const mark = state.services.get(key)?.source;
    if (mark !== undefined && !isDefault(mark)) throw new DeclaredInFileError(key, mark.file);
  }
  const { pinSecret, history } = backup;
  const sameSecret = pinSecret === state.pinSecret.toString('base64');
  if (put.length === 0 && deleted.length === 0 && sameSecret) return undefined;
  const isNew = state.history.entries.length === 0 && state.services.size === 0;
  return { revision, put, deleted, restored: isNew ? { pinSecret, history } : { pinSecret } };
}

/** The record of a service as it is to be, or none where it is so already. A file that declares it still does. */
function restored(
  { services }: ConfigState,
  key: ServiceKey,
  { document, born, rollout, grant }: ServiceRecord,
  revision: number,
): [ServiceKey, ServiceRecord][] {
  const now = services.get(key);
  const same =
    now !== undefined && digestOf(now.document) === digestOf(document) && sameGrant(now.grant, grant);
  if (same && bornText(now.born) === bornText(born) && now.rollout === rollout) return [];
  const record = {
    document,
    born,
    revision: same ? now.revision : revision,
    ...(rollout !== undefined && { rollout }),
    ...(grant && { grant }),
  };
  return [[key, now?.source === undefined ? record : { ...record, source: now.source }]];
}

/** Records are found by their keys: each has to be its document's. @throws InvalidBackupError */
export function checkKeys({ services }: BackupContent, parsed: readonly MeshService[]): void {
  services.forEach(([key], i) => {
    const service = parsed[i] as MeshService;
    if (key !== serviceKey(service))
      throw new InvalidBackupError(`is damaged: what it has as ${key} is ${serviceKey(service)}`);
  });
}

function bornText(born: ServiceRecord['born']): string {
  return Object.entries(born).sort().join();
}
