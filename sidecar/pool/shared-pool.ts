import type { NewPool, PoolOwner, StreamPool } from '../cluster/stream-pool.js';
import type { HttpLimits, LimitName } from '../http/limits.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import { Http2UpstreamConnection, type Http2UpstreamOwner } from '../http2/upstream-connection.js';
import { dial } from '../tls/dial.js';
import type { PoolSettings } from './exclusive-pool.js';

/** By how much of their age connections differ, so that those opened together do not all end together. */
const AGE_JITTER = 0.1;
/** What a connection that is encrypted offers (RFC 9113 section 3.2). */
const ALPN = ['h2'];

/** What makes pools of HTTP/2. */
export function sharedPools(settings: PoolSettings): NewPool {
  return (owner) => new SharedPool(owner, settings);
}

/**
 * Connections of HTTP/2 to one endpoint, each for many streams: as few of them as the upstream's own bound on streams
 * allows. One that the upstream says goodbye to, or that is old, takes no new stream and closes when its last is over.
 */
class SharedPool implements StreamPool, Http2UpstreamOwner {
  readonly limits: HttpLimits;
  /** Those that take streams, each with how many recoveries there had been when it was begun. */
  private readonly connections = new Map<Http2UpstreamConnection, number>();

  constructor(
    private readonly owner: PoolOwner,
    private readonly settings: PoolSettings,
  ) {
    this.limits = settings.limits;
  }

  get idleCount(): number {
    let idle = 0;
    for (const connection of this.connections.keys()) if (connection.streamCount === 0) idle++;
    return idle;
  }

  open(user: UpstreamUser, fresh: boolean): UpstreamStream | LimitName {
    const connection = (fresh ? undefined : this.find()) ?? this.connect();
    return typeof connection === 'string' ? connection : connection.open(user);
  }

  /** The first with room: those behind it become idle, and are closed. */
  private find(): Http2UpstreamConnection | undefined {
    const nowMs = this.nowMs();
    for (const connection of this.connections.keys()) {
      if (nowMs >= connection.expiresAtMs) connection.drain();
      else if (connection.hasCapacity) return connection;
    }
    return undefined;
  }

  private connect(): Http2UpstreamConnection | LimitName {
    const { owner, limits } = this;
    const met = owner.takeConnection();
    if (met !== undefined) return met;
    const connection = new Http2UpstreamConnection(dial(owner, ALPN), this);
    connection.expiresAtMs = this.nowMs() + limits.maxUpstreamAgeMs * (1 - AGE_JITTER * Math.random());
    this.connections.set(connection, owner.recoveries);
    return connection;
  }

  closeIdle(nowMs: number): void {
    for (const connection of this.connections.keys()) {
      connection.checkDeadlines(nowMs);
      const isIdle =
        connection.streamCount === 0 && nowMs - connection.idleSinceMs >= this.limits.upstreamIdleTimeoutMs;
      if (isIdle || nowMs >= connection.expiresAtMs) connection.drain();
    }
  }

  closeOneIdle(): boolean {
    for (const connection of this.connections.keys()) {
      if (connection.streamCount > 0) continue;
      connection.drain();
      return true;
    }
    return false;
  }

  renew(): void {
    for (const connection of this.connections.keys()) connection.drain();
  }

  retire(): void {
    this.renew();
  }

  nowMs(): number {
    return this.settings.nowMs();
  }

  onConnected(): void {
    this.owner.onConnected();
  }

  onConnectFailed(connection: Http2UpstreamConnection): void {
    this.owner.onConnectFailed(this.connections.get(connection) ?? this.owner.recoveries);
  }

  onStreamOver(): void {
    this.owner.onStreamOver();
  }

  onResult(good: boolean): void {
    this.owner.onResult(good);
  }

  onClosed(connection: Http2UpstreamConnection): void {
    if (this.connections.delete(connection)) this.owner.onConnectionClosed(connection.isConnected);
  }
}
