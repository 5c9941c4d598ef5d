import { ERROR, errorName } from './error-code.js';
import { MAX_FRAME_BYTES, MAX_WINDOW } from './frame.js';
import type { FrameWriter } from './frame-writer.js';
import type { HeaderField } from './header-field.js';
import type { ResponseFields } from './message-head.js';
import { IDLE, type StreamEnd, type StreamEvent, type StreamState, transition } from './stream-state.js';

/** Why a stream ended before both sides had sent their end. */
export interface StreamFailure {
  /** One of `ERROR`. */
  readonly code: number;
  /** Who ended it: the peer, this side because of what the peer sent, or the end of the connection. */
  readonly by: 'peer' | 'us' | 'connection';
  readonly reason: string;
  /** The peer has not looked at the request: it may be sent once more (RFC 9113 section 8.7). */
  readonly unprocessed: boolean;
}

/** Who reads a stream. Called in the order in which things happen. */
export interface StreamUser {
  /**
   * A response's head; interim ones (1xx) come first. On the client's side only.
   *
   * @param endStream it has neither content nor trailers; {@link onEnd} follows
   */
  onResponse(response: ResponseFields, endStream: boolean): void;
  /** @param piece memory that is used again once this returns. Up to a window of it still comes after a pause */
  onData(piece: Buffer, start: number, end: number): void;
  /** The peer has sent its end. @param trailers empty: there are none */
  onEnd(trailers: readonly HeaderField[]): void;
  /** The stream is over, and was not completed. Not called for one that this user has {@link Http2Stream.reset}. */
  onReset(failure: StreamFailure): void;
  /** The peer takes more again, after the stream was {@link Http2Stream.congested}. */
  onDrain(): void;
  /** Everything that one event brought for this stream has been told. */
  onTurnEnd(): void;
}

/** The connection, as its streams see it. */
export interface StreamHost {
  readonly frames: FrameWriter;
  /** Content that may still be sent on all streams together. */
  sendWindow: number;
  /** What a stream may receive before it is forwarded. */
  readonly streamWindow: number;
  /** The socket takes no more. */
  readonly congested: boolean;
  nowMs(): number;
  /** Sees to it that the stream's user is told of the turn's end. @returns false: no turn is under way */
  joinTurn(stream: Http2Stream): boolean;
  onContentSent(): void;
  /** It has content that it may not send yet: its {@link Http2Stream.pump} is called when it may. */
  waitToSend(stream: Http2Stream): void;
  onStreamClosed(stream: Http2Stream, by: StreamEnd): void;
}

const NO_FIELDS: readonly HeaderField[] = [];

/**
 * One stream of a connection, for both roles (RFC 9113 section 5). Its states: `stream-state.ts`.
 *
 * What is written goes out at once as far as both windows and the socket allow; the rest is copied and waits. A caller that
 * writes should stop while the stream is {@link congested}: what waits is then bounded by what it is given after that,
 * which is at most the window of the stream or the read of the socket that the content comes from.
 */
export class Http2Stream {
  state: StreamState = IDLE;
  user: StreamUser | undefined;
  /** Content that may still be sent; negative after the peer has shrunk its initial window (section 6.9.2). */
  sendWindow: number;
  /** Content that the peer may still send. */
  private receiveWindow: number;
  /** Content that has been taken, and that the peer has not been told of yet. */
  private owed = 0;
  private paused = false;
  private queue: Buffer[] = [];
  /** Bytes of the first piece of the queue that are sent. */
  private sent = 0;
  private trailers: readonly HeaderField[] | undefined;
  /** -1: the peer may send its end. */
  private resetCode = -1;
  /** Since when content waits without progress. */
  private waitsSinceMs = 0;
  /** What the message must bring; -1: it does not say. */
  expectedLength = -1;
  private received = 0;
  /** The final head of the response has come; of a server's stream, the request's. */
  hasHead = false;
  interims = 0;
  /** Of the request: its response has no content, whatever it says. */
  isHead = false;
  /** The turn in which its user was told something last. */
  turn = 0;

  constructor(
    readonly id: number,
    private readonly host: StreamHost,
    sendWindow: number,
  ) {
    this.sendWindow = sendWindow;
    this.receiveWindow = host.streamWindow;
  }

  get isOver(): boolean {
    return this.state.kind === 'closed';
  }

  /** The peer may send on it. */
  get isReceiving(): boolean {
    return this.state.kind === 'open' || this.state.kind === 'half-closed-local';
  }

  /** We may send on it. */
  get isSending(): boolean {
    return (
      this.trailers === undefined && (this.state.kind === 'open' || this.state.kind === 'half-closed-remote')
    );
  }

  /** Content waits to be sent: stop writing until {@link StreamUser.onDrain}. */
  get congested(): boolean {
    return this.queue.length > 0;
  }

  /** Its user is about to be told of the end of the turn that is under way. */
  get endsTurnSoon(): boolean {
    return this.host.joinTurn(this);
  }

  // ---- sending ----

  /** A request's or a response's head, which {@link end} may still end. */
  sendHead(fields: readonly HeaderField[]): void {
    if (!this.isSending && this.state.kind !== 'idle') return;
    if (this.state.kind === 'idle') this.move('headers');
    this.host.frames.headers(this.id, fields, false);
  }

