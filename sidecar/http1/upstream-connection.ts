import type { Socket } from 'node:net';
import { type Field, fieldLines } from '../../src/http/field-line.js';
import { formatAddress, peerIp } from '../../src/net/ip-address.js';
import type { HttpLimits } from '../http/limits.js';
import type { RequestEdits, RequestMessage } from '../http/message.js';
import { ProtocolError } from '../http/protocol-error.js';
import type { FailureKind } from '../http/upstream-failure.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import { closeWhenTaken, reset, watchPeer } from '../net/socket-endings.js';
import { SocketReader } from '../net/socket-reader.js';
import { SocketWriter } from '../net/socket-writer.js';
import type { Dialling } from '../tls/dial.js';
import { BodyReader } from './body-reader.js';
import { writeChunk } from './chunks.js';
import { LEAVING } from './connection-options.js';
import { forwardedRequestHead } from './forwarded-head.js';
import { HeadCollector } from './head-collector.js';
import { RequestHead } from './request-head.js';
import { ResponseHead } from './response-head.js';
import { forwardedTrailers } from './trailers.js';
import { translatedRequestHead } from './translated-head.js';

/** A request that is sent so shortly before the peer closes the connection may find it closed. */
const KEEP_ALIVE_MARGIN_MS = 1000;

/** Statuses from here on are the upstream's errors, as far as its health is concerned. */
const ERROR_STATUS = 500;

/** What the owner of the connections, their endpoint's pool, is told. */
export interface UpstreamConnectionOwner {
  onConnected(connection: UpstreamConnection): void;
  onConnectFailed(connection: UpstreamConnection, reason: string): void;
  /** A stream on the connection is over; its user is told after this. */
  onStreamOver(): void;
  /** The connection can be used again. */
  onIdle(connection: UpstreamConnection): void;
  /** An exchange was answered, well or with an error; or it was not, although it should have been. */
  onResult(good: boolean): void;
  onClosed(connection: UpstreamConnection): void;
  /** The peer has said that it is about to stop. */
  onLeaving(): void;
}

/**
 * One connection to an upstream. It is the stream of one request at a time.
 *
 * ```
 *   connecting ──► idle ──assign──► busy ──response complete──► idle
 *        │          │                ├── 101 ──► tunnel ──► closed
 *        └──────────┴────────────────┴──► closed
 * ```
 * A user may be assigned while it is still connecting: what it writes goes out once it is connected.
 */
export class UpstreamConnection implements UpstreamStream {
  private state: 'open' | 'tunnel' | 'closed' = 'open';
  private connected = false;
  private user: UpstreamUser | undefined;
  private readonly head: ResponseHead;
  private readonly heads: HeadCollector;
  private readonly body: BodyReader;
  /** Of the request, which decides whether its response has a body. */
  private method = '';
  /** The request's body goes out in chunks. */
  private chunksRequest = false;
  /** All of the request has been written. */
  private requestEnded = false;
  private inBody = false;
  private responseStarted = false;
  private interims = 0;
  /** Exchanges that this connection has completed. */
  served = 0;
  /** Until when it may serve another request, on the sidecar's coarse clock. Of one that is idle. */
  idleUntilMs = 0;
  /** How long the peer keeps it without a request, by its last response, as far as that may be used. */
  keptForMs = Number.POSITIVE_INFINITY;
  /** When it has served long enough, on the sidecar's coarse clock. */
  expiresAtMs = Number.POSITIVE_INFINITY;
  private readonly writer: SocketWriter;
  private readonly reader: SocketReader;

  private readonly socket: Socket;
  private readonly transport: Socket;

  constructor(
    { socket, transport, ready }: Dialling,
    private readonly owner: UpstreamConnectionOwner,
    private readonly limits: HttpLimits,
  ) {
    this.socket = socket;
    this.transport = transport;
    this.head = new ResponseHead(limits.maxFields);
    this.heads = new HeadCollector(limits.maxHeadBytes, false);
    this.body = new BodyReader(limits.maxTrailerBytes);
    this.writer = new SocketWriter(socket, () => this.user?.onUpstreamDrain());
    this.reader = new SocketReader(socket, (piece) => this.receive(piece));
    socket.on(ready, () => this.onConnect());
    socket.on('end', () => this.onEnd());
    socket.on('error', (error: NodeJS.ErrnoException) => this.fail(error.code ?? error.message));
    socket.on('close', () => this.onSocketClosed());
  }

