import { CR, hasBareLineFeed, LF } from './characters.js';
import { ProtocolError } from './errors.js';

const END_OF_HEAD = Buffer.from('\r\n\r\n', 'latin1');

/** Collects a head from the pieces in which it arrives; nearly always there is one. */
export class HeadCollector {
  private partial = '';
  private complete = '';
  /** An empty line may still come before the head. */
  private emptyLineMayCome: boolean;

  /** @param passesEmptyLine one empty line before a head is passed over: RFC 9112 section 2.2, of requests only */
  constructor(
    private readonly maxBytes: number,
    private readonly passesEmptyLine: boolean,
  ) {
    this.emptyLineMayCome = passesEmptyLine;
  }

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
    const from = this.emptyLineMayCome ? this.passEmptyLine(piece, start) : start;
    return this.partial === '' ? this.begin(piece, from) : this.continue(piece, from);
  }

  reset(): void {
    this.partial = '';
    this.complete = '';
    this.emptyLineMayCome = this.passesEmptyLine;
  }

  /** @returns where the piece goes on behind the empty line, whose two bytes may have come apart. */
  private passEmptyLine(piece: Buffer, start: number): number {
    if (this.partial === '' && piece[start] === CR) {
      // The other byte is yet to come.
      if (start + 1 === piece.length) return start;
      this.emptyLineMayCome = false;
      return piece[start + 1] === LF ? start + 2 : start;
    }
    this.emptyLineMayCome = false;
    if (this.partial !== '\r' || piece[start] !== LF) return start;
    this.partial = '';
    return start + 1;
  }

  private begin(piece: Buffer, from: number): number {
    const found = piece.indexOf(END_OF_HEAD, from);
    if (found === -1) {
      this.keep(piece.toString('latin1', from), 0);
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
      this.keep(joined, before);
      return -1;
    }
    const end = found + END_OF_HEAD.length;
    if (end > this.maxBytes) throw tooLarge(this.maxBytes);
    this.partial = '';
    this.complete = joined.slice(0, end);
    return start + end - before;
  }

  /** @param checked how much of it has been kept before */
  private keep(text: string, checked: number): void {
    if (text.length > this.maxBytes) throw tooLarge(this.maxBytes);
    if (hasBareLineFeed(text, checked)) throw new ProtocolError('a line ends with a line feed alone');
    this.partial = text;
  }
}

function tooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError(`the head is larger than ${maxBytes} bytes`, 431);
}
