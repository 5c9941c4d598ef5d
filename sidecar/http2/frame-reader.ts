import { ConnectionError, ERROR } from './error-code.js';
import {
  CONTINUATION,
  DATA,
  END_STREAM,
  FRAME_HEAD_BYTES,
  GOAWAY,
  HEADERS,
  MAX_FRAME_BYTES,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  readUint31,
  SETTINGS,
} from './frame.js';

/** What a {@link FrameReader} tells, in the order of the bytes. Its memory is used again once a call returns. */
export interface FrameSink {
  /**
   * A frame has begun, and its payload is still to come: the time to refuse it.
   *
   * @param length of its payload
   * @throws ConnectionError
   */
  onFrameHead(type: number, flags: number, streamId: number, length: number): void;
  /** A whole frame other than DATA. @param start where its payload starts in `bytes` */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
  /** A part of the content of the DATA frame that has begun. */
  onDataPiece(piece: Buffer, start: number, end: number): void;
  /** The DATA frame that has begun is over. */
  onDataEnd(endStream: boolean): void;
}

/** Length that every frame of a type has; -1: it varies. */
const EXACT_LENGTH: readonly number[] = [-1, -1, 5, 4, -1, -1, 8, -1, 4, -1];
/** Frames of one stream; the others, but for those of unknown types, are the connection's. */
const OF_STREAM = new Set([DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION]);
const OF_CONNECTION = new Set([SETTINGS, PING, GOAWAY]);

/**
 * Reads frames from pieces of any size. The content of DATA goes on as it comes; of every other frame that comes in
 * pieces, at most one is held, {@link MAX_FRAME_BYTES} long.
 *
 * ```
 *   preface ──► head ──► payload (held until whole) ──► head
 *                └─────► pad length ──► data ──► padding ──► head
 * ```
 */
export class FrameReader {
  private state: 'preface' | 'head' | 'payload' | 'pad-length' | 'data' | 'padding';
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** Bytes of the payload that are still to come. */
  private left = 0;
  private padding = 0;
  private readonly head = Buffer.alloc(FRAME_HEAD_BYTES);
  private partial: Buffer | undefined;
  /** Bytes of the preface, of a head or of a payload that are there. */
  private have = 0;

  /** @param expectsPreface the peer is a client */
  constructor(
    private readonly sink: FrameSink,
    expectsPreface: boolean,
  ) {
    this.state = expectsPreface ? 'preface' : 'head';
  }

  /** The preface, or a frame that is not DATA, has begun and is not complete. */
  get isWithinHead(): boolean {
    return this.have > 0 || this.state === 'payload';
  }

