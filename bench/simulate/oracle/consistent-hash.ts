import type { View } from '../fleet/cluster-version.js';
import type { Pod } from '../world/pods.js';
import { hashOf } from './hash.js';

/** ADR 3: entries for each unit of weight, which is at most 16 here. */
const ENTRIES_PER_UNIT = 256;

/**
 * S5, told without a ring: every pod has its entries on the circle of hashes, and a session belongs to the usable
 * pod with the first entry at or after the session's hash. Knows nothing of tables or of how they are walked.
 */
export class ConsistentHash {
  /** Sorted hashes of each pod's entries: the same for as long as there is the pod. */
  private readonly entries = new Map<number, BigUint64Array>();

  /** @param usable whether a pod, by its index in the view, may be picked */
  pick(hash: bigint, view: View, usable: (index: number) => boolean): Pod | undefined {
    let best: Pod | undefined;
    let bestDistance = 0n;
    view.version.pods.forEach((pod, i) => {
      if (!usable(i)) return;
      const distance = BigInt.asUintN(64, this.firstAtOrAfter(pod, hash) - hash);
      if (best !== undefined && distance >= bestDistance) return;
      best = pod;
      bestDistance = distance;
    });
    return best;
  }

  private firstAtOrAfter(pod: Pod, hash: bigint): bigint {
    const sorted = this.entriesOf(pod);
    let from = 0;
    let to = sorted.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((sorted[middle] as bigint) < hash) from = middle + 1;
      else to = middle;
    }
    return sorted[from === sorted.length ? 0 : from] as bigint;
  }

  private entriesOf({ id, address, weight }: Pod): BigUint64Array {
    let sorted = this.entries.get(id);
    if (sorted === undefined) {
      const length = ENTRIES_PER_UNIT * weight;
      sorted = BigUint64Array.from({ length }, (_, i) => hashOf(`${address}_${i}`)).sort();
      this.entries.set(id, sorted);
    }
    return sorted;
  }
}
