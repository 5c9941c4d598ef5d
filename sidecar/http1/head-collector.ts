import { ProtocolError } from './errors.js';

const END_OF_HEAD = Buffer.from('\r\n\r\n', 'latin1');
const CR = 0x0d;
const LF = 0x0a;

/** Collects a head from the pieces in which it arrives; nearly always there is one. */
export class HeadCollector {
  private partial = '';
  private complete = '';

  constructor(private readonly maxBytes: number) {}

  /** Part of a head has arrived, and the rest has not. */
  get pending(): boolean {
    return this.partial !== '';
  }

  /** The head in latin-1, up to and including the empty line, once {@link collect} has found its end. */
  get text(): string {
    return this.complete;
  }

  /**
   * @returns where the head ends in the piece, or -1 while it does not.
   * @throws ProtocolError when the head is too large, or has a line feed on its own: waiting for an end that the
   *   client believes it has sent would only end in a timeout
   */
  collect(piece: Buffer, start: number): number {
    if (this.partial === '\r' && piece[start] === LF) {
      // The two bytes of an empty line came apart.
      this.partial = '';
      return this.begin(piece, start + 1);
    }
    return this.partial === '' ? this.begin(piece, skipEmptyLine(piece, start)) : this.continue(piece, start);
  }

  reset(): void {
    this.partial = '';
    this.complete = '';
  }

  private begin(piece: Buffer, from: number): number {
    const found = piece.indexOf(END_OF_HEAD, from);
    if (found === -1) {
      this.keep(piece.toString('latin1', from));
      return -1;
    }
    const end = found + END_OF_HEAD.length;
    if (end - from > this.maxBytes) throw tooLarge(this.maxBytes);
    this.complete = piece.toString('latin1', from, end);
    return end;
  }

  private continue(piece: Buffer, start: number): number {
    const before = this.partial.length;
    const room = this.maxBytes + END_OF_HEAD.length - before;
    const joined = this.partial + piece.toString('latin1', start, Math.min(piece.length, start + room));
    const found = joined.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (found === -1) {
      this.keep(joined);
      return -1;
    }
    const end = found + END_OF_HEAD.length;
    if (end > this.maxBytes) throw tooLarge(this.maxBytes);
    this.partial = '';
    this.complete = joined.slice(0, end);
    return start + end - before;
  }

  private keep(text: string): void {
    if (text.length > this.maxBytes) throw tooLarge(this.maxBytes);
    if (hasBareLineFeed(text)) throw new ProtocolError('a line ends with a line feed alone');
    this.partial = text;
  }
}

/** RFC 9112 section 2.2: one empty line before a request line is ignored. */
function skipEmptyLine(piece: Buffer, start: number): number {
  return piece[start] === CR && piece[start + 1] === LF ? start + 2 : start;
}

function hasBareLineFeed(text: string): boolean {
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    if (at === 0 || text.charCodeAt(at - 1) !== CR) return true;
  }
  return false;
}

function tooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError(`the head is larger than ${maxBytes} bytes`, 431);
}
