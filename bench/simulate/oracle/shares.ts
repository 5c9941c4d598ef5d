import type { ReadRelease, ReadSplit } from './reading.js';

/** Who was counted: sessions by their slot, once for each split (balanced) or when placed anew, or single requests. */
export type Sample = 'balanced' | 'persistent' | 'none' | 'chance';

interface Counted {
  readonly sample: Sample;
  readonly split: ReadSplit;
  readonly counts: number[];
  total: number;
}

/** How one split came out. */
export interface ShareResult {
  readonly sample: Sample;
  readonly total: number;
  readonly releases: readonly {
    readonly name: string;
    /** Of the hash space, exactly: slots of 10,000. */
    readonly asked: number;
    readonly got: number;
    /** Difference in standard deviations of the binomial distribution. */
    readonly deviations: number;
  }[];
}

/** All splits of one sample taken together. */
export interface PooledShare {
  readonly sample: Sample;
  readonly splits: number;
  readonly total: number;
  /** Share of those who got another release than the split's first, in percent. */
  readonly askedPercent: number;
  readonly gotPercent: number;
}

/** Beyond this, a share is wrong: by chance that happens to one release in two million. */
export const MAX_DEVIATIONS = 5;
/** Splits with fewer than this are left to the pool. */
const LEAST_TOTAL = 200;

/** Counts where sessions were placed, split by split. */
export class Shares {
  private readonly splits = new Map<string, Counted>();

  count(sample: Sample, split: ReadSplit, release: ReadRelease): void {
    const key = `${sample} ${split.id}`;
    let counted = this.splits.get(key);
    if (counted === undefined) {
      counted = { sample, split, counts: split.releases.map(() => 0), total: 0 };
      this.splits.set(key, counted);
    }
    const index = split.releases.findIndex(({ number }) => number === release.number);
    counted.counts[index] = (counted.counts[index] as number) + 1;
    counted.total++;
  }

  /** Largest first. */
  results(): ShareResult[] {
    return [...this.splits.values()]
      .filter(({ total }) => total >= LEAST_TOTAL)
      .sort((a, b) => b.total - a.total)
      .map(resultOf);
  }

  /** What all splits of a sample, of whatever size, came to together. */
  pooled(): PooledShare[] {
    const samples = new Set([...this.splits.values()].map(({ sample }) => sample));
    return [...samples].map((sample) => pool(sample, [...this.splits.values()]));
  }
}

const SLOTS = 10_000;

function resultOf({ sample, split, counts, total }: Counted): ShareResult {
  const releases = split.releases.map(({ name }, i) => {
    const asked = (split.slots[i] as number) / SLOTS;
    const got = (counts[i] as number) / total;
    const spread = Math.sqrt((asked * (1 - asked)) / total);
    const deviations = spread === 0 ? (got === asked ? 0 : Number.POSITIVE_INFINITY) : (got - asked) / spread;
    return { name, asked, got, deviations };
  });
  return { sample, total, releases };
}

function pool(sample: Sample, all: readonly Counted[]): PooledShare {
  const counted = all.filter((each) => each.sample === sample);
  const total = counted.reduce((sum, each) => sum + each.total, 0);
  const asked = counted.reduce(
    (sum, { split, total: n }) => sum + n * (1 - (split.slots[0] as number) / SLOTS),
    0,
  );
  const got = counted.reduce((sum, { counts, total: n }) => sum + n - (counts[0] as number), 0);
  return {
    sample,
    splits: counted.length,
    total,
    askedPercent: (100 * asked) / total,
    gotPercent: (100 * got) / total,
  };
}
