import { ProtocolError } from '../http/protocol-error.js';
import { CR, hasBareLineFeed, LF } from './characters.js';

/** Bytes of chunk extensions taken in one message; they mean nothing to us and are dropped. */
const MAX_EXTENSION_BYTES = 4096;
/** Hexadecimal digits of a chunk size: what a double counts exactly. */
const MAX_SIZE_DIGITS = 13;
const SEMICOLON = 0x3b;

/**
 * Follows the framing of a chunked body (RFC 9112 section 7.1) through the pieces in which it arrives.
 *
 * ```
 *   size ──digit──► size ──CR──► size-lf ──LF──► data ──all read──► data-cr ─CR─► data-lf ─LF─► size
 *     └──";"──► extension ──CR──► size-lf          │ size 0
 *                                                  └─► trailer ──empty line──► done
 * ```
 */
type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer' | 'done';

/** Takes the parts of a piece that go on to the other side. */
export type TakeRange = (piece: Buffer, start: number, end: number) => void;

/**
 * In mode `raw`, what goes on is the body as it came, chunk framing included (every byte of it checked), but
 * for extensions and the trailer section. In mode `content`, it is the content alone.
 */
export class ChunkedScanner {
  private state: State = 'size';
  private mode: 'raw' | 'content' = 'raw';
  private size = 0;
  private digits = 0;
  private extensionBytes = 0;
  private trailerText = '';

  constructor(private readonly maxTrailerBytes: number) {}

  get done(): boolean {
    return this.state === 'done';
  }

  /** The trailer section's lines, with their ends, once {@link done}; empty where there are none. */
  get trailers(): string {
    return this.trailerText.slice(0, -2);
  }

  /** Makes ready for another message. */
  reset(mode: 'raw' | 'content'): void {
    this.state = 'size';
    this.mode = mode;
    this.size = 0;
    this.digits = 0;
    this.extensionBytes = 0;
    this.trailerText = '';
  }

  /**
   * Takes the next piece, from `start` on.
   *
   * @returns where the body ends in it: its length, or less once {@link done}.
   * @throws ProtocolError
   */
  scan(piece: Buffer, start: number, take: TakeRange): number {
    let at = start;
    let runStart = start;
    const flush = (end: number) => {
      if (this.mode === 'raw' && end > runStart) take(piece, runStart, end);
    };
    while (at < piece.length && this.state !== 'done') {
      if (this.state === 'data') {
        at = this.takeData(piece, at, take);
        continue;
      }
      if (this.state === 'trailer') {
        flush(at);
        at = this.takeTrailer(piece, at);
        runStart = at;
        continue;
      }
      const wasExtension = this.state === 'extension';
      this.step(piece[at] as number);
      const isExtension = this.state === 'extension';
      if (isExtension && !wasExtension) flush(at);
      if (isExtension) runStart = at + 1;
      else if (wasExtension) runStart = at;
      at++;
    }
    flush(at);
    return at;
  }

  private takeData(piece: Buffer, at: number, take: TakeRange): number {
    const end = Math.min(piece.length, at + this.size);
    if (this.mode === 'content') take(piece, at, end);
    this.size -= end - at;
    if (this.size === 0) this.state = 'data-cr';
    return end;
  }

  /** The trailer section ends with the first empty line, which is all of it where there are no trailers. */
  private takeTrailer(piece: Buffer, at: number): number {
    const before = this.trailerText.length;
    const room = this.maxTrailerBytes + 4 - before;
    this.trailerText += piece.toString('latin1', at, Math.min(piece.length, at + room));
    const end = endOfTrailers(this.trailerText);
    if ((end === -1 ? this.trailerText.length : end) > this.maxTrailerBytes)
      throw new ProtocolError('the trailer section is too large', 431);
    if (end === -1) {
      if (hasBareLineFeed(this.trailerText, before))
        throw new ProtocolError('a trailer line ends with a line feed alone');
      return piece.length;
    }
    this.trailerText = this.trailerText.slice(0, end);
    this.state = 'done';
    return at + end - before;
  }

  private step(byte: number): void {
    switch (this.state) {
      case 'size':
        this.stepSize(byte);
        return;
      case 'extension':
        this.stepExtension(byte);
        return;
      case 'size-lf':
        if (byte !== LF) throw new ProtocolError('a chunk size does not end its line');
        this.state = this.size === 0 ? 'trailer' : 'data';
        this.digits = 0;
        return;
      case 'data-cr':
        if (byte !== CR) throw new ProtocolError('a chunk is longer than its size says');
        this.state = 'data-lf';
        return;
      default:
        if (byte !== LF) throw new ProtocolError('a chunk does not end its line');
        this.state = 'size';
        this.size = 0;
    }
  }

  private stepSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.digits > MAX_SIZE_DIGITS) throw new ProtocolError('a chunk size is too large');
      this.size = this.size * 16 + digit;
      return;
    }
    if (this.digits === 0) throw new ProtocolError('a chunk has no size');
    if (byte === CR) this.state = 'size-lf';
    else if (byte === SEMICOLON) this.state = 'extension';
    else throw new ProtocolError('a chunk size has a character that is no hexadecimal digit');
  }

  /** What an extension may be made of is checked although it is dropped (RFC 9112 section 7.1.1). */
  private stepExtension(byte: number): void {
    if (++this.extensionBytes > MAX_EXTENSION_BYTES)
      throw new ProtocolError('the chunk extensions are too large');
    if (byte === CR) this.state = 'size-lf';
    else if (byte !== 0x09 && (byte < 0x20 || byte >= 0x7f)) {
      throw new ProtocolError('a chunk extension has a character that none may have');
    }
  }
}

function endOfTrailers(text: string): number {
  if (text.startsWith('\r\n')) return 2;
  const empty = text.indexOf('\r\n\r\n');
  return empty === -1 ? -1 : empty + 4;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
