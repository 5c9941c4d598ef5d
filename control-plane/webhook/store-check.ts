import type { MeshServiceInput } from '../../src/model/schema.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ConfigStore } from '../store/config-store.js';
import { RejectedError } from '../store/errors.js';
import type { CheckAgainstStore } from './validate-review.js';

/**
 * What `roost apply --dry-run` would say of a document beside its own mistakes. A store that does not answer says
 * nothing: a document that is valid by itself is not refused because of it.
 */
export function storeCheck(store: ConfigStore, log: Logger): CheckAgainstStore {
  return async (document) => {
    try {
      await store.edit({ documents: [document as MeshServiceInput], dryRun: true });
      return [];
    } catch (error) {
      if (error instanceof RejectedError) return error.problems.get(0) ?? [];
      log.warn({ err: error }, 'a MeshService could not be checked against the others');
      return [];
    }
  };
}
