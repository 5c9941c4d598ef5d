/** What a series of requests has in common. Bounded: they come from configuration, never from a request. */
export interface RequestLabels {
  readonly direction: 'inbound' | 'outbound';
  /** `checkout.shop`; empty where no service was found. */
  readonly service: string;
  readonly release: string;
  readonly route: string;
}

/** Counts of one series, in plain numbers. */
export class RequestSeries {
  readonly statuses = new Map<number, number>();
  readonly buckets: Float64Array;
  count = 0;
  sumMs = 0;

  constructor(
    readonly labels: RequestLabels,
    private readonly bounds: readonly number[],
  ) {
    this.buckets = new Float64Array(bounds.length);
  }

  record(status: number, durationMs: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.count++;
    this.sumMs += durationMs;
    for (let i = 0; i < this.bounds.length; i++) {
      if (durationMs <= (this.bounds[i] as number)) {
        this.buckets[i] = (this.buckets[i] as number) + 1;
        return;
      }
    }
  }
}

const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
/** Most series kept; configuration that changes its names for ever must not fill memory. What is beyond goes into one. */
const MAX_SERIES = 20_000;

/** Stands for every service beyond {@link MAX_SERIES}. */
const OVERFLOW = 'other';

/** Every series, found by the objects that configuration compiled to rather than by their names. */
export class RequestStatistics {
  readonly bounds: readonly number[] = BOUNDS_MS;
  private readonly byName = new Map<string, RequestSeries>();
  private readonly byRoute = new WeakMap<object, WeakMap<object, RequestSeries>>();

  get all(): RequestSeries[] {
    return [...this.byName.values()];
  }

  /**
   * The series of a route and a release.
   *
   * @param describe names them, the first time
   */
  seriesOf(route: object, release: object, describe: () => RequestLabels): RequestSeries {
    let byRelease = this.byRoute.get(route);
    if (byRelease === undefined) {
      byRelease = new WeakMap();
      this.byRoute.set(route, byRelease);
    }
    let series = byRelease.get(release);
    if (series === undefined) {
      series = this.named(describe());
      byRelease.set(release, series);
    }
    return series;
  }

  /** The series with these labels. */
  named(labels: RequestLabels): RequestSeries {
    const key = `${labels.direction}\n${labels.service}\n${labels.release}\n${labels.route}`;
    const known = this.byName.get(key);
    if (known) return known;
    const isFull = this.byName.size >= MAX_SERIES && labels.service !== OVERFLOW;
    if (isFull) return this.named({ direction: labels.direction, service: OVERFLOW, release: '', route: '' });
    const made = new RequestSeries(labels, BOUNDS_MS);
    this.byName.set(key, made);
    return made;
  }
}
