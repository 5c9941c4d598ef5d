import { type AbuseMeter, TINY_DATA_BYTES } from './abuse-meter.js';
import { ConnectionError, ERROR } from './error-code.js';
import type { HeaderField } from './header-field.js';
import type { Http2Stream } from './stream.js';

/** What the receiver of content needs of its connection. */
export interface ContentHost {
  readonly meter: AbuseMeter;
  /** @returns undefined: it is over, and what comes for it is thrown away. @throws ConnectionError */
  streamForContent(id: number): Http2Stream | undefined;
  failStream(stream: Http2Stream, code: number, reason: string): void;
  /** The peer has ended its side of the stream. */
  endReceiving(stream: Http2Stream, trailers: readonly HeaderField[]): void;
  /** Its user is about to be told something. */
  touch(stream: Http2Stream): void;
  /** So much more may be sent on all streams together. */
  widenConnection(bytes: number): void;
}

const NO_FIELDS: readonly HeaderField[] = [];

/** Receives DATA frames, and keeps both windows (RFC 9113 sections 5.2 and 6.1). */
export class ContentReceiver {
  private window: number;
  private owed = 0;
  /** The stream of the frame that is being read; undefined: its content is thrown away. */
  private stream: Http2Stream | undefined;
  private length = 0;
  private content = 0;

  /** @param windowBytes of the connection */
  constructor(
    private readonly host: ContentHost,
    private readonly windowBytes: number,
  ) {
    this.window = windowBytes;
  }

  /** @param length of the payload, padding included. @throws ConnectionError */
  begin(streamId: number, length: number): void {
    this.window -= length;
    if (this.window < 0)
      throw new ConnectionError(ERROR.flowControlError, 'the peer sends more than the connection allows');
    this.length = length;
    this.content = 0;
    this.stream = undefined;
    const stream = this.host.streamForContent(streamId);
    if (stream === undefined) return;
    if (!stream.isReceiving) this.host.failStream(stream, ERROR.streamClosed, 'content comes behind the end');
    else if (!stream.hasHead)
      this.host.failStream(stream, ERROR.protocolError, 'content comes before the head');
    else if (!stream.takeFromWindow(length))
      this.host.failStream(stream, ERROR.flowControlError, 'the peer sends more than the stream allows');
    else this.stream = stream;
  }

  take(piece: Buffer, start: number, end: number): void {
    this.content += end - start;
    const { stream } = this;
    if (stream === undefined || stream.isOver) return;
    this.host.touch(stream);
    if (!stream.receive(piece, start, end))
      this.host.failStream(stream, ERROR.protocolError, 'there is more content than content-length says');
  }

  end(endStream: boolean): void {
    this.giveBack();
    this.judge(endStream);
    const { stream } = this;
    if (stream === undefined || stream.isOver) return;
    if (endStream) this.host.endReceiving(stream, NO_FIELDS);
    else stream.endFrame(this.length - this.content);
  }

  /**
   * The connection's window bounds only what is under way, and is given back at once. What waits is bounded by the
   * windows of streams: so a stream that is not read stops no other.
   */
  private giveBack(): void {
    this.owed += this.length;
    if (this.owed * 2 < this.windowBytes) return;
    this.host.widenConnection(this.owed);
    this.window += this.owed;
    this.owed = 0;
  }

  private judge(endStream: boolean): void {
    const { meter } = this.host;
    if (this.content > 0) meter.useful('ping');
    if (!endStream && this.content < TINY_DATA_BYTES)
      meter.charge(this.content === 0 ? 'empty-frame' : 'tiny-data');
  }
}
