import { createHash } from 'node:crypto';
import type { Field } from '../../src/http/field-line.js';
import { isGrpcError } from '../../src/http/grpc.js';
import { headerName } from '../../src/http/header-name.js';
import { grpcStatusAmong, grpcStatusIn } from '../http/grpc-status.js';
import type { RequestEdits, RequestMessage } from '../http/message.js';
import type { FailureKind } from '../http/upstream-failure.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import { ERROR } from './error-code.js';
import type { HeaderField } from './header-field.js';
import type { ResponseFields } from './message-head.js';
import { Http2Response } from './response-message.js';
import type { Http2Stream, StreamFailure, StreamUser } from './stream.js';
import { neutralTrailers, writtenRequest, writtenTrailers } from './written-heads.js';

/** The connection to an upstream, as its streams see it. */
export interface UpstreamLine {
  readonly isConnected: boolean;
  /** Streams that it has completed. */
  readonly served: number;
  /** `IP:PORT` of the upstream. */
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  /** The upstream takes extended CONNECT (RFC 8441). */
  readonly takesConnectProtocol: boolean;
  openStream(user: StreamUser): Http2Stream;
  /** A stream is over; its user is told after this. */
  onStreamOver(completed: boolean): void;
  /** See `PoolOwner.onResult`. */
  onResult(good: boolean): void;
  /** Gives up on a connection that is being made: all of its streams fail. */
  giveUp(reason: string): void;
}

/** Statuses from here on are the upstream's errors, as far as its health is concerned. */
const ERROR_STATUS = 500;
const WEBSOCKET = 'websocket';
const WEBSOCKET_KEY = headerName('sec-websocket-key');
/** RFC 6455 section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** One request on its way to an upstream over HTTP/2: a stream among others on a connection that they share. */
export class Http2Upstream implements UpstreamStream, StreamUser {
  private readonly stream: Http2Stream;
  private isOver = false;
  private requestEnded = false;
  private isGrpc = false;
  /** Its response has said that it is an error. */
  private hasFailed = false;
  /** 0: no final response has begun. */
  private status = 0;
  private interims = 0;
  private isTunnel = false;
  private upstreamEnded = false;
  /** What an extended CONNECT asks to switch to; empty: it is none. */
  private protocol = '';
  private switching: readonly Field[] = [];

  constructor(
    private readonly line: UpstreamLine,
    private readonly user: UpstreamUser,
  ) {
    this.stream = line.openStream(this);
  }

  get isConnected(): boolean {
    return this.line.isConnected;
  }

  get remoteAddress(): string {
    return this.line.remoteAddress;
  }

  get congested(): boolean {
    return this.stream.congested;
  }

  /** Only told to those whose stream it is. */
  onConnected(): void {
    if (!this.isOver) this.user.onUpstreamConnected();
  }

  // ---- the request ----

  sendHead(request: RequestMessage, edits: RequestEdits): void {
    const offers = !edits.offersNothing && request.upgradeOffer?.toLowerCase() === WEBSOCKET;
    if (offers && this.line.takesConnectProtocol) {
      this.protocol = WEBSOCKET;
      this.switching = acceptFields(request);
    }
    this.stream.isHead = request.method === 'HEAD';
    this.isGrpc = request.isGrpc;
    this.stream.sendHead(writtenRequest(request, edits, this.line.scheme, this.protocol));
  }

  write(piece: Buffer, start: number, end: number): void {
    this.stream.write(piece, start, end);
  }

  end(trailers: readonly Field[]): void {
    this.requestEnded = true;
    // Of what asks for a tunnel, the stream goes on.
    if (this.protocol === '') this.stream.end(writtenTrailers(trailers));
  }

  /** What is written goes out at the end of the turn. */
  flush(): void {}

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  cancel(): void {
    if (!this.isOver) this.give(ERROR.cancel);
  }

  discard(): void {
    this.cancel();
  }

  private give(code: number): void {
    this.stream.reset(code);
    this.over(false);
  }

  abort(kind: FailureKind, reason: string): void {
    if (this.isOver) return;
    if (!this.isConnected) {
      this.line.giveUp(reason);
      return;
    }
    this.stream.reset(ERROR.cancel);
    this.failWith(kind, reason);
  }