  /** @throws ConnectionError, and whatever the sink throws; nothing may be read after that */
  read(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) at = this.readSome(piece, at);
  }

  private readSome(piece: Buffer, at: number): number {
    switch (this.state) {
      case 'head':
        return this.readHead(piece, at);
      case 'payload':
        return this.readPayload(piece, at);
      case 'data':
        return this.readData(piece, at);
      case 'pad-length':
        this.startPadded(piece[at] as number);
        return at + 1;
      case 'padding':
        return this.skipPadding(piece, at);
      default:
        return this.readPreface(piece, at);
    }
  }

  private readPreface(piece: Buffer, start: number): number {
    const end = Math.min(piece.length, start + PREFACE.length - this.have);
    for (let at = start; at < end; at++) {
      if (piece[at] !== PREFACE[this.have++])
        throw new ConnectionError(
          ERROR.protocolError,
          'the connection does not begin with the preface of HTTP/2',
        );
    }
    if (this.have === PREFACE.length) this.nextFrame();
    return end;
  }

  private readHead(piece: Buffer, start: number): number {
    let bytes = piece;
    let from = start;
    let end = start + FRAME_HEAD_BYTES;
    if (this.have > 0 || end > piece.length) {
      end = Math.min(piece.length, start + FRAME_HEAD_BYTES - this.have);
      this.have += piece.copy(this.head, this.have, start, end);
      if (this.have < FRAME_HEAD_BYTES) return end;
      bytes = this.head;
      from = 0;
    }
    this.have = 0;
    this.left =
      ((bytes[from] as number) << 16) | ((bytes[from + 1] as number) << 8) | (bytes[from + 2] as number);
    this.type = bytes[from + 3] as number;
    this.flags = bytes[from + 4] as number;
    this.streamId = readUint31(bytes, from + 5);
    this.checkHead();
    this.sink.onFrameHead(this.type, this.flags, this.streamId, this.left);
    if (this.type === DATA) {
      this.startData();
      return end;
    }
    // Most frames come whole, and are read where they are.
    if (piece.length - end >= this.left) {
      this.sink.onFrame(this.type, this.flags, this.streamId, piece, end, end + this.left);
      return end + this.left;
    }
    this.partial = Buffer.allocUnsafe(this.left);
    this.state = 'payload';
    return end;
  }

  private checkHead(): void {
    const { type, left, streamId } = this;
    if (left > MAX_FRAME_BYTES)
      throw new ConnectionError(ERROR.frameSizeError, 'a frame is longer than announced');
    if (streamId === 0 ? OF_STREAM.has(type) : OF_CONNECTION.has(type))
      throw new ConnectionError(
        ERROR.protocolError,
        'a frame is not for what it names, stream or connection',
      );
    const exact = EXACT_LENGTH[type] ?? -1;
    // A PRIORITY of another length ends its stream only (section 6.3).
    if (exact !== -1 && left !== exact && type !== PRIORITY)
      throw new ConnectionError(ERROR.frameSizeError, 'a frame does not have the length of its type');
    if (type === GOAWAY && left < 8) throw new ConnectionError(ERROR.frameSizeError, 'a GOAWAY is too short');
    if (type === SETTINGS && left % 6 !== 0)
      throw new ConnectionError(ERROR.frameSizeError, 'SETTINGS are not pairs of name and value');
  }

  private readPayload(piece: Buffer, start: number): number {
    const partial = this.partial as Buffer;
    const end = Math.min(piece.length, start + partial.length - this.have);
    this.have += piece.copy(partial, this.have, start, end);
    if (this.have < partial.length) return end;
    this.nextFrame();
    this.sink.onFrame(this.type, this.flags, this.streamId, partial, 0, partial.length);
    return end;
  }

  private startData(): void {
    this.padding = 0;
    if ((this.flags & PADDED) === 0) this.goOnWithData();
    else if (this.left === 0)
      throw new ConnectionError(ERROR.frameSizeError, 'a padded frame has no pad length');
    else this.state = 'pad-length';
  }

  private startPadded(padding: number): void {
    this.left--;
    if (padding > this.left)
      throw new ConnectionError(ERROR.protocolError, 'a frame has more padding than payload');
    this.padding = padding;
    this.left -= padding;
    this.goOnWithData();
  }

  private goOnWithData(): void {
    if (this.left > 0) this.state = 'data';
    else if (this.padding > 0) this.state = 'padding';
    else this.endData();
  }

  private readData(piece: Buffer, start: number): number {
    const end = Math.min(piece.length, start + this.left);
    this.left -= end - start;
    this.sink.onDataPiece(piece, start, end);
    if (this.left === 0) this.goOnWithData();
    return end;
  }

  private skipPadding(piece: Buffer, start: number): number {
    const end = Math.min(piece.length, start + this.padding);
    this.padding -= end - start;
    if (this.padding === 0) this.endData();
    return end;
  }

  private endData(): void {
    this.nextFrame();
    this.sink.onDataEnd((this.flags & END_STREAM) !== 0);
  }

  private nextFrame(): void {
    this.state = 'head';
    this.have = 0;
    this.partial = undefined;
  }
}
