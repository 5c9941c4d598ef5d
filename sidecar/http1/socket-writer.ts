import type { Socket } from 'node:net';

/** Pieces up to this size are joined with what goes before them: copying them costs less than another write. */
const JOIN_BYTES = 16_384;

/**
 * Writes to a socket, joining everything small that one event causes into one write. Whoever causes an event
 * calls {@link flush} at its end.
 */
export class SocketWriter {
  private text = '';

  /** @param piecesLast whether pieces stay as they are; else what is not written at once has to be copied */
  constructor(
    private readonly socket: Socket,
    private readonly piecesLast: boolean,
  ) {}

  /** The peer takes less than it is given: whoever produces should pause until the socket drains. */
  get congested(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** @param text latin-1: one character, one byte */
  writeText(text: string): void {
    this.text = this.text === '' ? text : this.text + text;
  }

  writeRange(piece: Buffer, start: number, end: number): void {
    if (end - start <= JOIN_BYTES && this.text.length <= JOIN_BYTES) {
      this.writeText(piece.toString('latin1', start, end));
      return;
    }
    const range = piece.subarray(start, end);
    const bytes = this.piecesLast ? range : Buffer.from(range);
    if (this.text === '') {
      this.socket.write(bytes);
      return;
    }
    this.socket.cork();
    this.flush();
    this.socket.write(bytes);
    this.socket.uncork();
  }

  flush(): void {
    if (this.text === '') return;
    const { text } = this;
    this.text = '';
    this.socket.write(text, 'latin1');
  }
}
