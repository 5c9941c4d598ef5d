import type { Release } from '../../src/routing/release.js';
import type { VirtualHost } from '../../src/routing/table.js';
import { MAX_SERIES } from '../../src/telemetry/metrics.js';

/** What requests that failed over have in common. */
export interface FailoverLabels {
  /** `checkout.shop` */
  readonly service: string;
  /** The release that had no usable endpoint for them. */
  readonly release: string;
  /** The one that they went to. */
  readonly to: string;
}

/** Requests that failed over since the last time that this was told. */
export interface NewFailovers extends FailoverLabels {
  /** Of the release that had no usable endpoint. */
  readonly cluster: string;
  readonly count: number;
}

interface Counted extends FailoverLabels {
  readonly cluster: string;
  total: number;
  /** Of the total, what has been told. */
  told: number;
}

const OVERFLOW = { service: 'other', release: '', to: '', cluster: '' };
/** News are told at most this often. */
const TELL_INTERVAL_MS = 1000;

/** Counts the requests that went to another release because theirs had no usable endpoint (S4.5). */
export class Failovers {
  private readonly counts = new Map<string, Counted>();
  private hasNews = false;
  private toldMs = Number.NEGATIVE_INFINITY;

  /** @param tell is given what is new; see {@link onTick} */
  constructor(private readonly tell: (news: readonly NewFailovers[]) => void) {}

  get all(): Iterable<{ readonly labels: FailoverLabels; readonly total: number }> {
    return [...this.counts.values()].map(({ service, release, to, total }) => ({
      labels: { service, release, to },
      total,
    }));
  }

  /** Requests that another release took, by the cluster that should have. */
  get byCluster(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const { cluster, total } of this.counts.values())
      sums.set(cluster, (sums.get(cluster) ?? 0) + total);
    sums.delete(OVERFLOW.cluster);
    return sums;
  }

  count({ service: { label } }: VirtualHost, from: Release, to: Release): void {
    this.counted({ service: label, release: from.name, to: to.name, cluster: from.cluster.name }).total++;
    this.hasNews = true;
  }

  /** Called on the coarse clock's tick. */
  onTick(nowMs: number): void {
    if (!this.hasNews || nowMs - this.toldMs < TELL_INTERVAL_MS) return;
    this.hasNews = false;
    this.toldMs = nowMs;
    const news: NewFailovers[] = [];
    for (const counted of this.counts.values()) {
      const { total, told, cluster, service, release, to } = counted;
      if (total > told && cluster !== OVERFLOW.cluster)
        news.push({ service, release, to, cluster, count: total - told });
      counted.told = total;
    }
    this.tell(news);
  }

  private counted(labels: Omit<Counted, 'total' | 'told'>): Counted {
    const key = `${labels.cluster}\n${labels.to}`;
    const known = this.counts.get(key);
    if (known !== undefined) return known;
    if (this.counts.size >= MAX_SERIES && labels !== OVERFLOW) return this.counted(OVERFLOW);
    const made = { ...labels, total: 0, told: 0 };
    this.counts.set(key, made);
    return made;
  }
}
