import type { UpstreamStream } from '../http/upstream-stream.js';

/**
 * What has been read of a request's body: its content, kept until a response makes another attempt impossible. Bounded: a
 * body that does not fit is not kept at all, and its request is then sent once only.
 */
export class ReplayBuffer {
  private pieces: Buffer[] = [];
  private bytes = 0;
  private dropped = false;

  constructor(private readonly maxBytes: number) {}

  /** Everything that was added is still here. */
  get intact(): boolean {
    return !this.dropped;
  }

  /** Adds a copy of a piece that has gone upstream, too. */
  add(piece: Buffer, start: number, end: number): void {
    if (this.dropped) return;
    if (this.bytes + end - start > this.maxBytes) this.release();
    else this.keep(piece, start, end);
  }

  /** Adds a piece whatever its size, because it is nowhere else. The caller reads no more until it is sent. */
  keep(piece: Buffer, start: number, end: number): void {
    this.pieces.push(Buffer.from(piece.subarray(start, end)));
    this.bytes += end - start;
  }

  writeTo(stream: Pick<UpstreamStream, 'write'>): void {
    for (const piece of this.pieces) stream.write(piece, 0, piece.length);
  }

  /** Lets go of everything; nothing more is kept. */
  release(): void {
    this.dropped = true;
    this.pieces = [];
  }
}
