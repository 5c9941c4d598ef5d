import { Metadata } from '@grpc/grpc-js';
import {
  REPLACES_METADATA,
  REVISION_METADATA,
  SIDECAR_KEY_METADATA,
  STORE_METADATA,
  sidecarKeyOf,
  storeIdentity,
} from '../../src/api/store-identity.js';
import type { Configuration } from '../store/configuration.js';

/**
 * What discovery streams begin with: which store this is, and at which revision, so that a client which holds the
 * configuration of another one, or a newer one, does not take what is unknown here for removed; and the key that
 * sidecars of this store share.
 *
 * @param replaces it is to: the operator says that nothing else counts
 */
export function greetingOf(
  { pinSecret, revision }: Pick<Configuration, 'pinSecret' | 'revision'>,
  replaces: boolean,
): Metadata {
  const metadata = new Metadata();
  metadata.set(STORE_METADATA, storeIdentity(pinSecret));
  metadata.set(SIDECAR_KEY_METADATA, sidecarKeyOf(pinSecret));
  metadata.set(REVISION_METADATA, String(revision));
  if (replaces) metadata.set(REPLACES_METADATA, '1');
  return metadata;
}
