import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { ConfigState } from './config-state.js';
import { NothingToUndoError, UnknownServiceError } from './errors.js';
import { changesOf, type PastDocument, pastAt } from './history.js';

/**
 * What undoing puts in force.
 *
 * @param to revision at which it was in force; undefined: before the service's last change
 * @throws NothingToUndoError, UnknownServiceError
 */
export function pastToUndoTo(state: ConfigState, key: ServiceKey, to: number | undefined): PastDocument {
  const [last] = changesOf(state, key);
  if (last === undefined && !state.services.has(key))
    throw new UnknownServiceError(key, state.services.keys());
  if (to !== undefined) {
    const past = to > state.revision ? undefined : pastAt(state, key, to);
    if (past === undefined) throw new NothingToUndoError(unknownPast(state, key, to));
    return past;
  }
  if (last === undefined) throw new NothingToUndoError(`no change of ${key} is kept that could be undone`);
  if (last.before !== null) return last.before;
  throw new NothingToUndoError(
    `the last change of ${key}, revision ${last.revision}, created it; "roost delete" takes it out`,
  );
}

function unknownPast(state: ConfigState, key: ServiceKey, to: number): string {
  if (to > state.revision) return `there is no revision ${to} yet; the newest is ${state.revision}`;
  const revisions = changesOf(state, key).map(({ revision }) => revision);
  const oldest = revisions.at(-1);
  const kept =
    oldest === undefined ? 'none of its changes are kept' : `its changes are kept from revision ${oldest} on`;
  return `${key} did not exist at revision ${to}, or that is too long ago; ${kept}`;
}
