import { ERROR_CATALOGUE, type LocalReply } from '../../src/http/error-catalogue.js';
import type { Field } from '../../src/http/field-line.js';
import { ROOM_IS_MADE } from '../cluster/upstream-endpoint.js';
import type { DownstreamStream, DownstreamUser } from '../http/downstream-stream.js';
import { grpcStatusAmong, grpcStatusIn } from '../http/grpc-status.js';
import type { HttpLimits } from '../http/limits.js';
import { answerStatus, type LocalAnswer } from '../http/local-answer.js';
import type { RequestMessage, ResponseMessage } from '../http/message.js';
import { isReset, type UpstreamFailure } from '../http/upstream-failure.js';
import type { BodyForm, UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import { TunnelIdle } from '../tcp/tunnel-idle.js';
import { Deadlines } from './deadlines.js';
import type { AttemptTarget, Call, Forwarder, Step } from './forwarder.js';
import type { Outcome } from './outcome.js';
import { ReplayBuffer } from './replay-buffer.js';

/** Longest that an exchange waits for another worker to close a connection that nobody uses. */
const ROOM_WAIT_MS = 500;

/** What every exchange of a listener shares. */
export interface ExchangeSettings {
  readonly limits: HttpLimits;
  /** Coarse clock, for deadlines. */
  nowMs(): number;
}

/**
 * One request and its response, between one downstream stream and as many upstream streams, one after the
 * other, as it takes.
 *
 * ```
 *   begin ──► attempt ──response head──► responding ──complete──► done
 *     │         │  ▲                          └── broken ──► done (client cut off)
 *     │         │  └─ another ◄─ failure, or a status to retry
 *     │         └── no other ──► reply ──► done
 *     └── nowhere to go ──► reply ──► done
 * ```
 * Back-pressure: whichever side does not take what it is given has the other side's stream paused until it does.
 */
export class Exchange implements Call, DownstreamUser, UpstreamUser {
  readonly method: string;
  readonly startedAt = performance.now();
  readonly outcome: Outcome = {
    status: 0,
    grpcStatus: undefined,
    error: undefined,
    cutOff: '',
    requestBytes: 0,
    responseBytes: 0,
  };
  attempts = 0;
  private readonly forwarder: Forwarder;
  private readonly replay: ReplayBuffer;
  private upstream: UpstreamStream | undefined;
  private target: AttemptTarget | undefined;
  private responding = false;
  /** Undefined: there is no tunnel. */
  private tunnel: TunnelIdle | undefined;
  /** What follows the request's body; undefined: not all of the request has been read. */
  private trailers: readonly Field[] | undefined;
  private onWhole: ((kept: ReplayBuffer, trailers: readonly Field[]) => void) | undefined;
  private onDecided: ((switches: boolean) => void) | undefined;
  private done = false;
  /** The upstream will not take the rest of the request. */
  private requestDeclined = false;
  private readonly deadlines: Deadlines;
  /** Until when it may wait for room for a connection; 0: it has not asked for one yet. */
  private roomUntilMs = 0;

  constructor(
    readonly downstream: DownstreamStream,
    private readonly settings: ExchangeSettings,
    forwarder: Forwarder,
  ) {
    this.method = downstream.request.method;
    this.deadlines = new Deadlines(settings.nowMs());
    this.forwarder = forwarder;
    this.replay = new ReplayBuffer(settings.limits.maxReplayBytes);
  }

  get requestComplete(): boolean {
    return this.downstream.requestComplete;
  }

  get upstreamAddress(): string {
    return this.upstream?.remoteAddress ?? '';
  }

  get canReplay(): boolean {
    return this.replay.intact;
  }

  whenWhole(then: (kept: ReplayBuffer, trailers: readonly Field[]) => void): void {
    if (this.trailers !== undefined) then(this.replay, this.trailers);
    else this.onWhole = then;
  }

  whenDecided(then: (switches: boolean) => void): void {
    this.onDecided = then;
  }

  private decide(switches: boolean): void {
    const { onDecided } = this;
    this.onDecided = undefined;
    onDecided?.(switches);
  }

  // ---- downstream ----

  onRequestHead(): void {
    this.take(this.forwarder.begin(this));
  }

  onRequestBody(piece: Buffer, start: number, end: number): void {
    this.deadlines.moved(this.settings.nowMs());
    this.outcome.requestBytes += end - start;
    const { upstream } = this;
    if (upstream === undefined) {
      // Between two attempts: the next one sends it, and more has to wait for that.
      this.replay.keep(piece, start, end);
      this.downstream.pause();
      return;
    }
    if (this.requestDeclined) return;
    this.replay.add(piece, start, end);
    upstream.write(piece, start, end);
  }

  onRequestEnd(trailers: readonly Field[]): void {
    this.trailers = trailers;
    if (!this.requestDeclined) this.upstream?.end(trailers);
    this.onWhole?.(this.replay, trailers);
  }

  onDownstreamTurnEnd(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
    upstream.flush();
    if (upstream.congested) this.downstream.pause();
  }

  onDownstreamDrain(): void {
    this.upstream?.resume();
  }

  onDownstreamGone(by: 'client' | 'sidecar' = 'client'): void {
    if (this.done) return;
    if (this.tunnel && this.downstream.endedOrderly) this.upstream?.closeSoon();
    else {
      this.outcome.cutOff = by;
      this.upstream?.cancel();
    }
    this.finish();
  }

  // ---- attempts ----

  private take(step: Step): void {
    if ('target' in step) this.attempt(step.target);
    else if ('reply' in step) this.reply(step.reply);
    else this.wait(step.waitMs, () => this.take(step.afterwards()));
  }

  private wait(ms: number, afterwards: () => void): void {
    this.deadlines.wait(this.settings.nowMs() + ms, afterwards);
  }

  wake(): void {
    if (!this.done && this.deadlines.isWaiting) this.deadlines.endWait();
  }

  private attempt(target: AttemptTarget): void {
    this.target = target;
    this.attempts++;
    if (target.delayMs > 0) this.wait(target.delayMs, () => this.send(target));
    else this.send(target);
  }

  private send(target: AttemptTarget): void {
    const { endpoint } = target;
    const nowMs = this.settings.nowMs();
    this.roomUntilMs ||= nowMs + ROOM_WAIT_MS;
    const upstream = endpoint.acquire(this, target.fresh, nowMs < this.roomUntilMs);
    if (upstream === ROOM_IS_MADE) {
      this.wait(1, () => this.send(target));
      return;
    }
    if (typeof upstream === 'string') {
      const failure = {
        kind: 'overloaded',
        reason: endpoint.load.describe(upstream),
        limit: upstream,
      } as const;
      this.take(this.forwarder.afterFailure(this, failure));
      return;
    }
    this.upstream = upstream;
    this.deadlines.connectMs = upstream.isConnected ? 0 : nowMs + endpoint.connectTimeoutMs;
    const { perTryMs } = this.forwarder.timeouts;
    this.deadlines.attemptMs = perTryMs === 0 ? 0 : nowMs + perTryMs;
    upstream.sendHead(this.downstream.request, this.forwarder.requestEdits(this));
    this.replay.writeTo(upstream);
    if (this.trailers !== undefined) upstream.end(this.trailers);
    if (this.downstream.flushesSoon) return;
    upstream.flush();
    if (!upstream.congested) this.downstream.resume();
  }

  // ---- upstream ----

  onUpstreamConnected(): void {
    this.deadlines.connectMs = 0;
  }

  onInterimResponse(response: ResponseMessage): void {
    this.deadlines.moved(this.settings.nowMs());
    this.downstream.sendInterim(response);
  }

  onResponseHead(response: ResponseMessage): BodyForm {
    this.deadlines.moved(this.settings.nowMs());
    const { downstream, forwarder } = this;
    const instead = forwarder.afterResponse(this, response);
    if (instead !== undefined) {
      this.upstream?.discard();
      this.upstream = undefined;
      this.take(instead);
      return 'content';
    }
    if (response.status === 101 && !switchesAsAsked(downstream.request, response)) {
      this.upstream?.abort('bad-response', 'it switched to a protocol that nobody asked for');
      return 'content';
    }
    this.deadlines.attemptMs = 0;
    this.responding = true;
    this.decide(response.status === 101);
    this.replay.release();
    this.outcome.status = response.status;
    if (downstream.request.isGrpc) this.outcome.grpcStatus = grpcStatusIn(response);
    const added = forwarder.addedFields(this, response);
    const form = downstream.sendHead(response, { added, changes: forwarder.responseChanges });
    // RFC 9112 section 9.5: to go on sending would only have the rest of the response lost to a reset.
    this.requestDeclined = response.status >= 400 && !response.keepAlive && !downstream.requestComplete;
    if (response.status === 101) this.startTunnel();
    return form;
  }

  onResponseBody(piece: Buffer, start: number, end: number): void {
    if (!this.responding) return;
    this.deadlines.moved(this.settings.nowMs());
    this.outcome.responseBytes += end - start;
    this.downstream.write(piece, start, end);
  }

  onResponseEnd(trailers: readonly Field[]): void {
    if (!this.responding) return;
    if (this.downstream.request.isGrpc) this.outcome.grpcStatus ??= grpcStatusAmong(trailers);
    this.finish();
    this.downstream.end(trailers);
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    if (isReset(failure) && this.target !== undefined) this.target.endpoint.counters.resets++;
    this.upstream = undefined;
    if (this.done) return;
    if (this.withdrawResponse()) {
      this.take(this.forwarder.afterFailure(this, { ...failure, kind: 'bad-response' }));
      return;
    }
    if (this.responding) {
      this.outcome.cutOff = 'upstream';
      this.finish();
      this.downstream.abort();
      return;
    }
    this.take(this.forwarder.afterFailure(this, failure));
  }

  /** What is malformed may have come with the head, of which nothing has gone on yet. @returns whether that is so */
  private withdrawResponse(): boolean {
    if (!this.responding || this.tunnel || !this.downstream.withdraw()) return false;
    this.responding = false;
    Object.assign(this.outcome, { status: 0, grpcStatus: undefined, responseBytes: 0 });
    return true;
  }

  onUpstreamTurnEnd(): void {
    this.downstream.flush();
    if (this.downstream.congested) this.upstream?.pause();
  }

  onUpstreamDrain(): void {
    this.downstream.resume();
  }

  // ---- tunnels ----

  private startTunnel(): void {
    this.tunnel = new TunnelIdle(this.settings.limits, this.settings.nowMs());
    this.downstream.becomeTunnel();
  }

  onClientTunnelData(piece: Buffer): void {
    this.tunnel?.carried(this.settings.nowMs());
    this.outcome.requestBytes += piece.length;
    this.upstream?.write(piece, 0, piece.length);
  }

  onClientTunnelEnd(): void {
    this.tunnel?.ended();
    this.upstream?.endTunnel();
  }

  onUpstreamTunnelData(piece: Buffer): void {
    this.tunnel?.carried(this.settings.nowMs());
    this.outcome.responseBytes += piece.length;
    this.downstream.write(piece, 0, piece.length);
  }

  onUpstreamTunnelEnd(): void {
    this.tunnel?.ended();
    this.downstream.endTunnel();
  }

  onUpstreamTunnelClosed(): void {
    this.finish();
    this.downstream.endGently();
  }

  // ---- the end ----

  reply(answer: LocalAnswer): void {
    this.upstream?.cancel();
    if ('code' in answer) this.refuse(answer);
    this.outcome.status = answerStatus(answer);
    this.finish();
    this.downstream.answer(answer);
  }

  private refuse(reply: LocalReply): void {
    this.outcome.error = reply;
    if (this.downstream.request.isGrpc) this.outcome.grpcStatus = ERROR_CATALOGUE[reply.code].grpcStatus;
  }

  checkDeadlines(nowMs: number): void {
    if (this.done) return;
    if (this.tunnel !== undefined) {
      if (this.tunnel.isOver(nowMs)) this.timeOut(`nothing moved for ${this.tunnel.limitMs} ms`);
      return;
    }
    const { timeouts } = this.forwarder;
    const idleMs = timeouts.idleMs || this.settings.limits.streamIdleTimeoutMs;
    switch (this.deadlines.due(nowMs, timeouts, idleMs)) {
      case 'wait':
        this.deadlines.endWait();
        return;
      case 'connect':
        this.upstream?.abort('connect', 'no connection in time');
        return;
      case 'request':
        this.timeOut(`no response within ${timeouts.requestMs} ms`);
        return;
      case 'attempt':
        this.upstream?.abort('timeout', 'no response in time');
        return;
      case 'idle':
        this.timeOut(`nothing moved for ${idleMs} ms`);
    }
  }

  private timeOut(detail: string): void {
    if (!this.responding) {
      // A request that its client has not finished is not the upstream's to answer yet.
      if (this.upstream !== undefined && this.requestComplete) this.target?.endpoint.onResult(false);
      this.reply({ code: 'request-timeout', detail });
      return;
    }
    this.outcome.cutOff = 'timeout';
    this.upstream?.cancel();
    this.finish();
    this.downstream.abort();
  }

  private finish(): void {
    // However it ended, nothing was switched.
    this.decide(false);
    this.done = true;
    this.upstream = undefined;
    this.replay.release();
    this.forwarder.finished(this);
  }
}

/** RFC 9110 section 7.8: a server switches to nothing but what the client offered. */
function switchesAsAsked(
  { upgradeOffer = '' }: RequestMessage,
  { switchesTo = '' }: ResponseMessage,
): boolean {
  return upgradeOffer.toLowerCase().split(', ').includes(switchesTo.toLowerCase());
}
