import type { BlockWriter } from '../net/block-writer.js';
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEAD_BYTES,
  GOAWAY,
  HEADERS,
  MAX_FRAME_BYTES,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from './frame.js';
import type { HeaderField } from './header-field.js';
import { HpackEncoder } from './hpack-encoder.js';

/** To copy short content byte by byte is faster than to have it copied. */
const SHORT_CONTENT = 40;
const SETTING_BYTES = 6;
const MAX_DEBUG_BYTES = 200;

/** Writes the frames of one connection (RFC 9113 section 6) into the block that its socket is given next. */
export class FrameWriter {
  readonly encoder = new HpackEncoder();
  /** The last frame that may still carry its stream's end: whose it is, where it starts and ends in the block. */
  private lastStream = 0;
  private lastStart = 0;
  private lastEnd = 0;

  constructor(readonly out: BlockWriter) {}

  preface(): void {
    this.out.reserve(PREFACE.length);
    this.out.at += PREFACE.copy(this.out.block, this.out.at);
    this.lastStream = 0;
  }

  settings(entries: readonly (readonly [id: number, value: number])[]): void {
    this.head(entries.length * SETTING_BYTES, SETTINGS, 0, 0);
    for (const [id, value] of entries) {
      const { block, at } = this.out;
      block[at] = id >>> 8;
      block[at + 1] = id;
      this.out.at += 2;
      this.uint32(value);
    }
  }

  settingsAck(): void {
    this.head(0, SETTINGS, ACK, 0);
  }

  /** @param bytes of which 8 from `start` on are the ping's */
  ping(bytes: Buffer, start: number, flags: number): void {
    this.head(8, PING, flags, 0);
    this.out.at += bytes.copy(this.out.block, this.out.at, start, start + 8);
  }

  reset(streamId: number, code: number): void {
    this.head(4, RST_STREAM, 0, streamId);
    this.uint32(code);
  }

  windowUpdate(streamId: number, bytes: number): void {
    this.head(4, WINDOW_UPDATE, 0, streamId);
    this.uint32(bytes);
  }

  /** @param debug for the reader of the peer's log: what it did wrong */
  goAway(lastStreamId: number, code: number, debug: string): void {
    const text = debug.slice(0, MAX_DEBUG_BYTES);
    this.head(8 + text.length, GOAWAY, 0, 0);
    this.uint32(lastStreamId);
    this.uint32(code);
    this.out.at += this.out.block.write(text, this.out.at, 'latin1');
  }

  /** A head or a trailer section: HEADERS, and as many CONTINUATION as it takes. */
  headers(streamId: number, fields: readonly HeaderField[], endStream: boolean): void {
    const { out } = this;
    out.reserve(FRAME_HEAD_BYTES + HpackEncoder.bound(fields));
    const start = out.at;
    const content = start + FRAME_HEAD_BYTES;
    const end = this.encoder.encode(fields, out.block, content);
    if (end - content > MAX_FRAME_BYTES) {
      this.longHeaders(streamId, Buffer.from(out.block.subarray(content, end)), endStream);
      return;
    }
    this.head(end - content, HEADERS, endStream ? END_HEADERS | END_STREAM : END_HEADERS, streamId);
    out.at = end;
    this.mayEnd(streamId, start);
  }

  /** Content, of which at most {@link MAX_FRAME_BYTES}. */
  data(streamId: number, piece: Buffer, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    this.head(length, DATA, endStream ? END_STREAM : 0, streamId);
    const { out } = this;
    const { block, at } = out;
    if (length >= SHORT_CONTENT) piece.copy(block, at, start, end);
    else for (let i = 0; i < length; i++) block[at + i] = piece[start + i] as number;
    out.at = at + length;
    this.mayEnd(streamId, at - FRAME_HEAD_BYTES);
  }

  /** Ends a stream: with its last frame where that waits to be sent, else with one of its own. */
  end(streamId: number): void {
    const { out } = this;
    if (this.lastStream === streamId && this.lastEnd === out.at) {
      out.block[this.lastStart + 4] = (out.block[this.lastStart + 4] as number) | END_STREAM;
      this.lastStream = 0;
    } else this.head(0, DATA, END_STREAM, streamId);
  }

  private longHeaders(streamId: number, block: Buffer, endStream: boolean): void {
    for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
      const end = Math.min(block.length, at + MAX_FRAME_BYTES);
      const flags = (end === block.length ? END_HEADERS : 0) | (at === 0 && endStream ? END_STREAM : 0);
      this.head(end - at, at === 0 ? HEADERS : CONTINUATION, flags, streamId);
      this.out.at += block.copy(this.out.block, this.out.at, at, end);
    }
  }

  private mayEnd(streamId: number, start: number): void {
    this.lastStream = streamId;
    this.lastStart = start;
    this.lastEnd = this.out.at;
  }

  /** Makes room for a whole frame, and writes its head. */
  private head(length: number, type: number, flags: number, streamId: number): void {
    const { out } = this;
    out.reserve(FRAME_HEAD_BYTES + length);
    const { block, at } = out;
    block[at] = length >>> 16;
    block[at + 1] = length >>> 8;
    block[at + 2] = length;
    block[at + 3] = type;
    block[at + 4] = flags;
    block[at + 5] = streamId >>> 24;
    block[at + 6] = streamId >>> 16;
    block[at + 7] = streamId >>> 8;
    block[at + 8] = streamId;
    out.at = at + FRAME_HEAD_BYTES;
    this.lastStream = 0;
  }

  private uint32(value: number): void {
    const { block, at } = this.out;
    block[at] = value >>> 24;
    block[at + 1] = value >>> 16;
    block[at + 2] = value >>> 8;
    block[at + 3] = value;
    this.out.at = at + 4;
  }
}