  endTunnel(): void {
    this.stream.end();
    if (this.upstreamEnded) this.closeTunnel();
  }

  closeSoon(): void {
    if (this.isOver) return;
    this.stream.end();
    if (!this.upstreamEnded) this.stream.resetWhenSent(ERROR.noError);
    this.over(true);
  }

  // ---- the response ----

  onResponse(response: ResponseFields, endStream: boolean): void {
    const { isHead } = this.stream;
    const head = new Http2Response(response, endStream, {
      isHead,
      protocol: this.protocol,
      switching: this.switching,
    });
    if (head.isInterim) {
      this.interims++;
      this.user.onInterimResponse(head);
      return;
    }
    this.status = head.status;
    this.isTunnel = head.switchesTo !== undefined;
    // Before the user, whose next attempt is not to go to an endpoint that this answer has ejected.
    this.hasFailed = this.status >= ERROR_STATUS || this.isGrpcError(grpcStatusIn(head));
    if (this.hasFailed || this.isTunnel) this.line.onResult(this.isTunnel);
    this.user.onResponseHead(head);
  }

  onData(piece: Buffer, start: number, end: number): void {
    if (this.isTunnel) this.user.onUpstreamTunnelData(piece.subarray(start, end));
    else this.user.onResponseBody(piece, start, end);
  }

  onEnd(trailers: readonly HeaderField[]): void {
    this.upstreamEnded = true;
    if (this.isTunnel) {
      this.user.onUpstreamTunnelEnd();
      if (this.stream.isOver) this.closeTunnel();
      return;
    }
    const ending = neutralTrailers(trailers);
    if (!this.hasFailed) this.line.onResult(!this.isGrpcError(grpcStatusAmong(ending)));
    // An early response: the upstream has not taken the request, and need not.
    if (!this.requestEnded) this.stream.reset(ERROR.noError);
    this.over(true);
    this.user.onResponseEnd(ending);
  }

  /** The server's error, by the status of a gRPC call. */
  private isGrpcError(status: number | undefined): boolean {
    return this.isGrpc && status !== undefined && isGrpcError(status);
  }

  private closeTunnel(): void {
    if (this.isOver) return;
    this.over(true);
    this.user.onUpstreamTunnelClosed();
  }

  onDrain(): void {
    this.user.onUpstreamDrain();
  }

  onTurnEnd(): void {
    this.user.onUpstreamTurnEnd();
  }

  // ---- the end ----

  onReset(failure: StreamFailure): void {
    if (!this.isOver) this.failWith(this.failureKind(failure), failure.reason);
  }

  /** What the upstream has not looked at is as good as never sent. */
  private failureKind({ by, unprocessed }: StreamFailure): FailureKind {
    if (!this.isConnected || (unprocessed && this.interims === 0)) return 'connect';
    if (this.status > 0) return 'broken-response';
    if (by === 'us') return 'bad-response';
    return by === 'connection' && this.interims === 0 && this.line.served > 0 ? 'stale' : 'reset';
  }

  private failWith(kind: FailureKind, reason: string): void {
    if (this.speaksAgainstEndpoint(kind)) this.line.onResult(false);
    this.over(false);
    this.user.onUpstreamFailure({ kind, reason });
  }

  private speaksAgainstEndpoint(kind: FailureKind): boolean {
    if (kind === 'stale' || this.isTunnel) return false;
    // A request that its client has not finished is not the upstream's to answer yet.
    if (kind === 'timeout' && !this.requestEnded) return false;
    return !this.hasFailed;
  }

  private over(completed: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    this.line.onStreamOver(completed);
  }
}

/** What a client of HTTP/1.1 looks for in an answer that switches to WebSocket (RFC 6455 section 4.2.2). */
function acceptFields(request: RequestMessage): readonly Field[] {
  const key = request.header(WEBSOCKET_KEY);
  if (key === undefined) return [];
  const accept = createHash('sha1')
    .update(key.trim() + WEBSOCKET_GUID)
    .digest('base64');
  return [['sec-websocket-accept', accept]];
}
