import type { Message } from './descriptors.js';
import { message } from './fields.js';

/** Key of our own entry in a cluster's metadata. */
export const CLUSTER_METADATA_KEY = 'roost';

/** What our control plane means by a cluster, where Envoy's fields cannot say it. */
export type ClusterPromise =
  /** The ring's size is in proportion to the endpoints (`proportionalRingSize`). */
  | 'proportionalRing'
  /** `min_retry_concurrency` is also a rate: so many retries a second beyond it, and ten seconds' worth at once. */
  | 'retryReserve';

export function hasPromise(cluster: Message, promise: ClusterPromise): boolean {
  const ours = message(message(message(cluster.metadata)?.filterMetadata)?.[CLUSTER_METADATA_KEY]);
  return message(message(ours?.fields)?.[promise])?.boolValue === true;
}

/** `envoy.config.core.v3.Metadata` that says all of them. */
export const OUR_CLUSTER_METADATA: object = {
  filterMetadata: {
    [CLUSTER_METADATA_KEY]: {
      fields: {
        ['proportionalRing' satisfies ClusterPromise]: { boolValue: true },
        ['retryReserve' satisfies ClusterPromise]: { boolValue: true },
      },
    },
  },
};
