import type { LimitName } from '../http/limits.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import type { Dialled } from '../tls/dial.js';

/**
 * The connections to one endpoint, as a source of streams: exclusive, where a connection carries one request at a time,
 * or shared. Bounded by the limits on connections that its owner keeps; nothing is queued.
 */
export interface StreamPool {
  /** Connections of this thread that carry no stream. */
  readonly idleCount: number;
  /**
   * Opens a stream for one attempt, on a connection that is there or on a new one.
   *
   * @param fresh on a new connection in any case: a pooled one was just found dead
   * @returns a limit, where one is met
   */
  open(user: UpstreamUser, fresh: boolean): UpstreamStream | LimitName;
  /** Closes connections that have carried no stream for a while. */
  closeIdle(nowMs: number): void;
  /** Closes the connection that has been idle for longest. @returns whether there was one */
  closeOneIdle(): boolean;
  /** From now on connections are made in another way: those there take no new stream, and close once they carry none. */
  renew(): void;
  /** The address is not configured any more: streams finish, and connections close as they become idle. */
  retire(): void;
}

/** What an endpoint is spoken to with. */
export type UpstreamProtocol = 'http1' | 'http2';

/** The endpoint that a pool serves: how to reach it, what it may have, and what it is told. */
export interface PoolOwner extends Dialled {
  readonly protocol: UpstreamProtocol;
  /** How often a connection was made after others had failed. */
  readonly recoveries: number;
  /** Takes a place for a connection. @returns the limit that is met; undefined: the connection may be made */
  takeConnection(): LimitName | undefined;
  onConnected(): void;
  /** @param recoveries what {@link recoveries} was when the connection was begun */
  onConnectFailed(recoveries: number): void;
  /** Gives the place back. @param wasConnected it had been made */
  onConnectionClosed(wasConnected: boolean): void;
  /** A stream is over; its user is told after this. */
  onStreamOver(): void;
  /** An attempt was answered, well or with an error; or it was not, although it should have been. */
  onResult(good: boolean): void;
  /** The peer has said that it is about to stop. */
  onLeaving(): void;
}

export type NewPool = (owner: PoolOwner) => StreamPool;
