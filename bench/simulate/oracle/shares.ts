import type { ReadRelease, ReadSplit } from './reading.js';

/** Who was counted: sessions when they were first placed by their slot, by mode, or single requests left to chance. */
export type Sample = 'balanced' | 'persistent' | 'chance';

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
  readonly sample: Sample | 'all';
  readonly splits: number;
  readonly total: number;
  /** Share of those who got another release than the split's first, in percent. */
  readonly askedPercent: number;
  readonly gotPercent: number;
  /** Most that the two may differ by, in points. */
  readonly limitPoints: number;
}

/** How far a share may be off: in points, or, where fewer were counted than that takes, in standard deviations. */
const POOL_LIMIT = { points: 0.2, deviations: 4 };
/** One split by itself: by chance, one release in two million is further off. */
const SPLIT_LIMIT_DEVIATIONS = 5;
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

  /** What all splits of a sample, of whatever size, came to together; and all samples. */
  pooled(): PooledShare[] {
    const all = [...this.splits.values()];
    const samples = [...new Set(all.map(({ sample }) => sample))].sort();
    const each = samples.map((wanted) =>
      pool(
        wanted,
        all.filter(({ sample }) => sample === wanted),
      ),
    );
    return all.length === 0 ? [] : [...each, pool('all', all)];
  }
}

export function isWrong({ releases }: ShareResult): boolean {
  return releases.some(({ deviations }) => Math.abs(deviations) > SPLIT_LIMIT_DEVIATIONS);
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

function pool(sample: PooledShare['sample'], counted: readonly Counted[]): PooledShare {
  const sum = (of: (each: Counted) => number) => counted.reduce((total, each) => total + of(each), 0);
  const others = ({ split }: Counted) => 1 - (split.slots[0] as number) / SLOTS;
  const total = sum((each) => each.total);
  const asked = sum((each) => each.total * others(each));
  const got = sum(({ counts, total: n }) => n - (counts[0] as number));
  const variance = sum((each) => each.total * others(each) * (1 - others(each)));
  return {
    sample,
    splits: counted.length,
    total,
    askedPercent: (100 * asked) / total,
    gotPercent: (100 * got) / total,
    limitPoints: Math.max(POOL_LIMIT.points, (100 * POOL_LIMIT.deviations * Math.sqrt(variance)) / total),
  };
}
