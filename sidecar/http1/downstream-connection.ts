import type { ErrorCode, LocalReply } from '../../src/http/error-catalogue.js';
import { type Field, fieldLines, NO_FIELDS } from '../../src/http/field-line.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { BodyRate } from '../http/body-rate.js';
import type { DownstreamStream, DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import type { LocalAnswer } from '../http/local-answer.js';
import type { ResponseEdits, ResponseMessage } from '../http/message.js';
import { ERROR_OF_STATUS, ProtocolError } from '../http/protocol-error.js';
import type { BodyForm } from '../http/upstream-stream.js';
import { ClientPresence } from '../net/client-presence.js';
import type { ClientHandler, ClientSocket } from '../net/client-socket.js';
import { isEncrypted, reset, watchPeer } from '../net/socket-endings.js';
import type { SocketReader } from '../net/socket-reader.js';
import type { SocketWriter } from '../net/socket-writer.js';
import { BodyReader } from './body-reader.js';
import { writeChunk } from './chunks.js';
import { forwardedResponseHead, type ResponseFraming } from './forwarded-head.js';
import { HeadCollector } from './head-collector.js';
import { ID } from './header-block.js';
import { localAnswerText, statusLine } from './local-reply.js';
import { RequestHead } from './request-head.js';
import { ResponseHead } from './response-head.js';
import { forwardedTrailers } from './trailers.js';
import { translatedResponseHead } from './translated-head.js';

/** What the connection's owner, a listener, does for it. */
export interface DownstreamOwner {
  readonly limits: HttpLimits;
  nowMs(): number;
  /** The listener drains: every response is its connection's last. */
  readonly isEnding: boolean;
  /** Who is to answer the request whose head has arrived. */
  onRequest(connection: DownstreamConnection): DownstreamUser;
  /** A request was refused before anybody saw it. */
  onRefused(connection: DownstreamConnection, reply: LocalReply): void;
}

const CONNECT_GRANTED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/** Of a response that goes on as it came. */
const UNCHANGED: ResponseEdits = { added: NO_FIELDS, changes: undefined };

/** How long a connection that we end waits for the client to end it, too. */
const LINGER_MS = 2000;

/**
 * One client's connection: the stream of one request after the other, answered in order.
 *
 * ```
 *   head ──head complete──► exchange ──request and response complete──► head
 *    │                         ├── 101 ──► tunnel ──► closed
 *    │                         ├── CONNECT granted ──► handed over
 *    │                         ├── the last response, to a client that sends no more ──► closed
 *    │                         └── response complete, request not, or the last one ──┐
 *    └── malformed, too slow ─────────────────────────────────────────────────► discarding ──► closed
 * ```
 * While an exchange waits for its response, what the client sends beyond the request is held: one piece here, the
 * rest unread. So it is while a client does not take the answers it has: no request starts before it does.
 */
export class DownstreamConnection implements ClientHandler, DownstreamStream {
  readonly request: RequestHead;
  readonly writer: SocketWriter;
  private readonly reader: SocketReader;
  private state: 'head' | 'exchange' | 'tunnel' | 'handed-over' | 'discarding' | 'closed' = 'head';
  private user: DownstreamUser | undefined;
  private readonly heads: HeadCollector;
  private readonly body: BodyReader;
  private readonly bodyRate: BodyRate;
  private requestEnded = true;
  private readonly presence = new ClientPresence();
  /** Where the response starts in what is written to the client. */
  private responseStart = 0;
  /** How the body goes out: as it comes, then with or without a trailer section; or in chunks of our own. */
  private framing: 'plain' | 'ends-in-trailers' | 'chunks' = 'plain';
  /** Bytes of later requests. */
  private held: Buffer | undefined;
  private inTurn = false;
  private headSinceMs = 0;
  private lastActivityMs: number;
  private discardUntilMs = 0;
  private discarded = 0;
  /** Part of the response is written: another answer is out of the question. */
  responseStarted = false;
  /** Set by a listener that drains: the next response is the last. */
  closeAfterResponse = false;
  /** Likewise: so that the client goes elsewhere with its next one. */
  leaving = false;
  /** Requests that this connection has brought. */
  requests = 0;

  constructor(
    readonly client: ClientSocket,
    private readonly owner: DownstreamOwner,
  ) {
    const { limits } = owner;
    this.request = new RequestHead(limits.maxFields, client.sourceIp);
    this.heads = new HeadCollector(limits.maxHeadBytes, true);
    this.body = new BodyReader(limits.maxTrailerBytes);
    this.bodyRate = new BodyRate(limits.minBodyRate);
    this.writer = client.writer;
    this.reader = client.reader;
    this.lastActivityMs = owner.nowMs();
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

  get endedOrderly(): boolean {
    return this.client.endedOrderly;
  }

  get isFromMachine(): boolean {
    return this.client.isFromMachine;
  }

  get destination(): SocketAddress | undefined {
    return this.client.destination;
  }

  /**
   * A request is under way, and its client may be gone without that having been seen: it has sent its end, or it is not
   * being read.
   */
  get mayHaveLostClient(): boolean {
    return this.state === 'exchange' && (this.client.ended || this.reader.isPaused);
  }

  onClientLeft(): void {
    if (this.mayHaveLostClient) this.client.socket.destroy();
  }

  onClientEndFound(isThere: boolean): void {
    if (isThere) this.presence.seen();
    else if (this.mayHaveLostClient && this.requestEnded) this.presence.ended(this.owner.nowMs());
  }

  get localAddress(): string {
    return this.client.localAddress;
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

  /** The same, and the connection ends with it: the client may have sent what was for another. */
  answerLast(answer: LocalAnswer): void {
    this.closeAfterResponse = true;
    this.answer(answer);
  }

  /** Answers 204, and the connection ends with it. */
  answerEmpty(): void {
    this.writer.writeText(`${statusLine(204)}\r\nConnection: close\r\n\r\n`);
    this.endResponse(false);
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
    const { request, client, writer } = this;
    const hasSentAll = !request.keepAlive && request.bodyLength === 0 && this.held === undefined;
    return hasSentAll && writer.isEmpty && !isEncrypted(client.socket);
  }

  /** Does not wait for the client's end: it saves a new connection a sixth of its system calls. */
  private endAtOnce(): void {
    this.state = 'discarding';
    this.client.socket.destroy();
  }

  /** From here on, bytes go both ways as they are. */
  becomeTunnel(): void {
    this.state = 'tunnel';
    watchPeer(this.client.socket);
    this.requestEnded = true;
    if (!this.inTurn) this.goOn();
  }

  /** Grants a CONNECT: what the client sends from here on is another's to serve. */
  handOver(serve: (client: ClientSocket) => ClientHandler): void {
    const { client, held } = this;
    this.writer.writeText(CONNECT_GRANTED);
    this.writer.flush();
    this.state = 'handed-over';
    this.user = undefined;
    this.request.forget();
    client.handler = serve(client);
    if (this.inTurn) return;
    this.held = undefined;
    this.reader.resume();
    if (held !== undefined) client.handler.onData(held);
    if (client.ended) client.handler.onEnd();
  }

  announceEnd(): void {
    // Where a response has begun, the client has been told that the connection goes on: the next one will be the last.
    if (this.responseStarted) return;
    this.closeAfterResponse = true;
    this.leaving = true;
  }

  continue(): void {
    if (this.responseStarted || !this.leaving) return;
    this.closeAfterResponse = false;
    this.leaving = false;
  }

  /**
   * Ends the connection at once: the response cannot be completed, and the client must see that. The user, unless it
   * has finished already, is told; otherwise its upstream would live on.
   */
  abort(): void {
    const { user } = this;
    this.user = undefined;
    user?.onDownstreamGone('sidecar');
    if (this.state !== 'closed') reset(this.client.socket);
  }

  /** Sends what is written and ends our side; the client's remaining bytes are read and thrown away. */
  endGently(): void {
    if (this.state === 'closed' || this.state === 'discarding') return;
    this.state = 'discarding';
    this.discardUntilMs = this.owner.nowMs() + this.owner.limits.clientIdleTimeoutMs;
    this.held = undefined;
    this.writer.flush();
    // However slowly the client takes it: only when all is sent does the wait for the client's own end begin.
    this.client.socket.end(() => {
      this.discardUntilMs = this.owner.nowMs() + LINGER_MS;
    });
    this.reader.resume();
  }

  /** Half-closes a tunnel: the other side has no more to send. */
  endTunnel(): void {
    this.writer.flush();
    this.client.socket.end();
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
        if (this.heads.pending) {
          if (nowMs - this.headSinceMs >= limits.headTimeoutMs)
            this.refuse('slow-request', 'the head was not complete in time');
        } else if (nowMs - this.lastActivityMs >= limits.clientIdleTimeoutMs) this.endGently();
        return;
      case 'discarding':
        if (nowMs >= this.discardUntilMs) this.client.socket.destroy();
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
          this.client.socket.destroy();
        else this.user?.checkDeadlines(nowMs);
        return;
      default:
        this.user?.checkDeadlines(nowMs);
    }
  }

  onData(piece: Buffer): void {
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
    if (this.client.ended && this.held === undefined) this.onLastByte();
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
        case 'handed-over':
          this.client.handler.onData(piece.subarray(at));
          return;
        default:
          this.discard(piece.length - at);
          return;
      }
    }
  }

  private readHead(piece: Buffer, start: number): number {
    if (!this.heads.pending) this.headSinceMs = this.owner.nowMs();
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
    this.limitRequests();
    this.user = this.owner.onRequest(this);
    this.user.onRequestHead();
    if (this.requestEnded) this.user?.onRequestEnd(NO_FIELDS);
    return end;
  }

  private limitRequests(): void {
    const { isEnding, limits } = this.owner;
    if (isEnding) this.announceEnd();
    else if (limits.maxRequestsPerConnection > 0 && this.requests >= limits.maxRequestsPerConnection)
      this.closeAfterResponse = true;
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
    if (held !== undefined) this.onData(held);
    else if (this.client.ended) this.onLastByte();
  }

  onDrain(): void {
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

  onEnd(): void {
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
        if (!this.requestEnded) this.client.socket.destroy();
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

  onClose(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    const { user } = this;
    this.user = undefined;
    user?.onDownstreamGone();
  }
}
