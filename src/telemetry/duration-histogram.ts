/** Upper ends of buckets, with what their `le` label says. */
export interface DurationBounds {
  readonly ms: readonly number[];
  readonly labels: readonly string[];
}

export function durationBounds(ms: readonly number[]): DurationBounds {
  return { ms, labels: ms.map((bound) => `le="${bound / 1000}"`) };
}

/** Counts durations in plain numbers. Taken in milliseconds, shown in seconds. */
export class DurationHistogram {
  count = 0;
  private sumMs = 0;
  private readonly buckets: Float64Array;

  constructor(private readonly bounds: DurationBounds) {
    this.buckets = new Float64Array(bounds.ms.length);
  }

  observe(durationMs: number): void {
    const { ms } = this.bounds;
    this.count++;
    this.sumMs += durationMs;
    for (let i = 0; i < ms.length; i++) {
      if (durationMs <= (ms[i] as number)) {
        this.buckets[i] = (this.buckets[i] as number) + 1;
        return;
      }
    }
  }

  /** @param labels as `labelText` makes them; empty: none */
  samples(name: string, labels: string): string {
    const before = labels === '' ? '' : `${labels},`;
    const own = labels === '' ? '' : `{${labels}}`;
    let below = 0;
    let text = '';
    for (let i = 0; i < this.buckets.length; i++) {
      below += this.buckets[i] as number;
      text += `${name}_bucket{${before}${this.bounds.labels[i]}} ${below}\n`;
    }
    text += `${name}_bucket{${before}le="+Inf"} ${this.count}\n`;
    return `${text}${name}_sum${own} ${this.sumMs / 1000}\n${name}_count${own} ${this.count}\n`;
  }
}
