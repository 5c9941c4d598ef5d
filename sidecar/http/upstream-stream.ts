import type { Field } from '../../src/http/field-line.js';
import type { RequestEdits, RequestMessage, ResponseMessage } from './message.js';
import type { FailureKind, UpstreamFailure } from './upstream-failure.js';

/**
 * One request on its way to an upstream, and the response to it. The codec of the connection implements it: HTTP/1.1
 * gives the stream the whole connection for as long as it lasts. Nothing above the codecs sees a connection.
 *
 * ```
 *   sendHead ──► write … ──► end           the request: content, which the codec frames
 *      │
 *      └──► interim … ──► head ──► body … ──► response end     told to the UpstreamUser
 *                           └── 101 ──► tunnel data both ways ──► tunnel closed
 * ```
 * A stream is over when its user has been told of the response's end, of a failure or of the closed tunnel, and when
 * {@link cancel}, {@link discard} or {@link closeSoon} was called, after which the user is told nothing. What it has
 * taken of its endpoint's limits is given back by then. Do not use a stream that is over.
 */
export interface UpstreamStream {
  /** A connection carries it; until then what is written waits. */
  readonly isConnected: boolean;
  /** `IP:PORT` of the upstream. */
  readonly remoteAddress: string;
  /** The upstream takes less than it is given: stop writing until {@link UpstreamUser.onUpstreamDrain}. */
  readonly congested: boolean;
  /** Writes the head. The first call, once. */
  sendHead(request: RequestMessage, edits: RequestEdits): void;
  /** Writes a piece of the body's content, or of a tunnel's. @param piece memory that may be used again on return */
  write(piece: Buffer, start: number, end: number): void;
  /** The request is complete. @param trailers of a body without a length that the head tells */
  end(trailers: readonly Field[]): void;
  /** Sends what was written. Call it at the end of every event that writes. */
  flush(): void;
  /** Stops and starts the flow of the response. */
  pause(): void;
  resume(): void;
  /** Gives up: the client is gone. The upstream is told at once, so that it does not go on working. */
  cancel(): void;
  /** Gives up on a response that has begun, because another attempt is made. */
  discard(): void;
  /** Gives up, and tells the user that the stream has failed. Before a connection was made, the kind is `connect`. */
  abort(kind: FailureKind, reason: string): void;
  /** Half-closes a tunnel: the client has no more to send. */
  endTunnel(): void;
  /** Ends a tunnel that its client has ended in an orderly way, once the upstream has taken what was written. */
  closeSoon(): void;
}

/**
 * Which form of a response's body the user takes: its content, or what the codec of the upstream makes of it, framing
 * included. `raw` is for a downstream of the same codec, which passes the bytes on as they came.
 */
export type BodyForm = 'raw' | 'content';

/** Who has a request on an {@link UpstreamStream}. Called in the order in which things happen. */
export interface UpstreamUser {
  onUpstreamConnected(): void;
  /** A 1xx response other than 101. */
  onInterimResponse(response: ResponseMessage): void;
  onResponseHead(response: ResponseMessage): BodyForm;
  /** @param piece memory that is used again once this returns, as that of {@link onUpstreamTunnelData} */
  onResponseBody(piece: Buffer, start: number, end: number): void;
  /** The response is complete, and the stream is over. */
  onResponseEnd(trailers: readonly Field[]): void;
  /** The stream is over without a complete response. */
  onUpstreamFailure(failure: UpstreamFailure): void;
  /** Everything that one event brought has been told. */
  onUpstreamTurnEnd(): void;
  /** The upstream takes more again. */
  onUpstreamDrain(): void;
  onUpstreamTunnelData(piece: Buffer): void;
  /** The upstream will send no more through the tunnel. */
  onUpstreamTunnelEnd(): void;
  /** Both sides have ended the tunnel, and the stream is over. */
  onUpstreamTunnelClosed(): void;
}
