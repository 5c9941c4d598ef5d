import { ProtocolError } from '../http/protocol-error.js';
import { CR, LF } from './characters.js';

const END_OF_HEAD = Buffer.from('\r\n\r\n', 'latin1');

const NOTHING = Buffer.alloc(0);
const FIRST_ROOM_BYTES = 512;

/**
 * Collects a head from the pieces in which it arrives; nearly always there is one. Of several, each byte is copied
 * and looked at a bounded number of times, however small they are.
 */
export class HeadCollector {
  /** The pieces so far are its first `length` bytes. */
  private partial: Buffer = NOTHING;
  private length = 0;
  private complete = '';
  private source: Buffer | undefined;
  private sourceStart = 0;
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
    return this.length > 0;
  }

  /** The head in latin-1, up to and including the empty line, once {@link collect} has found its end. */
  get text(): string {
    return this.complete;
  }

  /** The bytes of {@link text}, from {@link offset} on. Valid until that is let go. */
  get bytes(): Buffer | undefined {
    return this.source;
  }

  get offset(): number {
    return this.sourceStart;
  }

  /**
   * @returns where the head ends in the piece, or -1 while it does not.
   * @throws ProtocolError when the head is too large, or has a line feed on its own: waiting for an end that the
   *   client believes it has sent would only end in a timeout
   */
  collect(piece: Buffer, start: number): number {
    const from = this.emptyLineMayCome ? this.passEmptyLine(piece, start) : start;
    return this.length === 0 ? this.begin(piece, from) : this.continue(piece, from);
  }

  reset(): void {
    this.forget();
    this.complete = '';
    this.source = undefined;
    this.emptyLineMayCome = this.passesEmptyLine;
  }

  /** @returns where the piece goes on behind the empty line, whose two bytes may have come apart. */
  private passEmptyLine(piece: Buffer, start: number): number {
    if (this.length === 0 && piece[start] === CR) {
      // The other byte is yet to come.
      if (start + 1 === piece.length) return start;
      this.emptyLineMayCome = false;
      return piece[start + 1] === LF ? start + 2 : start;
    }
    this.emptyLineMayCome = false;
    if (this.length !== 1 || this.partial[0] !== CR || piece[start] !== LF) return start;
    this.forget();
    return start + 1;
  }

  private begin(piece: Buffer, from: number): number {
    const found = piece.indexOf(END_OF_HEAD, from);
    if (found === -1) {
      this.keep(piece, from);
      this.checkKept(0);
      return -1;
    }
    const end = found + END_OF_HEAD.length;
    if (end - from > this.maxBytes) throw tooLarge(this.maxBytes);
    this.complete = piece.toString('latin1', from, end);
    this.source = piece;
    this.sourceStart = from;
    return end;
  }

  private continue(piece: Buffer, start: number): number {
    const before = this.length;
    this.keep(piece, start);
    const found = this.partial.subarray(0, this.length).indexOf(END_OF_HEAD, Math.max(0, before - 3));
    if (found === -1) {
      this.checkKept(before);
      return -1;
    }
    const end = found + END_OF_HEAD.length;
    if (end > this.maxBytes) throw tooLarge(this.maxBytes);
    this.complete = this.partial.toString('latin1', 0, end);
    this.source = this.partial;
    this.sourceStart = 0;
    this.forget();
    return start + end - before;
  }

  /** Adds a piece to what there is, up to the bound and an end of a head more. */
  private keep(piece: Buffer, start: number): void {
    const most = this.maxBytes + END_OF_HEAD.length;
    const end = Math.min(piece.length, start + most - this.length);
    const length = this.length + end - start;
    if (length > this.partial.length) {
      const roomier = Buffer.allocUnsafe(Math.min(most, Math.max(FIRST_ROOM_BYTES, 2 * length)));
      this.partial.copy(roomier, 0, 0, this.length);
      this.partial = roomier;
    }
    piece.copy(this.partial, this.length, start, end);
    this.length = length;
  }

  /** @param checked how much of what is kept has been looked at before */
  private checkKept(checked: number): void {
    if (this.length > this.maxBytes) throw tooLarge(this.maxBytes);
    const kept = this.partial.subarray(0, this.length);
    for (let at = kept.indexOf(LF, checked); at !== -1; at = kept.indexOf(LF, at + 1)) {
      if (at === 0 || kept[at - 1] !== CR) throw new ProtocolError('a line ends with a line feed alone');
    }
  }

  private forget(): void {
    this.partial = NOTHING;
    this.length = 0;
  }
}

function tooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError(`the head is larger than ${maxBytes} bytes`, 431);
}
