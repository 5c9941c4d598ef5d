import type { Socket } from 'node:net';
import type { ErrorCode, LocalReply } from '../../src/http/error-catalogue.js';
import { type Field, fieldLines, NO_FIELDS } from '../../src/http/field-line.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { isFromThisMachine, peerIp } from '../../src/net/ip-address.js';
import { formatAddress } from '../../src/xds/fields.js';
import { BodyRate } from '../http/body-rate.js';
import type { DownstreamStream, DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import type { LocalAnswer } from '../http/local-answer.js';
import type { ResponseEdits, ResponseMessage } from '../http/message.js';
import { ERROR_OF_STATUS, ProtocolError } from '../http/protocol-error.js';
import type { BodyForm } from '../http/upstream-stream.js';
import { looksLikeHttp1 } from '../intercept/sniff.js';
import { ClientPresence, socketPairOf } from '../net/client-presence.js';
import { isEncrypted, reset, watchPeer } from '../net/socket-endings.js';
import { SocketReader } from '../net/socket-reader.js';
import type { SocketPair } from '../net/socket-table.js';
import { SocketWriter } from '../net/socket-writer.js';
import { BodyReader } from './body-reader.js';
import { writeChunk } from './chunks.js';
import { forwardedResponseHead, type ResponseFraming } from './forwarded-head.js';
import { HeadCollector } from './head-collector.js';
import { ID } from './header-block.js';
import { localAnswerText } from './local-reply.js';
import { RequestHead } from './request-head.js';
import { ResponseHead } from './response-head.js';
import { forwardedTrailers } from './trailers.js';
import { translatedResponseHead } from './translated-head.js';

/** What the connection's owner, a listener, does for it. */
export interface DownstreamOwner {
  readonly limits: HttpLimits;
  nowMs(): number;
  /** Who is to answer the request whose head has arrived. */
  onRequest(connection: DownstreamConnection): DownstreamUser;
  /** Who is to carry a connection to {@link DownstreamConnection.destination} that does not speak HTTP/1. */
  onOpaque(connection: DownstreamConnection): DownstreamUser;
  /** A request was refused before anybody saw it. */
  onRefused(connection: DownstreamConnection, reply: LocalReply): void;
  onClosed(connection: DownstreamConnection): void;
}

/** A client that says nothing for so long, to a destination that may not be HTTP, waits for the server to begin. */
const SERVER_FIRST_MS = 1000;

/** Of a response that goes on as it came. */
const UNCHANGED: ResponseEdits = { added: NO_FIELDS, changes: undefined };

/** How long a connection that we end waits for the client to end it, too. */
const LINGER_MS = 2000;

/**
 * One client's connection: the stream of one request after the other, answered in order.
 *
 * ```
 *   head ──head complete──► exchange ──request and response complete──► head
 *    │                         ├── 101 or CONNECT ──► tunnel ──► closed
 *    │                         ├── the last response, to a client that sends no more ──► closed
 *    │                         └── response complete, request not, or the last one ──┐
 *    └── malformed, too slow ─────────────────────────────────────────────────► discarding ──► closed
 * ```
 * While an exchange waits for its response, what the client sends beyond the request is held: one piece here, the
 * rest unread. So it is while a client does not take the answers it has: no request starts before it does.
 */
export class DownstreamConnection implements DownstreamStream {
  readonly request: RequestHead;
  readonly writer: SocketWriter;
  private readonly reader: SocketReader;
  private state: 'head' | 'exchange' | 'tunnel' | 'discarding' | 'closed' = 'head';
  private user: DownstreamUser | undefined;
  private readonly heads: HeadCollector;
  private readonly body: BodyReader;
  private readonly bodyRate: BodyRate;
  private requestEnded = true;
  /** The client has sent its last byte. */
  private clientEnded = false;
  private readonly presence = new ClientPresence();
  /** Where the response starts in what is written to the client. */
  private responseStart = 0;
  /** How the body goes out: as it comes, then with or without a trailer section; or in chunks of our own. */
  private framing: 'plain' | 'ends-in-trailers' | 'chunks' = 'plain';
  /** Bytes of later requests. */
  private held: Buffer | undefined;
  private inTurn = false;
  private sniffed = false;
  private headSinceMs = 0;
  private lastActivityMs: number;
  private discardUntilMs = 0;
  private discarded = 0;
  /**
   * Where the client meant to connect, where that is known (a CONNECT, a redirected connection). What it sends
   * there need not be HTTP; the first bytes tell.
   */
  destination: SocketAddress | undefined;
  /** Part of the response is written: another answer is out of the question. */
  responseStarted = false;
  /** Set by a listener that drains: the next response is the last. */
  closeAfterResponse = false;
  /** Likewise: so that the client goes elsewhere with its next one. */
  leaving = false;
  /** Requests that this connection has brought. */
  requests = 0;

  constructor(
    private readonly socket: Socket,
    private readonly owner: DownstreamOwner,
  ) {
    const { limits } = owner;
    this.request = new RequestHead(limits.maxFields, peerIp(socket));
    this.heads = new HeadCollector(limits.maxHeadBytes, true);
    this.body = new BodyReader(limits.maxTrailerBytes);
    this.bodyRate = new BodyRate(limits.minBodyRate);
    this.writer = new SocketWriter(socket, () => this.onDrain());
    this.lastActivityMs = owner.nowMs();
    socket.on('end', () => this.onEnd());
    // 'close' follows every error and does what there is to do.
    socket.on('error', () => {});
    socket.on('close', () => this.onClose());
    this.reader = new SocketReader(socket, (piece) => this.consume(piece));
  }

  /** The whole request has been read. */
  get requestComplete(): boolean {
    return this.requestEnded;
  }

  /** What is being written now will be flushed when the present event has been handled. */
  get flushesSoon(): boolean {
    return this.inTurn;
  }

  get isIdle(): boolean {
    return this.state === 'head' && !this.heads.pending && this.held === undefined;
  }

  /** Both sides have sent all they had, and its end. */
  get endedOrderly(): boolean {
    return this.clientEnded && this.socket.writableFinished;
  }

  /** The client connects from this machine. */
  get isFromMachine(): boolean {
    return isFromThisMachine(this.socket);
  }

  /**
   * A request is under way, and its client may be gone without that having been seen: it has sent its end, or it is not
   * being read.
   */
  get mayHaveLostClient(): boolean {
    return this.state === 'exchange' && (this.clientEnded || this.reader.isPaused);
  }

  /** Undefined: it is not connected any more. */
  get socketPair(): SocketPair | undefined {
    return socketPairOf(this.socket);
  }

  /** Whoever {@link mayHaveLostClient} its client has: nobody waits for the answer. */
  onClientLeft(): void {
    if (this.mayHaveLostClient) this.socket.destroy();
  }

  /** The client has sent its end, whether that has been read or not. @param isThere it still has the connection open */
  onClientEndFound(isThere: boolean): void {
    if (isThere) this.presence.seen();
    else if (this.mayHaveLostClient && this.requestEnded) this.presence.ended(this.owner.nowMs());
  }

  /** `IP:PORT` that the client connected to. */
  get localAddress(): string {
    const { localAddress, localPort = 0 } = this.socket;
    return formatAddress(peerIp({ remoteAddress: localAddress }), localPort);
  }

  pause(): void {
    this.reader.pause();
  }

  resume(): void {
    if (this.held === undefined) this.reader.resume();
  }

  get congested(): boolean {
    return this.writer.congested;
  }

  flush(): void {
    this.writer.flush();
  }

  sendInterim(response: ResponseMessage): void {
    if (this.request.minorVersion === 0) return;
    this.writeHead(response, UNCHANGED, { close: false, toOldClient: false });
  }

  sendHead(response: ResponseMessage, edits: ResponseEdits): BodyForm {
    const toOldClient = this.request.minorVersion === 0;
    const close = this.mustClose(response, toOldClient);
    this.responseStarted = true;
    this.closeAfterResponse = close;
    this.responseStart = this.writer.position;
    this.writeHead(response, edits, { close, leaving: this.leaving, toOldClient });
    const isOurs = response instanceof ResponseHead;
    if (toOldClient || response.bodyLength !== undefined) this.framing = 'plain';
    else if (isOurs) this.framing = response.framing.kind === 'chunked' ? 'ends-in-trailers' : 'plain';
    else this.framing = 'chunks';
    return isOurs && !toOldClient ? 'raw' : 'content';
  }

  private writeHead(response: ResponseMessage, edits: ResponseEdits, framing: ResponseFraming): void {
    this.writer.writeText(
      response instanceof ResponseHead
        ? forwardedResponseHead(response, edits, framing)
        : translatedResponseHead(response, edits, framing),
    );
  }

  /** The connection has to end with this response: its end is the body's, or the request was cut short. */
  private mustClose(response: ResponseMessage, toOldClient: boolean): boolean {
    if (!this.request.keepAlive || this.closeAfterResponse || !this.requestEnded) return true;
    if (response.bodyLength !== undefined) return false;
    return toOldClient || (response instanceof ResponseHead && response.framing.kind === 'until-close');
  }

  write(piece: Buffer, start: number, end: number): void {
    const { writer } = this;
    if (this.framing === 'chunks') writeChunk(writer, piece, start, end);
    else writer.writeRange(piece, start, end);
  }

  end(trailers: readonly Field[]): void {
    if (this.framing !== 'plain')
      this.writer.writeText(`${this.framing === 'chunks' ? '0\r\n' : ''}${fieldLines(trailers)}\r\n`);
    this.endResponse(!this.closeAfterResponse);
  }

  withdraw(): boolean {
    if (!this.writer.withdraw(this.responseStart)) return false;
    this.responseStarted = false;
    return true;
  }

  answer(answer: LocalAnswer): void {
    const { keepAlive, minorVersion, method } = this.request;
    // An answer of ours does not tell a client of HTTP/1.0 that the connection goes on.
    const close = !keepAlive || minorVersion === 0 || this.closeAfterResponse || !this.requestEnded;
    this.writer.writeText(localAnswerText(answer, { close, head: method === 'HEAD' }));
    this.endResponse(!close);
  }

  /** The response is complete and written. */
  endResponse(keepAlive: boolean): void {
    this.user = undefined;
    this.writer.flush();
    if (!keepAlive || !this.requestEnded) {
      if (this.hasNothingToCome) this.endAtOnce();
      else this.endGently();
      return;
    }
    this.state = 'head';
    this.request.forget();
    this.lastActivityMs = this.owner.nowMs();
    if (!this.inTurn) this.goOn();
  }

  /**
   * The kernel has all of the response, and the client has said that it sends no more (RFC 9112 section 9.6). Not after
   * a body: some old clients send a line end behind it, and closing on what is unread would reset the connection.
   */
  private get hasNothingToCome(): boolean {
    const { request, socket, writer } = this;
    const hasSentAll = !request.keepAlive && request.bodyLength === 0 && this.held === undefined;
    return hasSentAll && writer.isEmpty && !isEncrypted(socket);
  }

  /** Does not wait for the client's end: it saves a new connection a sixth of its system calls. */
  private endAtOnce(): void {
    this.state = 'discarding';
    this.socket.destroy();
  }

  /** From here on, bytes go both ways as they are. */
  becomeTunnel(): void {
    this.state = 'tunnel';
    watchPeer(this.socket);
    this.requestEnded = true;
    if (!this.inTurn) this.goOn();
  }

  /** A CONNECT was granted: what follows is looked at like a fresh connection's first bytes. */
  startOver(destination: SocketAddress): void {
    this.destination = destination;
    this.sniffed = false;
    this.endResponse(true);
  }

  /**
   * Ends the connection at once: the response cannot be completed, and the client must see that. The user, unless it
   * has finished already, is told; otherwise its upstream would live on.
   */
  abort(): void {
    const { user } = this;
    this.user = undefined;
    user?.onDownstreamGone('sidecar');
    if (this.state !== 'closed') reset(this.socket);
  }

  /** Sends what is written and ends our side; the client's remaining bytes are read and thrown away. */
  endGently(): void {
    if (this.state === 'closed' || this.state === 'discarding') return;
    this.state = 'discarding';
    this.discardUntilMs = this.owner.nowMs() + this.owner.limits.clientIdleTimeoutMs;
    this.held = undefined;
    this.writer.flush();
    // However slowly the client takes it: only when all is sent does the wait for the client's own end begin.
    this.socket.end(() => {
      this.discardUntilMs = this.owner.nowMs() + LINGER_MS;
    });
    this.reader.resume();
  }

  /** Half-closes a tunnel: the other side has no more to send. */
  endTunnel(): void {
    this.writer.flush();
    this.socket.end();
  }

  /** Answers, and ends, a connection whose request nobody was given, or that broke off before it had an answer. */
  refuse(code: ErrorCode, detail: string): void {
    const reply = { code, detail };
    this.owner.onRefused(this, reply);
    this.writer.writeText(localAnswerText(reply, { close: true, head: false }));
    this.endGently();
  }

  checkDeadlines(nowMs: number): void {
    const { limits } = this.owner;
    switch (this.state) {
      case 'head':
        if (
          this.destination !== undefined &&
          !this.sniffed &&
          nowMs - this.lastActivityMs >= SERVER_FIRST_MS
        ) {
          this.carryOpaque();
        } else if (this.heads.pending) {
          if (nowMs - this.headSinceMs >= limits.headTimeoutMs)
            this.refuse('slow-request', 'the head was not complete in time');
        } else if (nowMs - this.lastActivityMs >= limits.clientIdleTimeoutMs) this.endGently();
        return;
      case 'discarding':
        if (nowMs >= this.discardUntilMs) this.socket.destroy();
        return;
      case 'exchange':
        // A response that has begun may well wait for the request to go on, as in a conversation.
        if (
          !this.requestEnded &&
          !this.responseStarted &&
          this.bodyRate.isTooSlow(nowMs, this.reader.isPaused)
        )
          this.breakOff(
            'slow-request',
            `the body came with less than ${limits.minBodyRate} bytes per second`,
          );
        else if (!this.responseStarted && this.presence.isOverdue(nowMs, limits.clientFinTimeoutMs))
          this.socket.destroy();
        else this.user?.checkDeadlines(nowMs);
        return;
      default:
        this.user?.checkDeadlines(nowMs);
    }
  }

  private consume(piece: Buffer): void {
    this.inTurn = true;
    try {
      this.consumeAll(piece);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.onMalformed(error);
    } finally {
      this.inTurn = false;
    }
    this.user?.onDownstreamTurnEnd();
    this.writer.flush();
    if (this.clientEnded && this.held === undefined) this.onLastByte();
  }

  private consumeAll(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      switch (this.state) {
        case 'head':
          if (this.writer.congested && !this.heads.pending) {
            this.hold(piece, at);
            return;
          }
          at = this.readHead(piece, at);
          break;
        case 'exchange':
          if (this.requestEnded) {
            this.hold(piece, at);
            return;
          }
          at = this.readBody(piece, at);
          break;
        case 'tunnel':
          this.user?.onClientTunnelData(at === 0 ? piece : piece.subarray(at));
          return;
        default:
          this.discard(piece.length - at);
          return;
      }
    }
  }

  private readHead(piece: Buffer, start: number): number {
    if (!this.heads.pending) this.headSinceMs = this.owner.nowMs();
    if (this.destination !== undefined && !this.sniffed && !this.sniff(piece, start)) return start;
    const end = this.heads.collect(piece, start);
    if (end === -1) return piece.length;
    const { request } = this;
    request.parse(this.heads.text, this.heads.bytes, this.heads.offset);
    this.heads.reset();
    this.requests++;
    this.state = 'exchange';
    this.body.start(request.framing, 'content');
    this.requestEnded = this.body.complete;
    if (!this.requestEnded)
      this.bodyRate.start(this.owner.nowMs(), request.headers.known(ID.expect) !== undefined);
    this.responseStarted = false;
    this.presence.begin();
    this.user = this.owner.onRequest(this);
    this.user.onRequestHead();
    if (this.requestEnded) this.user?.onRequestEnd(NO_FIELDS);
    return end;
  }

  /** @returns whether the connection goes on as HTTP; if not, it has become a tunnel. */
  private sniff(piece: Buffer, start: number): boolean {
    this.sniffed = true;
    if (looksLikeHttp1(piece, start)) return true;
    this.carryOpaque();
    return false;
  }

  private carryOpaque(): void {
    this.sniffed = true;
    this.state = 'tunnel';
    watchPeer(this.socket);
    this.user = this.owner.onOpaque(this);
    this.user.onRequestHead();
  }

  private readBody(piece: Buffer, start: number): number {
    const end = this.body.read(piece, start, (from, a, b) => this.user?.onRequestBody(from, a, b));
    this.bodyRate.add(end - start);
    if (this.body.complete) {
      const trailers = forwardedTrailers(this.body.trailers, this.owner.limits.maxFields);
      this.requestEnded = true;
      this.user?.onRequestEnd(trailers);
    }
    return end;
  }

  private hold(piece: Buffer, start: number): void {
    this.held = Buffer.from(piece.subarray(start));
    this.reader.pause();
  }

  /** Turns to what was held, and to what comes after it. */
  private goOn(): void {
    const { held } = this;
    // What is written has to go first.
    if (held !== undefined && this.state === 'head' && this.writer.congested) return;
    this.held = undefined;
    this.reader.resume();
    if (held !== undefined) this.consume(held);
    else if (this.clientEnded) this.onLastByte();
  }

  private onDrain(): void {
    if (this.state === 'head') this.goOn();
    else this.user?.onDownstreamDrain();
  }

  /** Beyond the bound the rest stays unread: to close now could take the answer away before the client reads it. */
  private discard(bytes: number): void {
    this.discarded += bytes;
    if (this.discarded > this.owner.limits.maxDiscardBytes) this.reader.pause();
  }

  private onMalformed(error: ProtocolError): void {
    const code = ERROR_OF_STATUS[error.status];
    if (this.state === 'head') this.refuse(code, error.message);
    else this.breakOff(code, error.message);
  }

  /** Gives up on a request that was given to somebody, who is told that nobody waits any more. */
  private breakOff(code: ErrorCode, detail: string): void {
    const { user } = this;
    this.user = undefined;
    user?.onDownstreamGone();
    if (this.responseStarted) this.abort();
    else this.refuse(code, detail);
  }

  private onEnd(): void {
    this.clientEnded = true;
    // The end can be seen before what was held is read.
    if (this.held === undefined) this.onLastByte();
  }

  /** Everything that the client sent, and will ever send, has been read. */
  private onLastByte(): void {
    switch (this.state) {
      case 'tunnel':
        this.user?.onClientTunnelEnd();
        return;
      case 'exchange':
        if (!this.requestEnded) this.socket.destroy();
        // A whole request and then the end: the client may wait for its answer, or have left.
        else this.presence.ended(this.owner.nowMs());
        return;
      case 'head':
        this.endGently();
        return;
      default:
      // 'discarding': once what we wrote is out, too, the socket closes by itself.
    }
  }

  private onClose(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    const { user } = this;
    this.user = undefined;
    user?.onDownstreamGone();
    this.owner.onClosed(this);
  }
}
