import { createHash, createHmac } from 'node:crypto';

/**
 * Initial metadata of discovery streams: which store the configuration is from. It is the same for control planes that
 * share a store, and comes back with a backup that is restored.
 */
export const STORE_METADATA = 'roost-store';

/** Initial metadata of discovery streams: the revision that is served as the stream begins. */
export const REVISION_METADATA = 'roost-revision';

/** Initial metadata that says: what you have from another store and is not known here is to go. */
export const REPLACES_METADATA = 'roost-store-replaces';

/** Initial metadata of discovery streams: {@link sidecarKeyOf}, in base64url. */
export const SIDECAR_KEY_METADATA = 'roost-sidecar-key';

/** What sidecars that are served from one store recognise each other's word by (see `sidecar/http/app-refusal.ts`). */
export function sidecarKeyOf(pinSecret: Uint8Array): string {
  return createHmac('sha256', pinSecret).update('roost sidecars').digest('base64url');
}

/** Names a store without telling its secret. */
export function storeIdentity(pinSecret: Uint8Array): string {
  return createHash('sha256').update('roost store').update(pinSecret).digest('base64url').slice(0, 22);
}
