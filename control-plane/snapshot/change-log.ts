import { type ChangedNames, unionOf } from './changed-names.js';

interface Entry {
  /** The sequence number that the first change of the entry led away from. */
  readonly from: number;
  readonly changed: ChangedNames;
}

/** How many entries are kept; beyond it the older half becomes one. */
const MAX_ENTRIES = 1000;

/** Sums kept until the next change; clients that do not keep up are far behind in many ways. */
const MAX_SUMS = 16;

/**
 * What changed from one sequence number of the snapshot to the next, so that a client that fell behind is sent
 * the sum of what it missed. Clients that are equally far behind share one sum. Nothing that a client may still
 * have to be told is ever forgotten: where the log grows too long, its older entries are merged, and a client
 * from the midst of them is told a little more than it missed, which does no harm.
 */
export class ChangeLog {
  private entries: Entry[] = [];
  /** By the sequence number that they begin at. */
  private readonly sums = new Map<number, ChangedNames>();

  constructor(private readonly maxEntries = MAX_ENTRIES) {}

  /**
   * @param from the sequence number that the change led away from
   * @param slowest tells the oldest sequence number that any client is at
   */
  add(from: number, changed: ChangedNames, slowest: () => number): void {
    this.entries.push({ from, changed });
    this.sums.clear();
    if (this.entries.length > this.maxEntries) this.shorten(slowest());
  }

  /** Names changed since a sequence number, and perhaps some that changed shortly before. */
  since(sequence: number): ChangedNames {
    const known = this.sums.get(sequence);
    if (known !== undefined) return known;
    const sum = unionOf(this.entries.slice(this.indexOf(sequence)).map(({ changed }) => changed));
    if (this.sums.size >= MAX_SUMS) this.sums.clear();
    this.sums.set(sequence, sum);
    return sum;
  }

  /** Of the entry that the sequence number is in. */
  private indexOf(sequence: number): number {
    const later = this.entries.findIndex(({ from }) => from > sequence);
    return Math.max(0, (later === -1 ? this.entries.length : later) - 1);
  }

  private shorten(slowest: number): void {
    this.entries = this.entries.slice(this.indexOf(slowest));
    if (this.entries.length <= this.maxEntries) return;
    const half = this.entries.splice(0, Math.ceil(this.entries.length / 2));
    const [oldest] = half as [Entry];
    this.entries.unshift({ from: oldest.from, changed: unionOf(half.map(({ changed }) => changed)) });
  }
}
