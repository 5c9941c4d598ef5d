import { STATUS_CODES } from 'node:http';
import { DurationHistogram, durationBounds } from '../../src/telemetry/duration-histogram.js';
import { labelText, MAX_SERIES } from '../../src/telemetry/metrics.js';

/** What a series of requests has in common. They come from configuration, never from a request. */
export interface RequestLabels {
  readonly direction: 'inbound' | 'outbound';
  /** `checkout.shop`; empty where no service was found. */
  readonly service: string;
  readonly release: string;
  readonly route: string;
}

const BOUNDS = durationBounds([0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]);

/** Requests of one series with one status. */
export interface CodeCount {
  readonly code: string;
  count: number;
}

/** Counts of one series, in plain numbers. */
export class RequestSeries {
  /** As the text format has them. */
  readonly labels: string;
  readonly durations = new DurationHistogram(BOUNDS);
  /** Attempts beyond each request's first. */
  retries = 0;
  /** One for each code that is shown. */
  readonly codes: CodeCount[] = [];
  /** Calls of gRPC that have ended, by their status; empty: none. */
  readonly grpcCalls: number[] = [];
  private readonly byStatus = new Map<number, CodeCount>();

  constructor({ direction, service, release, route }: RequestLabels) {
    this.labels = labelText({ direction, service, release, route });
  }

  /** @param attempts made for the request; 0: it went nowhere */
  record(status: number, durationMs: number, attempts: number): void {
    const known = this.byStatus.get(status) ?? this.first(status);
    known.count++;
    if (attempts > 1) this.retries += attempts - 1;
    this.durations.observe(durationMs);
  }

  /** @param status of gRPC */
  recordGrpc(status: number): void {
    this.grpcCalls[status] = (this.grpcCalls[status] ?? 0) + 1;
  }

  private first(status: number): CodeCount {
    const code = codeLabel(status);
    let counted = this.codes.find((known) => known.code === code);
    if (counted === undefined) {
      counted = { code, count: 0 };
      this.codes.push(counted);
    }
    this.byStatus.set(status, counted);
    return counted;
  }
}

/**
 * A registered status code as it is, any other by its class: an upstream may answer with whatever it likes, some
 * with what their client asks for. 0: the client was sent none.
 */
function codeLabel(status: number): string {
  if (status === 0 || STATUS_CODES[status] !== undefined) return String(status);
  return `${Math.floor(status / 100)}xx`;
}

/** The service of requests beyond {@link MAX_SERIES}; no service of ours has a name without a namespace. */
const OVERFLOW = 'other';

/** Every series, found by the objects that configuration compiled to rather than by their names. */
export class RequestStatistics {
  private readonly byName = new Map<string, RequestSeries>();
  private readonly byRoute = new WeakMap<object, WeakMap<object, RequestSeries>>();

  get all(): Iterable<RequestSeries> {
    return this.byName.values();
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
    const made = new RequestSeries(labels);
    this.byName.set(key, made);
    return made;
  }
}
