import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import type { ChangedNames } from './snapshot.js';

interface Entry {
  /** The sequence number that the change led away from. */
  readonly from: number;
  readonly changed: ChangedNames;
}

/** How many changes are remembered. A client that is further behind is told everything again. */
const MAX_ENTRIES = 1000;

/**
 * What changed from one sequence number of the snapshot to the next, so that a client that fell behind is sent the sum of what it missed
 * and nothing else. Clients that are equally far behind share one sum.
 */
export class ChangeLog {
  private entries: Entry[] = [];
  private summedFrom = -1;
  private sum: ChangedNames | undefined;

  add(from: number, changed: ChangedNames): void {
    this.entries.push({ from, changed });
    if (this.entries.length > MAX_ENTRIES) this.entries = this.entries.slice(-MAX_ENTRIES / 2);
    this.summedFrom = -1;
  }

  /** Names changed since a sequence number; undefined where that is no longer known. */
  since(sequence: number): ChangedNames | undefined {
    if (this.summedFrom === sequence) return this.sum;
    const first = this.entries.findIndex((entry) => entry.from >= sequence);
    const known = first !== -1 && this.entries[first]?.from === sequence;
    this.sum = known ? sumOf(this.entries.slice(first)) : undefined;
    this.summedFrom = sequence;
    return this.sum;
  }
}

function sumOf(entries: readonly Entry[]): ChangedNames | undefined {
  const [only] = entries;
  if (entries.length === 1) return only?.changed;
  const union = (kind: (typeof PUSH_ORDER)[number]) =>
    new Set(entries.flatMap(({ changed }) => [...changed[kind]]));
  return Object.fromEntries(PUSH_ORDER.map((kind) => [kind, union(kind)])) as unknown as ChangedNames;
}
