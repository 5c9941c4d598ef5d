import { ChunkedScanner, type TakeRange } from './chunked-scanner.js';
import type { BodyKind, Framing } from './framing.js';

/** Follows one body to its end, however that is marked. Reused from message to message. */
export class BodyReader {
  private kind: BodyKind = 'none';
  private remaining = 0;
  private readonly chunks: ChunkedScanner;

  constructor(maxTrailerBytes: number) {
    this.chunks = new ChunkedScanner(maxTrailerBytes);
  }

  /** @param mode what of a chunked body goes on: its chunks, or only what is in them */
  start(framing: Framing, mode: 'raw' | 'content'): void {
    this.kind = framing.kind;
    this.remaining = framing.length;
    if (framing.kind === 'chunked') this.chunks.reset(mode);
  }

  get complete(): boolean {
    if (this.kind === 'length') return this.remaining === 0;
    if (this.kind === 'chunked') return this.chunks.done;
    return this.kind === 'none';
  }

  /** Only the end of the connection ends it. */
  get endsWithConnection(): boolean {
    return this.kind === 'until-close';
  }

  get isChunked(): boolean {
    return this.kind === 'chunked';
  }

  /** The trailer section's lines of a chunked body that is complete. */
  get trailers(): string {
    return this.kind === 'chunked' ? this.chunks.trailers : '';
  }

  /**
   * @returns where the body ends in the piece.
   * @throws ProtocolError
   */
  read(piece: Buffer, start: number, take: TakeRange): number {
    if (this.kind === 'chunked') return this.chunks.scan(piece, start, take);
    const end = this.kind === 'until-close' ? piece.length : Math.min(piece.length, start + this.remaining);
    if (this.kind === 'length') this.remaining -= end - start;
    if (end > start) take(piece, start, end);
    return end;
  }
}
