import type { Socket } from 'node:net';
import { BlockWriter } from '../net/block-writer.js';
import { SocketReader } from '../net/socket-reader.js';
import { AbuseMeter } from './abuse-meter.js';
import type { Http2Options, Http2Owner } from './connection-owner.js';
import { type ContentHost, ContentReceiver } from './content-receiver.js';
import { ConnectionError, ERROR, errorName } from './error-code.js';
import {
  ACK,
  CONTINUATION,
  DATA,
  DEFAULT_WINDOW,
  GOAWAY,
  HEADERS,
  MAX_STREAM_ID,
  MAX_WINDOW,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  readUint31,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE,
} from './frame.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { HeadDispatch, type HeadHost } from './head-dispatch.js';
import { HeadReceiver, type ReceivedHead } from './head-receiver.js';
import type { HeaderField } from './header-field.js';
import { HpackError } from './hpack-error.js';
import type { Http2Limits } from './limits.js';
import { applySettings, initialSettings, SETTING } from './settings.js';
import { Http2Stream, type StreamHost, type StreamUser } from './stream.js';
import { StreamNumbers } from './stream-numbers.js';
import { StreamSchedule } from './stream-schedule.js';
import type { StreamEnd } from './stream-state.js';

/** Streams that a client opens before it knows how many it may (RFC 9113 section 6.5.2 recommends no less). */
const STREAMS_BEFORE_SETTINGS = 100;
/** How long the peer has to end a connection that we end. */
const LINGER_MS = 2000;
/** How long a client has to learn that the connection goes away, if it does not answer a ping. */
const FAREWELL_MS = 1000;
/** What the ping of a farewell says. */
const FAREWELL = Buffer.from('farewell', 'latin1');
/** DATA updates as many windows as it goes through. */
const UPDATES_PER_DATA = 4;

/**
 * One HTTP/2 connection (RFC 9113), as a server or as a client.
 *
 * ```
 *   open ──drain──► farewell ──ping answered──► draining ──last stream over──► ending ──► closed
 *    │                                                                          ▲
 *    └── the peer breaks a rule, or does too much: GOAWAY ──────────────────────┘
 * ```
 * A rule that is broken on a stream ends that stream only. Frames that were under way for a stream that we have reset
 * are ignored. What is written is collected, and flushed once in each turn of the event loop.
 */
export class Http2Connection implements FrameSink, StreamHost, ContentHost, HeadHost {
  readonly frames: FrameWriter;
  sendWindow = DEFAULT_WINDOW;
  readonly streamWindow: number;
  private state: 'open' | 'farewell' | 'draining' | 'ending' | 'closed' = 'open';
  private readonly socket: Socket;
  private readonly isServer: boolean;
  readonly owner: Http2Owner;
  readonly limits: Http2Limits;
  private readonly out: BlockWriter;
  private readonly reader: FrameReader;
  readonly meter: AbuseMeter;
  private readonly content: ContentReceiver;
  private readonly heads: HeadReceiver;
  private readonly dispatch = new HeadDispatch(this);
  readonly numbers: StreamNumbers;
  private readonly schedule = new StreamSchedule(this);
  private readonly peer = initialSettings();
  private readonly streams = new Map<number, Http2Stream>();
  private inTurn = false;
  private settingsReceived = false;
  /** The peer has said that it goes away. */
  private peerLeaves = false;
  private unreadReplies = 0;
  /** Since when a frame or a head is incomplete; 0: none is. */
  private incompleteSinceMs = 0;
  private readonly createdMs: number;
  private untilMs = 0;
  /** Why we end it. */
  private endReason: string | undefined;
  /** Since when it has had no stream. */
  idleSinceMs: number;
  /** Streams that it has had. */
  opened = 0;

