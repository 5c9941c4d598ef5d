import type { LocalReply } from '../../src/http/error-catalogue.js';
import { MAX_SERIES } from '../../src/telemetry/metrics.js';
import type { TunnelOutcome } from '../tcp/tcp-tunnel.js';

/** What connections that are carried as they are have in common. */
export interface TunnelLabels {
  readonly direction: 'inbound' | 'outbound';
  /** `checkout.shop`; empty: outside the mesh. */
  readonly service: string;
  readonly release: string;
}

/** How such a connection ended: both sides ended it, one cut it off, or none was made. */
export type TunnelResult = 'ended' | 'cut-off' | LocalReply['code'];

export interface TunnelSeries {
  readonly labels: TunnelLabels;
  readonly results: Map<TunnelResult, number>;
  sentBytes: number;
  receivedBytes: number;
}

/** Counts of the connections that were carried as they are. Bounded: services beyond {@link MAX_SERIES} share a series. */
export class TunnelStatistics {
  private readonly series = new Map<string, TunnelSeries>();

  get all(): Iterable<TunnelSeries> {
    return this.series.values();
  }

  record(labels: TunnelLabels, outcome: TunnelOutcome): void {
    const series = this.seriesOf(labels);
    const result = resultOf(outcome);
    series.results.set(result, (series.results.get(result) ?? 0) + 1);
    series.sentBytes += outcome.sentBytes;
    series.receivedBytes += outcome.receivedBytes;
  }

  private seriesOf(labels: TunnelLabels): TunnelSeries {
    const key = `${labels.direction}\n${labels.service}\n${labels.release}`;
    const known = this.series.get(key);
    if (known !== undefined) return known;
    const isFull = this.series.size >= MAX_SERIES && labels.service !== 'other';
    if (isFull) return this.seriesOf({ direction: labels.direction, service: 'other', release: '' });
    const made: TunnelSeries = { labels, results: new Map(), sentBytes: 0, receivedBytes: 0 };
    this.series.set(key, made);
    return made;
  }
}

function resultOf({ error, cutOff }: TunnelOutcome): TunnelResult {
  if (error !== undefined) return error.code;
  return cutOff === '' ? 'ended' : 'cut-off';
}
