import type { Message } from './descriptors.js';
import { message } from './fields.js';

/** Key of our own entry in a cluster's metadata. */
const METADATA_KEY = 'roost';

/**
 * What our control plane means by a cluster, where Envoy's fields cannot say it:
 *
 * - `proportionalRing`: the ring's size is in proportion to the endpoints (`proportionalRingSize`);
 * - `retryReserve`: `min_retry_concurrency` is also a rate (`RetryReserve`).
 */
const PROMISES = ['proportionalRing', 'retryReserve'] as const;

export function hasPromise(cluster: Message, promise: (typeof PROMISES)[number]): boolean {
  const ours = message(message(message(cluster.metadata)?.filterMetadata)?.[METADATA_KEY]);
  return message(message(ours?.fields)?.[promise])?.boolValue === true;
}

/** `envoy.config.core.v3.Metadata` that says all of them. */
export const OUR_CLUSTER_METADATA: object = {
  filterMetadata: {
    [METADATA_KEY]: { fields: Object.fromEntries(PROMISES.map((name) => [name, { boolValue: true }])) },
  },
};
