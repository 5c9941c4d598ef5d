import type { Socket } from 'node:net';
import type { Http2Limits } from './limits.js';
import type { RequestFields } from './message-head.js';
import type { Http2Stream, StreamUser } from './stream.js';

/** What the owner of a connection decides and is told. */
export interface Http2Owner {
  readonly limits: Http2Limits;
  nowMs(): number;
  /**
   * A client's request has come. The server's side only.
   *
   * @param endStream it has neither content nor trailers: {@link StreamUser.onEnd} is not called
   * @returns who answers it
   */
  onRequest(stream: Http2Stream, request: RequestFields, endStream: boolean): StreamUser;
  /** A request's head is beyond the limits: the owner answers 431, or resets the stream. */
  onHeadTooLarge(stream: Http2Stream): void;
  /** A request was refused by a reset, and was not handed on. */
  onMalformed(reason: string): void;
  /** More streams can be opened than before. The client's side only. */
  onCapacity(): void;
  /** No stream can be opened any more: the peer goes away, or the numbers are used up. Those that are there go on. */
  onRetired(reason: string): void;
  /** @param reason for logs: `closed by the peer`, or the rule that the peer broke */
  onClosed(reason: string): void;
}

export interface Http2Options {
  readonly socket: Socket;
  /** Whose side we are. */
  readonly role: 'server' | 'client';
  readonly owner: Http2Owner;
  /** The owner reads the socket, and calls `receive`, `onPeerEnd` and `onClose`. */
  readonly isFed?: boolean;
  /** The client's first stream; for tests of what happens when the numbers run out. */
  readonly firstStreamId?: number;
}
