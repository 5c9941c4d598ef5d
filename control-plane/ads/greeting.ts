import { Metadata } from '@grpc/grpc-js';
import { REPLACES_METADATA, STORE_METADATA, storeIdentity } from '../../src/api/store-identity.js';

/**
 * What discovery streams begin with: which store this is, so that a client which holds the configuration of another
 * one does not take what is unknown here for removed.
 *
 * @param replaces it is to: the operator says that nothing else counts
 */
export function greetingOf(pinSecret: Uint8Array, replaces: boolean): Metadata {
  const metadata = new Metadata();
  metadata.set(STORE_METADATA, storeIdentity(pinSecret));
  if (replaces) metadata.set(REPLACES_METADATA, '1');
  return metadata;
}
