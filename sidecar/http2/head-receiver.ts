import { ConnectionError, ERROR } from './error-code.js';
import { END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED, readUint31 } from './frame.js';
import { type DecodedBlock, type HeaderListLimits, HpackDecoder } from './hpack-decoder.js';

/** What is announced as SETTINGS_HEADER_TABLE_SIZE, which is what holds without it. */
const TABLE_BYTES = 4096;
const PRIORITY_BYTES = 5;

export interface HeadLimits extends HeaderListLimits {
  /** CONTINUATION frames of one head. */
  readonly maxContinuations: number;
}

/** A head or a trailer section, as it was received. */
export interface ReceivedHead {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly block: DecodedBlock;
}

/**
 * Reads heads from HEADERS and CONTINUATION frames (RFC 9113 sections 4.3 and 6.10). A head is bounded in bytes and in
 * frames: of empty frames alone, a flood would cost more than its bytes (CVE-2024-27316).
 */
export class HeadReceiver {
  private readonly decoder: HpackDecoder;
  private parts: Buffer[] = [];
  private bytes = 0;
  private endStream = false;
  /** Whose head has begun, and is not complete; 0: none. */
  incompleteStream = 0;

  constructor(private readonly limits: HeadLimits) {
    this.decoder = new HpackDecoder(TABLE_BYTES, limits);
  }

  /** A HEADERS frame. @returns undefined: more is to come. @throws ConnectionError, HpackError */
  begin(
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): ReceivedHead | undefined {
    let [from, to] = [start, end];
    if ((flags & PADDED) !== 0) {
      if (from === to) throw new ConnectionError(ERROR.frameSizeError, 'a padded frame has no pad length');
      to -= bytes[from++] as number;
    }
    if ((flags & HAS_PRIORITY) !== 0) from += PRIORITY_BYTES;
    if (from > to) throw new ConnectionError(ERROR.protocolError, 'a frame has more padding than payload');
    if ((flags & HAS_PRIORITY) !== 0 && readUint31(bytes, from - PRIORITY_BYTES) === streamId)
      throw new ConnectionError(ERROR.protocolError, 'a stream depends on itself');
    const endStream = (flags & END_STREAM) !== 0;
    if ((flags & END_HEADERS) !== 0)
      return { streamId, endStream, block: this.decoder.decode(bytes, from, to) };
    this.incompleteStream = streamId;
    this.endStream = endStream;
    this.add(bytes, from, to);
    return undefined;
  }

  /** A CONTINUATION frame of the head that has begun. @returns as {@link begin} */
  continue(flags: number, bytes: Buffer, start: number, end: number): ReceivedHead | undefined {
    this.add(bytes, start, end);
    if ((flags & END_HEADERS) === 0) return undefined;
    const whole = Buffer.concat(this.parts);
    const { incompleteStream: streamId, endStream } = this;
    this.parts = [];
    this.bytes = 0;
    this.incompleteStream = 0;
    return { streamId, endStream, block: this.decoder.decode(whole, 0, whole.length) };
  }

  /** The rest of what is too long cannot be skipped: the state of compression depends on it. */
  private add(bytes: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.bytes > this.limits.maxListBytes || this.parts.length > this.limits.maxContinuations)
      throw new ConnectionError(ERROR.enhanceYourCalm, 'a head is too long, or comes in too many frames');
    this.parts.push(Buffer.from(bytes.subarray(start, end)));
  }
}
