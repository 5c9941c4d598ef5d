import type { Field } from '../../src/http/field-line.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { LocalAnswer } from './local-answer.js';
import type { RequestMessage, ResponseEdits, ResponseMessage } from './message.js';
import type { BodyForm } from './upstream-stream.js';

/**
 * One request of a client, and the response to it. The codec of the connection implements it: in HTTP/1.1 the
 * connection is the stream of one request after the other, in HTTP/2 each request has a stream of its own. Nothing
 * above the codecs sees a connection.
 *
 * ```
 *   onRequestHead ──► onRequestBody … ──► onRequestEnd      told to the DownstreamUser
 *      │
 *      └──► sendInterim … ──► sendHead ──► write … ──► end  the response: the codec frames it
 *      │                         └── 101 ──► becomeTunnel ──► write …, endTunnel ──► endGently
 *      └──► answer                                          a whole response of the sidecar's own
 * ```
 * A stream is over after {@link end}, {@link answer}, {@link endGently} and {@link abort}, and when its user was told
 * that the client is gone. Do not use a stream that is over: the next request may have begun.
 */
export interface DownstreamStream {
  readonly request: RequestMessage;
  /** Where the client meant to connect, where that is known: a CONNECT, a redirected connection. */
  readonly destination: SocketAddress | undefined;
  /** The client connects from this machine. */
  readonly isFromMachine: boolean;
  /** `IP:PORT` that the client connected to. */
  readonly localAddress: string;
  /** The whole request has been read. */
  readonly requestComplete: boolean;
  /** What is being written now will be flushed when the present event has been handled. */
  readonly flushesSoon: boolean;
  /** The client takes less than it is given: stop until {@link DownstreamUser.onDownstreamDrain}. */
  readonly congested: boolean;
  /** Of a tunnel: both sides have sent all they had, and its end. */
  readonly endedOrderly: boolean;
  /** A 1xx response other than 101. The codec leaves it out where the client could not read it. */
  sendInterim(response: ResponseMessage): void;
  /** Begins the response. @returns the form in which it takes the body */
  sendHead(response: ResponseMessage, edits: ResponseEdits): BodyForm;
  /** A piece of the body in the form that {@link sendHead} told, or of a tunnel. @param piece may be used again on return */
  write(piece: Buffer, start: number, end: number): void;
  /** The response is complete, and the stream is over. @param trailers of a body without a length that the head tells */
  end(trailers: readonly Field[]): void;
  /** Takes a response back of which nothing has been flushed. @returns whether that was so: then another may follow */
  withdraw(): boolean;
  /** Answers in the sidecar's own name. The stream is over. */
  answer(answer: LocalAnswer): void;
  /** Sends what was written. Call it at the end of every event that writes. */
  flush(): void;
  /** Stops and starts the flow of the request. */
  pause(): void;
  resume(): void;
  /** After the head of a 101: from here on, bytes go both ways as they are. */
  becomeTunnel(): void;
  /** Half-closes a tunnel: the upstream has no more to send. */
  endTunnel(): void;
  /** Ends a tunnel in an orderly way, once the client has taken what was written. */
  endGently(): void;
  /** Gives up: the response cannot be completed, and the client must see that. Its user, if it has one, is told. */
  abort(): void;
}

/** Who answers a request on a {@link DownstreamStream}. Called in the order in which things happen. */
export interface DownstreamUser {
  /** Starts: the head is in {@link DownstreamStream.request}. */
  onRequestHead(): void;
  /**
   * A piece of the content of the request's body.
   *
   * @param piece memory that is used again once this returns, as that of {@link onClientTunnelData}
   */
  onRequestBody(piece: Buffer, start: number, end: number): void;
  /** The request is complete. @param trailers of a body without a length that the head tells */
  onRequestEnd(trailers: readonly Field[]): void;
  /** Everything that one event brought has been told. */
  onDownstreamTurnEnd(): void;
  /** The client takes more again. */
  onDownstreamDrain(): void;
  /**
   * The stream is over; nothing can be answered any more.
   *
   * @param by who ended it: the client by leaving, or this sidecar because it stops. Not given: the client
   */
  onDownstreamGone(by?: 'client' | 'sidecar'): void;
  onClientTunnelData(piece: Buffer): void;
  /** The client will send no more through the tunnel. */
  onClientTunnelEnd(): void;
  /** Called on the coarse clock's tick. */
  checkDeadlines(nowMs: number): void;
}