  get isConnected(): boolean {
    return this.connected;
  }

  get isUsable(): boolean {
    return this.state === 'open' && this.user === undefined;
  }

  get congested(): boolean {
    return this.writer.congested;
  }

  get remoteAddress(): string {
    return formatAddress(peerIp(this.transport), this.transport.remotePort ?? 0);
  }

  /** Gives the connection to a request. */
  assign(user: UpstreamUser): void {
    this.user = user;
    this.requestEnded = false;
    this.responseStarted = false;
    this.interims = 0;
    this.heads.reset();
    this.inBody = false;
  }

  sendHead(request: RequestMessage, edits: RequestEdits): void {
    this.method = request.method;
    this.chunksRequest = request.bodyLength === undefined;
    this.writer.writeText(
      request instanceof RequestHead
        ? forwardedRequestHead(request, edits)
        : translatedRequestHead(request, edits),
    );
  }

  write(piece: Buffer, start: number, end: number): void {
    const { writer } = this;
    if (this.chunksRequest) writeChunk(writer, piece, start, end);
    else writer.writeRange(piece, start, end);
  }

  end(trailers: readonly Field[]): void {
    this.requestEnded = true;
    if (this.chunksRequest) this.writer.writeText(`0\r\n${fieldLines(trailers)}\r\n`);
  }

  flush(): void {
    this.writer.flush();
  }

  pause(): void {
    this.reader.pause();
  }

  resume(): void {
    this.reader.resume();
  }

  endTunnel(): void {
    this.writer.flush();
    this.socket.end();
  }

  /** Ends the connection at once. Its user, if it has one, is told nothing. */
  destroy(): void {
    this.endStream();
    this.close();
  }

  discard(): void {
    this.destroy();
  }

  /** By a reset: a mere end could be that of a client that has sent everything and still waits. */
  cancel(): void {
    this.endStream();
    if (this.state === 'closed') return;
    reset(this.socket, this.transport);
    this.close();
  }

  closeSoon(): void {
    this.endStream();
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.owner.onClosed(this);
    closeWhenTaken(this.socket);
  }

  /** @returns the user of the stream; undefined: no stream was open */
  private endStream(): UpstreamUser | undefined {
    const { user } = this;
    if (user === undefined) return undefined;
    this.user = undefined;
    this.owner.onStreamOver();
    return user;
  }

