import type { ClusterVersion, View } from '../fleet/cluster-version.js';
import type { Pod } from '../world/pods.js';
import { hashOf } from './hash.js';

/** ADR 3: entries for each unit of weight, in rings of up to 16 units and in larger ones. */
const ENTRIES = { fine: 256, coarse: 32, limit: 16 };
/** More than any pod has. */
const MOST_ENTRIES = 1_000_000;

/**
 * S5, told without a ring: every pod has its entries on the circle of hashes, and a session belongs to the usable
 * pod with the first entry at or after the session's hash. Knows nothing of tables or of how they are walked.
 */
export class ConsistentHash {
  /** Sorted hashes of a pod's entries, by pod and number of entries. */
  private readonly entries = new Map<number, BigUint64Array>();
  private readonly counts = new WeakMap<ClusterVersion, readonly number[]>();

  /** @param usable whether a pod, by its index in the view, may be picked */
  pick(hash: bigint, view: View, usable: (index: number) => boolean): Pod | undefined {
    const counts = this.countsOf(view.version);
    let best: Pod | undefined;
    let bestDistance = 0n;
    view.version.pods.forEach((pod, i) => {
      if (!usable(i)) return;
      const distance = BigInt.asUintN(64, this.firstAtOrAfter(pod, counts[i] as number, hash) - hash);
      if (best !== undefined && distance >= bestDistance) return;
      best = pod;
      bestDistance = distance;
    });
    return best;
  }

  /** Entries of each pod: what tells whether two versions' rings give the same pod the same entries. */
  countsOf(version: ClusterVersion): readonly number[] {
    let counts = this.counts.get(version);
    if (counts === undefined) {
      const unit = version.pods.reduce((divisor, { weight }) => commonDivisor(divisor, weight), 0);
      const units = version.pods.map(({ weight }) => weight / unit);
      const all = units.reduce((sum, n) => sum + n, 0);
      counts = units.map((n) => n * (all <= ENTRIES.limit ? ENTRIES.fine : ENTRIES.coarse));
      this.counts.set(version, counts);
    }
    return counts;
  }

  private firstAtOrAfter(pod: Pod, count: number, hash: bigint): bigint {
    const sorted = this.entriesOf(pod, count);
    let from = 0;
    let to = sorted.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((sorted[middle] as bigint) < hash) from = middle + 1;
      else to = middle;
    }
    return sorted[from === sorted.length ? 0 : from] as bigint;
  }

  private entriesOf({ id, address }: Pod, count: number): BigUint64Array {
    const key = id * MOST_ENTRIES + count;
    let sorted = this.entries.get(key);
    if (sorted === undefined) {
      sorted = BigUint64Array.from({ length: count }, (_, i) => hashOf(`${address}_${i}`)).sort();
      this.entries.set(key, sorted);
    }
    return sorted;
  }
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
