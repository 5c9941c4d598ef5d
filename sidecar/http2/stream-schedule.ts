import type { Http2Stream, StreamHost } from './stream.js';

/** Which streams of a connection wait to send, and which have been told something in this turn. */
export class StreamSchedule {
  private readonly waiting = new Set<Http2Stream>();
  private touched: Http2Stream[] = [];
  private turn = 1;

  constructor(private readonly host: StreamHost) {}

  /** It has content that it may not send yet. */
  wait(stream: Http2Stream): void {
    this.waiting.add(stream);
  }

  remove(stream: Http2Stream): void {
    this.waiting.delete(stream);
  }

  /** Lets streams send in turn, a frame each, until a window or the socket stops them. */
  pump(): void {
    // A stream that goes to the end of the set comes up again in this very loop.
    for (const stream of this.waiting) {
      if (this.host.congested || this.host.sendWindow <= 0) return;
      if (stream.sendWindow <= 0) continue;
      this.touch(stream);
      const waits = stream.pump();
      this.waiting.delete(stream);
      if (waits) this.waiting.add(stream);
    }
  }

  /** Streams whose content has made no progress for so long. */
  stalled(nowMs: number, limitMs: number): Http2Stream[] {
    return this.waiting.size === 0
      ? []
      : [...this.waiting].filter((stream) => stream.isStalled(nowMs, limitMs));
  }

  /** Its user is told something, and of the turn's end later. */
  touch(stream: Http2Stream): void {
    if (stream.turn === this.turn) return;
    stream.turn = this.turn;
    this.touched.push(stream);
  }

  endTurn(): void {
    this.turn++;
    const { touched } = this;
    if (touched.length === 0) return;
    this.touched = [];
    for (let i = 0; i < touched.length; i++) (touched[i] as Http2Stream).user?.onTurnEnd();
  }
}