  constructor({ socket, role, owner, isFed = false, firstStreamId = 1 }: Http2Options) {
    const { limits } = owner;
    this.socket = socket;
    this.owner = owner;
    this.limits = limits;
    this.isServer = role === 'server';
    this.numbers = new StreamNumbers(this.isServer, firstStreamId);
    this.streamWindow = limits.streamWindowBytes;
    this.createdMs = owner.nowMs();
    this.idleSinceMs = this.createdMs;
    this.out = new BlockWriter(socket, () => this.pumpAll());
    this.frames = new FrameWriter(this.out);
    this.reader = new FrameReader(this, this.isServer);
    this.heads = new HeadReceiver({
      maxListBytes: limits.maxHeadBytes,
      maxFields: limits.maxFields,
      maxContinuations: limits.maxContinuations,
    });
    this.meter = new AbuseMeter(this.createdMs);
    this.content = new ContentReceiver(this, limits.connectionWindowBytes);
    this.begin();
    if (!isFed) this.read();
  }

  private read(): void {
    const { socket } = this;
    socket.on('end', () => this.onPeerEnd());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.endReason ??= error.code ?? error.message;
    });
    socket.on('close', () => this.onClose('closed'));
    new SocketReader(socket, (piece) => this.receive(piece));
  }

  private begin(): void {
    const { limits, frames } = this;
    if (!this.isServer) frames.preface();
    frames.settings([
      this.isServer ? [SETTING.maxConcurrentStreams, limits.maxConcurrentStreams] : [SETTING.enablePush, 0],
      [SETTING.initialWindowSize, limits.streamWindowBytes],
      [SETTING.maxHeaderListSize, limits.maxHeadBytes],
      ...(this.isServer ? [[SETTING.enableConnectProtocol, 1] as const] : []),
    ]);
    frames.windowUpdate(0, limits.connectionWindowBytes - DEFAULT_WINDOW);
  }

  // ---- what its owner asks and does ----

  get streamCount(): number {
    return this.streams.size;
  }

  /** Another stream can be opened now, by a client. */
  get hasCapacity(): boolean {
    const most = this.settingsReceived ? this.peer.maxConcurrentStreams : STREAMS_BEFORE_SETTINGS;
    return this.isUsable && this.streams.size < Math.min(most, this.limits.maxConcurrentStreams);
  }

  /** Streams can be opened, now or when others are over. */
  get isUsable(): boolean {
    return this.state === 'open' && !this.peerLeaves && !this.numbers.areUsedUp;
  }

  get isClosed(): boolean {
    return this.state === 'closed' || this.state === 'ending';
  }

  /** The server takes extended CONNECT (RFC 8441). */
  get takesConnectProtocol(): boolean {
    return this.peer.connectProtocol;
  }

  get congested(): boolean {
    return this.out.congested;
  }

  nowMs(): number {
    return this.owner.nowMs();
  }

  get allStreams(): Iterable<Http2Stream> {
    return this.streams.values();
  }

  /**
   * Opens a stream for a request, as a client. Needs {@link hasCapacity}.
   *
   * @param isHead the method is HEAD: the response has no content
   */
  open(user: StreamUser, isHead: boolean): Http2Stream {
    if (!this.hasCapacity) throw new Error('the connection takes no more streams');
    const stream = new Http2Stream(this.numbers.take(), this, this.peer.initialWindow);
    this.opened++;
    stream.user = user;
    stream.isHead = isHead;
    this.streams.set(stream.id, stream);
    if (this.numbers.areUsedUp) this.owner.onRetired('its stream numbers are used up');
    return stream;
  }

  /** Takes no new streams, lets those that are there finish, and closes then. */
  drain(): void {
    if (this.state !== 'open') return;
    if (!this.isServer) {
      this.state = 'draining';
      this.endIfDrained();
      return;
    }
    // RFC 9113 section 6.8: first the news, and the last stream once the client must have heard it.
    this.state = 'farewell';
    this.untilMs = this.nowMs() + FAREWELL_MS;
    this.frames.goAway(MAX_STREAM_ID, ERROR.noError, '');
    this.frames.ping(FAREWELL, 0, 0);
  }

  private finishFarewell(): void {
    this.state = 'draining';
    this.frames.goAway(this.numbers.lastOfPeer, ERROR.noError, '');
    this.endIfDrained();
  }

  /** Ends the connection at once; users of streams are told. */
  destroy(reason: string): void {
    if (this.state === 'closed') return;
    this.onClose(reason);
    this.socket.destroy();
  }

  /** Called on the coarse clock. */
  checkDeadlines(nowMs: number): void {
    this.meter.tick(nowMs);
    switch (this.state) {
      case 'ending':
        if (nowMs >= this.untilMs) this.socket.destroy();
        return;
      case 'closed':
        return;
      case 'farewell':
        if (nowMs >= this.untilMs) this.finishFarewell();
        break;
      default:
    }
    const { headTimeoutMs, stallTimeoutMs } = this.limits;
    if (!this.settingsReceived && !this.socket.connecting && nowMs - this.createdMs >= headTimeoutMs)
      this.fail(new ConnectionError(ERROR.settingsTimeout, 'the peer has not sent its settings in time'));
    else if (this.incompleteSinceMs !== 0 && nowMs - this.incompleteSinceMs >= headTimeoutMs)
      this.fail(new ConnectionError(ERROR.enhanceYourCalm, 'a frame or a head was not complete in time'));
    for (const stream of this.schedule.stalled(nowMs, stallTimeoutMs))
      stream.fail(ERROR.cancel, 'the peer takes no more content');
  }

  // ---- reading ----

  /** Takes what has been read of the socket. @param piece memory that is used again once this returns */
  receive(piece: Buffer): void {
    if (this.isClosed) return;
    this.inTurn = true;
    try {
      this.reader.read(piece);
    } catch (error) {
      if (error instanceof HpackError) this.fail(new ConnectionError(ERROR.compressionError, error.message));
      else if (error instanceof ConnectionError) this.fail(error);
      else throw error;
    }
    this.watchIncomplete();
    this.endTurn();
  }

  private endTurn(): void {
    this.inTurn = false;
    this.schedule.endTurn();
  }

  /** DATA may take its time; its receiver judges that. */
  private watchIncomplete(): void {
    const isIncomplete = this.heads.incompleteStream !== 0 || this.reader.isWithinHead;
    if (!isIncomplete) this.incompleteSinceMs = 0;
    else if (this.incompleteSinceMs === 0) this.incompleteSinceMs = this.nowMs();
  }

  onFrameHead(type: number, _flags: number, streamId: number, length: number): void {
    if (this.heads.incompleteStream !== 0) {
      if (type !== CONTINUATION || streamId !== this.heads.incompleteStream)
        throw new ConnectionError(ERROR.protocolError, 'a head is not continued by the next frame');
    } else if (type === CONTINUATION)
      throw new ConnectionError(ERROR.protocolError, 'there is no head to continue');
    if (!this.settingsReceived && type !== SETTINGS)
      throw new ConnectionError(ERROR.protocolError, 'the first frame is not SETTINGS');
    if (type === DATA) this.content.begin(streamId, length);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case HEADERS:
        this.onHead(this.heads.begin(flags, streamId, bytes, start, end));
        return;
      case CONTINUATION:
        this.onHead(this.heads.continue(flags, bytes, start, end));
        return;
      case WINDOW_UPDATE:
        this.onWindowUpdate(streamId, readUint31(bytes, start));
        return;
      case RST_STREAM:
        this.onResetFrame(streamId, readUint32(bytes, start));
        return;
      case SETTINGS:
        this.onSettings(flags, bytes, start, end);
        return;
      case PING:
        this.onPing(flags, bytes, start);
        return;
      case GOAWAY:
        this.onGoAway(readUint31(bytes, start), readUint32(bytes, start + 4));
        return;
      case PRIORITY:
        this.onPriority(streamId, bytes, start, end);
        return;
      case PUSH_PROMISE:
        throw new ConnectionError(ERROR.protocolError, 'a push was not allowed');
      default:
        this.meter.charge('empty-frame');
    }
  }

  // ---- content ----

  onDataPiece(piece: Buffer, start: number, end: number): void {
    this.content.take(piece, start, end);
  }

  onDataEnd(endStream: boolean): void {
    this.content.end(endStream);
  }

  streamForContent(id: number): Http2Stream | undefined {
    const stream = this.streams.get(id);
    if (stream === undefined) this.numbers.expectReset(id, 'DATA');
    return stream;
  }

  endReceiving(stream: Http2Stream, trailers: readonly HeaderField[]): void {
    this.touch(stream);
    if (stream.isComplete) stream.receiveEnd(trailers);
    else this.failStream(stream, ERROR.protocolError, 'there is less content than content-length says');
  }

  touch(stream: Http2Stream): void {
    this.schedule.touch(stream);
  }

  widenConnection(bytes: number): void {
    this.frames.windowUpdate(0, bytes);
  }

  // ---- heads ----

  private onHead(head: ReceivedHead | undefined): void {
    if (head !== undefined) this.dispatch.onHead(head);
  }

  streamOf(id: number): Http2Stream | undefined {
    return this.streams.get(id);
  }

  get takesRequests(): boolean {
    return this.state !== 'draining' && this.streams.size < this.limits.maxConcurrentStreams;
  }

  accept(streamId: number): Http2Stream {
    const stream = new Http2Stream(streamId, this, this.peer.initialWindow);
    this.opened++;
    stream.hasHead = true;
    stream.move('headers');
    this.streams.set(streamId, stream);
    this.touch(stream);
    return stream;
  }

  // ---- other frames ----

  private onWindowUpdate(streamId: number, bytes: number): void {
    this.meter.charge('window-update');
    if (streamId === 0) {
      if (bytes === 0) throw new ConnectionError(ERROR.protocolError, 'a window is updated by nothing');
      this.sendWindow += bytes;
      if (this.sendWindow > MAX_WINDOW)
        throw new ConnectionError(ERROR.flowControlError, 'a window is too large');
      this.pumpAll();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.numbers.expectKnown(streamId, 'WINDOW_UPDATE');
    else if (bytes === 0) this.failStream(stream, ERROR.protocolError, 'a window is updated by nothing');
    else if (!stream.widen(bytes)) this.failStream(stream, ERROR.flowControlError, 'a window is too large');
    else if (stream.congested) this.pumpAll();
  }

  private onResetFrame(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.numbers.expectKnown(streamId, 'RST_STREAM');
      this.meter.charge('empty-frame');
      return;
    }
    if (this.isServer) this.meter.charge('reset');
    this.touch(stream);
    stream.receiveReset(code);
  }

  private onSettings(flags: number, bytes: Buffer, start: number, end: number): void {
    if ((flags & ACK) !== 0) {
      if (end > start) throw new ConnectionError(ERROR.frameSizeError, 'an acknowledgement has a payload');
      return;
    }
    this.meter.charge('settings');
    const before = this.peer.initialWindow;
    applySettings(this.peer, bytes, start, end, !this.isServer);
    this.frames.encoder.setPeerTableBytes(this.peer.headerTableBytes);
    this.settingsReceived = true;
    this.frames.settingsAck();
    this.countReply();
    this.widenAll(this.peer.initialWindow - before);
    if (!this.isServer) this.owner.onCapacity();
  }

  /** RFC 9113 section 6.9.2: for all streams, which may leave them with less than nothing. */
  private widenAll(bytes: number): void {
    if (bytes === 0) return;
    for (const stream of this.streams.values()) {
      if (!stream.widen(bytes)) throw new ConnectionError(ERROR.flowControlError, 'a window is too large');
    }
    this.pumpAll();
  }

  private onPing(flags: number, bytes: Buffer, start: number): void {
    if ((flags & ACK) !== 0) {
      if (this.state === 'farewell' && bytes.compare(FAREWELL, 0, 8, start, start + 8) === 0)
        this.finishFarewell();
      return;
    }
    this.meter.charge('ping');
    this.frames.ping(bytes, start, ACK);
    this.countReply();
  }

  /** Streams beyond the last one that the peer looks at can go elsewhere (RFC 9113 section 6.8). */
  private onGoAway(lastStreamId: number, code: number): void {
    this.meter.charge('settings');
    const reason = `the peer goes away: ${errorName(code)}`;
    if (!this.peerLeaves) {
      this.peerLeaves = true;
      this.owner.onRetired(reason);
    }
    if (this.isServer) return;
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastStreamId) continue;
      this.touch(stream);
      stream.lose(ERROR.refusedStream, reason, true);
    }
    this.endIfDrained();
  }

  /** Priorities are ignored, as section 5.3.2 allows; what is malformed is not. */
  private onPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.meter.charge('empty-frame');
    const isTooShort = end - start !== 5;
    if (!isTooShort && readUint31(bytes, start) !== streamId) return;
    const code = isTooShort ? ERROR.frameSizeError : ERROR.protocolError;
    const stream = this.streams.get(streamId);
    if (stream === undefined) throw new ConnectionError(code, 'a priority is malformed');
    this.failStream(stream, code, 'a priority is malformed');
  }

  // ---- what is wrong ----

  /** Ends a stream because of what the peer has sent on it. */
  failStream(stream: Http2Stream, code: number, reason: string): void {
    this.touch(stream);
    stream.fail(code, reason);
    this.chargeForError();
  }

  /** Ends a stream that was not handed on. */
  refuse(streamId: number, code: number): void {
    this.numbers.onOver(streamId, true);
    this.frames.reset(streamId, code);
    this.chargeForError();
  }

  private chargeForError(): void {
    this.countReply();
    if (this.isServer) this.meter.charge('stream-error');
  }

  /** What a peer has us say and does not read must not pile up. */
  private countReply(): void {
    if (++this.unreadReplies <= this.limits.maxUnreadReplies) return;
    this.out.flush();
    if (!this.out.isEmpty)
      throw new ConnectionError(ERROR.enhanceYourCalm, 'the peer does not read the answers that it asks for');
    this.unreadReplies = 0;
  }

  /** Tells the peer what it has done wrong, and ends the connection. */
  private fail(error: ConnectionError): void {
    if (this.isClosed) return;
    this.frames.goAway(this.numbers.lastOfPeer, error.code, error.message);
    this.end(`${errorName(error.code)}: ${error.message}`, error.code);
  }

  // ---- the end ----

  onContentSent(): void {
    this.meter.useful('window-update', UPDATES_PER_DATA);
  }

  joinTurn(stream: Http2Stream): boolean {
    if (this.inTurn) this.touch(stream);
    return this.inTurn;
  }

  waitToSend(stream: Http2Stream): void {
    this.schedule.wait(stream);
  }

  onStreamClosed(stream: Http2Stream, by: StreamEnd): void {
    if (!this.streams.delete(stream.id)) return;
    this.schedule.remove(stream);
    this.numbers.onOver(stream.id, by === 'our-reset');
    if (by === 'end') this.meter.useful('reset');
    if (this.streams.size === 0) this.idleSinceMs = this.nowMs();
    if (this.isClosed) return;
    this.endIfDrained();
    if (!this.isServer) this.owner.onCapacity();
  }

  private pumpAll(): void {
    this.schedule.pump();
    if (!this.inTurn) this.endTurn();
  }

  private endIfDrained(): void {
    const isDrained = this.state === 'draining' || (this.peerLeaves && !this.isServer && !this.isClosed);
    if (!isDrained || this.streams.size > 0) return;
    if (!this.isServer) this.frames.goAway(0, ERROR.noError, '');
    this.end('drained', ERROR.noError);
  }

  /** Sends what is written and ends our side; what the peer still sends is read and thrown away. */
  private end(reason: string, code: number): void {
    this.state = 'ending';
    this.endReason = reason;
    this.untilMs = this.nowMs() + LINGER_MS;
    this.loseStreams(reason, code);
    this.out.flush();
    this.socket.end();
  }

  private loseStreams(reason: string, code: number): void {
    for (const stream of [...this.streams.values()]) {
      this.touch(stream);
      stream.lose(code, reason, false);
    }
    if (!this.inTurn) this.endTurn();
  }

  /** The peer has sent its last byte. One that has cannot update a window any more. */
  onPeerEnd(): void {
    if (this.state === 'ending') {
      this.socket.end();
      return;
    }
    this.destroy('closed by the peer');
  }

  onClose(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.loseStreams(reason, ERROR.internalError);
    this.owner.onClosed(this.endReason ?? reason);
  }
}
