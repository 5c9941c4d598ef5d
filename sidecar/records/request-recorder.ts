import {
  ERROR_CATALOGUE,
  type ErrorCode,
  type LocalReply,
  replyStatus,
} from '../../src/http/error-catalogue.js';
import type { Call } from '../exchange/forwarder.js';
import { isServerError, type Outcome } from '../exchange/outcome.js';
import type { InboundTunnel } from '../inbound/app-tunnel.js';
import type { Direction } from '../net/listener.js';
import type { OutboundForwarder } from '../outbound/outbound-forwarder.js';
import type { OutboundTunnel } from '../outbound/tunnel-routes.js';
import type { TunnelOutcome } from '../tcp/tcp-tunnel.js';
import type { AccessLog, AccessLogLevel } from './access-log.js';
import type { Failovers } from './failovers.js';
import {
  describeInboundTunnel,
  describeRequest,
  describeTunnel,
  type RequestRecord,
} from './request-record.js';
import type { RequestSamples } from './request-samples.js';
import { type RequestSeries, RequestStatistics } from './request-statistics.js';
import { TunnelStatistics } from './tunnel-statistics.js';

export interface RecorderOptions {
  /** Whose sidecar this is, `checkout.shop`. */
  readonly service: string;
  readonly release: string;
  readonly level: AccessLogLevel;
  readonly accessLog: AccessLog;
  readonly samples: RequestSamples;
  readonly failovers: Failovers;
}

/** Counts every request that ends, however it was answered, and puts into words those that a reader may want. */
export class RequestRecorder {
  readonly requests = new RequestStatistics();
  readonly tunnels = new TunnelStatistics();
  /** Answers that the sidecar itself made. */
  readonly ownAnswers: Readonly<Record<Direction, Record<ErrorCode, number>>> = {
    inbound: noAnswers(),
    outbound: noAnswers(),
  };
  private readonly logsAll: boolean;
  private readonly logsErrors: boolean;
  private readonly ownSeries: RequestSeries;
  private readonly strangers: RequestSeries;
  private timeMs = 0;
  private timeText = '';

  constructor(private readonly options: RecorderOptions) {
    const { service, release, level } = options;
    this.logsAll = level === 'all';
    this.logsErrors = level !== 'off';
    this.ownSeries = this.requests.named({ direction: 'inbound', service, release, route: '' });
    this.strangers = this.requests.named({ direction: 'outbound', service: '', release: '', route: '' });
  }

  inbound(exchange: Call): void {
    this.end('inbound', exchange, this.ownSeries, undefined);
  }

  outbound(exchange: Call, forwarder: OutboundForwarder): void {
    this.end('outbound', exchange, this.outboundSeries(forwarder), forwarder);
  }

  /** A connection to the local app whose bytes were carried as they are. */
  inboundTunnel(tunnel: InboundTunnel, outcome: TunnelOutcome, startedAt: number): void {
    const { service, release } = this.options;
    this.tunnels.record({ direction: 'inbound', service, release }, outcome);
    this.noteTunnel('inbound', outcome, () =>
      describeInboundTunnel(tunnel, outcome, performance.now() - startedAt),
    );
  }

  /** A connection of the app whose bytes were carried as they are. */
  tunnel(tunnel: OutboundTunnel, outcome: TunnelOutcome, startedAt: number): void {
    const { host, placement } = tunnel;
    const labels = { service: host?.service.label ?? '', release: placement?.release.name ?? '' };
    this.tunnels.record({ direction: 'outbound', ...labels }, outcome);
    this.noteTunnel('outbound', outcome, () =>
      describeTunnel(tunnel, outcome, performance.now() - startedAt),
    );
  }

  private noteTunnel(
    direction: Direction,
    { error, cutOff }: TunnelOutcome,
    describe: () => RequestRecord,
  ): void {
    if (error !== undefined) this.ownAnswers[direction][error.code]++;
    const failed = error !== undefined || cutOff !== '';
    const sampled = this.options.samples.wants(failed);
    const logged = failed ? this.logsErrors : this.logsAll;
    if (sampled || logged) this.note(describe(), failed, sampled, logged);
  }

  /** A request that was refused before it was one. @param client its address, without the port */
  refused(direction: Direction, reply: LocalReply, client: string): void {
    const { code, detail } = reply;
    const status = replyStatus(reply);
    this.requests.named({ direction, service: '', release: '', route: '' }).record(status, 0, 0);
    this.ownAnswers[direction][code]++;
    const sampled = this.options.samples.wants(true);
    if (!sampled && !this.logsErrors) return;
    const nothing = { durationMs: 0, requestBytes: 0, responseBytes: 0 };
    this.note({ direction, status, ...nothing, client, error: code, detail }, true, sampled, this.logsErrors);
  }

  private end(
    direction: Direction,
    exchange: Call,
    series: RequestSeries,
    forwarder: OutboundForwarder | undefined,
  ): void {
    const { outcome, startedAt, attempts } = exchange;
    const now = performance.now();
    const durationMs = now - startedAt;
    forwarder?.attempts.settleLast(outcome, now);
    if (forwarder?.progress.placement?.failedOverFrom !== undefined) this.countFailover(forwarder);
    series.record(outcome.status, durationMs, attempts);
    if (outcome.grpcStatus !== undefined) series.recordGrpc(outcome.grpcStatus);
    if (outcome.error !== undefined) this.ownAnswers[direction][outcome.error.code]++;
    const failed = hasFailed(outcome);
    const sampled = this.options.samples.wants(failed);
    const logged = failed ? this.logsErrors : this.logsAll;
    if (sampled || logged)
      this.note(describeRequest(direction, exchange, durationMs, forwarder), failed, sampled, logged);
  }

  private countFailover({ progress: { host, placement } }: OutboundForwarder): void {
    if (host === undefined || placement?.failedOverFrom === undefined) return;
    this.options.failovers.count(host, placement.failedOverFrom, placement.release);
  }

  private note(record: RequestRecord, failed: boolean, sampled: boolean, logged: boolean): void {
    const { accessLog, samples } = this.options;
    const text = JSON.stringify(record);
    const time = this.isoTime();
    if (sampled) samples.add(text, time, failed);
    if (logged) accessLog.write(text, time, failed);
  }

  /** A thousand requests a second and more share a millisecond, and with it the text of their time. */
  private isoTime(): string {
    const nowMs = Date.now();
    if (nowMs !== this.timeMs) {
      this.timeMs = nowMs;
      this.timeText = new Date(nowMs).toISOString();
    }
    return this.timeText;
  }

  private outboundSeries({ progress: { host, route, placement } }: OutboundForwarder): RequestSeries {
    if (host === undefined) return this.strangers;
    const release = placement?.release;
    return this.requests.seriesOf(route ?? host, release ?? host, () => ({
      direction: 'outbound',
      service: host.service.label,
      release: release?.name ?? '',
      route: route?.name ?? '',
    }));
  }
}

/** An answer of our own, a server's error, or no whole response. */
function hasFailed(outcome: Outcome): boolean {
  return outcome.error !== undefined || isServerError(outcome) || outcome.cutOff !== '';
}

function noAnswers(): Record<ErrorCode, number> {
  const codes = Object.keys(ERROR_CATALOGUE) as ErrorCode[];
  return Object.fromEntries(codes.map((code) => [code, 0])) as Record<ErrorCode, number>;
}
