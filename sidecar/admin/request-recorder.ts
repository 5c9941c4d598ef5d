import { type LocalReply, replyStatus } from '../../src/http/error-catalogue.js';
import type { OutboundForwarder } from '../outbound/outbound-forwarder.js';
import type { Exchange } from '../proxy/exchange.js';
import type { RequestSeries, RequestStatistics } from './request-statistics.js';

/** Counts every request that ends, whoever answered it. */
export class RequestRecorder {
  private readonly ownSeries: RequestSeries;

  /** @param service whose sidecar this is, `checkout.shop` */
  constructor(
    private readonly statistics: RequestStatistics,
    service: string,
    release: string,
  ) {
    this.ownSeries = statistics.named({ direction: 'inbound', service, release, route: '' });
  }

  inbound(exchange: Exchange): void {
    this.ownSeries.record(exchange.outcome.status, performance.now() - exchange.startedAt);
  }

  outbound(exchange: Exchange, forwarder: OutboundForwarder): void {
    const now = performance.now();
    this.outboundSeries(forwarder).record(exchange.outcome.status, now - exchange.startedAt);
    forwarder.settleLast(exchange, now);
  }

  /** A request that was refused before it was one. */
  refused(direction: 'inbound' | 'outbound', reply: LocalReply): void {
    const series = this.statistics.named({ direction, service: '', release: '', route: '' });
    series.record(replyStatus(reply), 0);
  }

  private outboundSeries({ host, route, placement }: OutboundForwarder): RequestSeries {
    if (host === undefined || route === undefined) {
      return this.statistics.named({
        direction: 'outbound',
        service: host?.service.label ?? '',
        release: '',
        route: '',
      });
    }
    const release = placement?.release;
    return this.statistics.seriesOf(route, release ?? host, () => ({
      direction: 'outbound',
      service: host.service.label,
      release: release?.name ?? '',
      route: route.name,
    }));
  }
}
