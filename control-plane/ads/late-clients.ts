import type { AdsStream } from './ads-stream.js';

/** A client that has owed an answer for so long is late: others answer within milliseconds, a large mesh in a second. */
export const LATE_AFTER_MS = 5000;

/** Most clients that are named. */
export const MAX_NAMED = 20;

/** Whether a client has owed an answer for {@link LATE_AFTER_MS}. */
export function isLate({ unansweredSinceMs }: Pick<AdsStream, 'unansweredSinceMs'>, nowMs: number): boolean {
  return unansweredSinceMs !== undefined && nowMs - unansweredSinceMs >= LATE_AFTER_MS;
}

/** What {@link UnsettledClients} needs to know of the server. */
export interface ConnectedClients<Stream> {
  readonly streams: readonly Stream[];
  isConnected(stream: Stream): boolean;
}

type Client = Pick<AdsStream, 'unansweredSinceMs' | 'settled'>;

/**
 * The connected clients that have not answered a revision; kept up client by client, since there may be thousands.
 * Those that were late when the wait began are known, and not waited for.
 */
export class UnsettledClients<Stream extends Client = AdsStream> {
  private readonly awaited = new Set<Stream>();
  private readonly lateBefore = new Set<Stream>();

  /** @param nowMs when the wait begins, in milliseconds since the epoch */
  constructor(
    private readonly clients: ConnectedClients<Stream>,
    readonly revision: number,
    nowMs: number,
  ) {
    for (const stream of clients.streams)
      if (isLate(stream, nowMs)) this.lateBefore.add(stream);
      else this.look(stream);
    for (const stream of this.lateBefore) this.look(stream);
  }

  /** How many there are. */
  get size(): number {
    return this.awaited.size + this.lateBefore.size;
  }

  /** There is none left to wait for. */
  get isDone(): boolean {
    return this.awaited.size === 0;
  }

  /** Those that are waited for, then those that are not. */
  *[Symbol.iterator](): IterableIterator<{ readonly stream: Stream; readonly lateBefore: boolean }> {
    for (const stream of this.awaited) yield { stream, lateBefore: false };
    for (const stream of this.lateBefore) yield { stream, lateBefore: true };
  }

  /** Clients may have moved on without anything that was said of each. */
  lookAtAll(): void {
    for (const stream of this.awaited) this.look(stream);
    for (const stream of this.lateBefore) this.look(stream);
  }

  /** Something has happened to a client. */
  look(stream: Stream): void {
    const isOver = !this.clients.isConnected(stream) || stream.settled(this.revision);
    if (isOver) {
      this.awaited.delete(stream);
      this.lateBefore.delete(stream);
    } else if (!this.lateBefore.has(stream)) this.awaited.add(stream);
  }
}