  private close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.socket.destroy();
    this.owner.onClosed(this);
  }

  private onConnect(): void {
    this.connected = true;
    this.owner.onConnected(this);
    this.user?.onUpstreamConnected();
  }

  /** @param piece what has arrived; its memory is used again once this returns */
  private receive(piece: Buffer): void {
    const { user } = this;
    if (user === undefined) {
      // RFC 9112 section 9.2: bytes that no request asked for. What follows could be taken for another's answer.
      this.close();
      return;
    }
    try {
      this.consume(piece, user);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.failWith(this.responseStarted ? 'broken-response' : 'bad-response', error.message);
    }
    user.onUpstreamTurnEnd();
  }

  private consume(piece: Buffer, user: UpstreamUser): void {
    let at = 0;
    while (at < piece.length && this.user === user) {
      if (this.state === 'tunnel') {
        user.onUpstreamTunnelData(at === 0 ? piece : piece.subarray(at));
        return;
      }
      at = this.inBody ? this.readBody(piece, at, user) : this.readHead(piece, at, user);
      if (at === -1) return;
    }
  }

  private readHead(piece: Buffer, start: number, user: UpstreamUser): number {
    const end = this.heads.collect(piece, start);
    if (end === -1) return -1;
    this.head.parse(this.heads.text, this.method, this.heads.bytes, this.heads.offset);
    this.heads.reset();
    if (this.head.isInterim) {
      if (++this.interims > this.limits.maxInterimResponses)
        throw new ProtocolError('too many interim responses');
      user.onInterimResponse(this.head);
      return end;
    }
    this.responseStarted = true;
    const { nominated } = this.head.connection;
    if (nominated.length > 0 && nominated.includes(LEAVING)) this.owner.onLeaving();
    if (this.head.status === 101) {
      this.state = 'tunnel';
      watchPeer(this.transport);
    }
    // Before the user, whose next attempt is not to go to an endpoint that this answer has ejected.
    if (this.head.status >= ERROR_STATUS || this.state === 'tunnel')
      this.owner.onResult(this.state === 'tunnel');
    this.body.start(this.head.framing, user.onResponseHead(this.head));
    this.inBody = true;
    if (this.state !== 'tunnel' && this.body.complete && this.user === user)
      this.finish(user, end < piece.length);
    return end;
  }

  private readBody(piece: Buffer, start: number, user: UpstreamUser): number {
    const end = this.body.read(piece, start, (from, a, b) => user.onResponseBody(from, a, b));
    if (this.body.complete) this.finish(user, end < piece.length);
    return end;
  }

  /**
   * The response is complete: back to the pool, unless this was the connection's last.
   *
   * @param unsolicited more came than the response: the connection must not serve again (RFC 9112 section 9.2)
   */
  private finish(user: UpstreamUser, unsolicited: boolean): void {
    const trailers = forwardedTrailers(this.body.trailers, this.limits.maxFields);
    const reusable =
      this.state === 'open' &&
      this.head.keepAlive &&
      !this.body.endsWithConnection &&
      !unsolicited &&
      // An early response: the upstream has not taken the request, and need not.
      this.requestEnded &&
      this.writer.isEmpty;
    if (this.state === 'open' && this.head.status < ERROR_STATUS) this.owner.onResult(true);
    this.endStream();
    this.keptForMs = (this.head.keepAliveTimeoutMs ?? Number.POSITIVE_INFINITY) - KEEP_ALIVE_MARGIN_MS;
    this.head.forget();
    this.served++;
    this.inBody = false;
    // The last piece may have come after a pause, which was this user's; with TLS it does.
    this.reader.resume();
    // Before the user is told, who may have its next request at hand.
    if (reusable) this.owner.onIdle(this);
    else this.close();
    user.onResponseEnd(trailers);
  }

  private onEnd(): void {
    const { user } = this;
    if (this.state === 'tunnel') user?.onUpstreamTunnelEnd();
    else if (user !== undefined && this.inBody && this.body.endsWithConnection) {
      this.finish(user, false);
      user.onUpstreamTurnEnd();
    } else this.fail('closed by the upstream');
  }

  private onSocketClosed(): void {
    if (this.state !== 'tunnel') {
      this.fail('closed');
      return;
    }
    const user = this.endStream();
    this.close();
    user?.onUpstreamTunnelClosed();
  }

  /** Where time is up, by a reset: see {@link cancel}. */
  abort(kind: FailureKind, reason: string): void {
    if (this.state === 'closed') return;
    if (!this.connected) this.owner.onConnectFailed(this, reason);
    if (kind === 'timeout') reset(this.socket, this.transport);
    this.failWith(this.connected ? kind : 'connect', reason);
  }

  private fail(reason: string): void {
    this.abort(this.failureKind(), reason);
  }

  private failureKind(): FailureKind {
    if (!this.connected) return 'connect';
    if (this.responseStarted || this.heads.pending) return 'broken-response';
    if (this.interims > 0) return 'reset';
    return this.served > 0 ? 'stale' : 'reset';
  }

  private failWith(kind: FailureKind, reason: string): void {
    const { user } = this;
    if (user !== undefined && this.speaksAgainstEndpoint(kind)) this.owner.onResult(false);
    this.endStream();
    this.close();
    user?.onUpstreamFailure({ kind, reason });
  }

  /** A connection that died between two requests says nothing, nor does the end of a tunnel; an error counts once. */
  private speaksAgainstEndpoint(kind: FailureKind): boolean {
    if (kind === 'stale' || this.state === 'tunnel') return false;
    // A request that its client has not finished is not the upstream's to answer yet.
    if (kind === 'timeout' && !this.requestEnded) return false;
    return !this.responseStarted || this.head.status < ERROR_STATUS;
  }
}