  /** Content. @param piece memory that may be used again once this returns */
  write(piece: Buffer, start: number, end: number): void {
    if (!this.isSending) return;
    const at = this.congested ? start : this.sendSome(piece, start, end, Number.POSITIVE_INFINITY);
    if (at === end) return;
    if (!this.congested) {
      this.waitsSinceMs = this.host.nowMs();
      this.host.waitToSend(this);
    }
    this.queue.push(Buffer.from(piece.subarray(at, end)));
  }

  /** Our message is complete. */
  end(trailers: readonly HeaderField[] = NO_FIELDS): void {
    if (!this.isSending) return;
    this.trailers = trailers;
    if (!this.congested) this.sendEnd(trailers);
  }

  private sendEnd(trailers: readonly HeaderField[]): void {
    if (trailers.length > 0) this.host.frames.headers(this.id, trailers, true);
    else this.host.frames.end(this.id);
    this.move('end-sent');
    if (this.resetCode !== -1) this.reset(this.resetCode);
  }

  /** Gives up on what the peer still sends once everything that waits to be sent has been. */
  resetWhenSent(code: number): void {
    this.resetCode = code;
  }

  /** Gives up on the stream. Its user is told nothing more. */
  reset(code: number): void {
    if (this.isOver) return;
    if (this.state.kind !== 'idle') this.host.frames.reset(this.id, code);
    this.move('reset-sent');
  }

  /** The windows, or the socket, allow more. @returns whether content still waits */
  pump(): boolean {
    if (this.isOver) return false;
    const [piece] = this.queue;
    if (piece === undefined) return false;
    const at = this.sendSome(piece, this.sent, piece.length, MAX_FRAME_BYTES);
    if (at === this.sent) return true;
    this.sent = at;
    this.waitsSinceMs = this.host.nowMs();
    if (at < piece.length) return true;
    this.queue.shift();
    this.sent = 0;
    if (this.queue.length > 0) return true;
    if (this.trailers !== undefined) this.sendEnd(this.trailers);
    else this.user?.onDrain();
    return this.congested;
  }

  /** What waits has made no progress for so long. */
  isStalled(nowMs: number, limitMs: number): boolean {
    return this.congested && nowMs - this.waitsSinceMs >= limitMs;
  }

  /** @returns how far it got */
  private sendSome(piece: Buffer, start: number, end: number, most: number): number {
    const { host } = this;
    let at = start;
    while (at < end && at - start < most && !host.congested) {
      const length = Math.min(end - at, this.sendWindow, host.sendWindow, MAX_FRAME_BYTES);
      if (length <= 0) break;
      host.frames.data(this.id, piece, at, at + length, false);
      host.onContentSent();
      this.sendWindow -= length;
      host.sendWindow -= length;
      at += length;
    }
    return at;
  }

  // ---- receiving ----

  /** Stops to make room for the peer. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.giveCredit();
  }

  /** A DATA frame begins. @returns false: the peer may not send that much (section 6.9.1) */
  takeFromWindow(bytes: number): boolean {
    this.receiveWindow -= bytes;
    return this.receiveWindow >= 0;
  }

  /** @returns whether it is more than the message has announced */
  receive(piece: Buffer, start: number, end: number): boolean {
    this.received += end - start;
    if (this.expectedLength !== -1 && this.received > this.expectedLength) return false;
    this.owed += end - start;
    this.user?.onData(piece, start, end);
    return true;
  }

  /** A DATA frame is over. @param unread what counted in the windows and was padding */
  endFrame(unread: number): void {
    this.owed += unread;
    this.giveCredit();
  }

  /** The message has brought what it announced. */
  get isComplete(): boolean {
    return this.expectedLength === -1 || this.received === this.expectedLength;
  }

  /** The peer has ended its side. */
  receiveEnd(trailers: readonly HeaderField[]): void {
    const { user } = this;
    this.move('end-received');
    user?.onEnd(trailers);
  }

  private giveCredit(): void {
    if (this.paused || !this.isReceiving || this.owed * 2 < this.host.streamWindow) return;
    this.host.frames.windowUpdate(this.id, this.owed);
    this.receiveWindow += this.owed;
    this.owed = 0;
  }

  /** @returns false: the window is larger than any may be */
  widen(bytes: number): boolean {
    this.sendWindow += bytes;
    return this.sendWindow <= MAX_WINDOW;
  }

  // ---- the end ----

  /** Ends it because of what the peer sent, or did not do, and tells its user. */
  fail(code: number, reason: string): void {
    if (this.isOver) return;
    const { user } = this;
    this.reset(code);
    user?.onReset({ code, by: 'us', reason, unprocessed: false });
  }

  /** The peer has reset it. */
  receiveReset(code: number): void {
    const { user } = this;
    this.move('reset-received');
    const unprocessed = code === ERROR.refusedStream;
    user?.onReset({ code, by: 'peer', reason: `reset with ${errorName(code)}`, unprocessed });
  }

  /** The connection has ended, or the peer goes away without having looked at it. */
  lose(code: number, reason: string, unprocessed: boolean): void {
    if (this.isOver) return;
    const { user } = this;
    this.move('reset-received');
    user?.onReset({ code, by: 'connection', reason, unprocessed });
  }

  move(event: StreamEvent): void {
    this.state = transition(this.state, event);
    if (this.state.kind !== 'closed') return;
    if (this.state.by !== 'end') this.user = undefined;
    this.queue = [];
    this.host.onStreamClosed(this, this.state.by);
  }
}
