import type { NewPool, PoolOwner, StreamPool } from '../cluster/stream-pool.js';
import type { HttpLimits, LimitName } from '../http/limits.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import { UpstreamConnection, type UpstreamConnectionOwner } from '../http1/upstream-connection.js';
import { dial } from '../tls/dial.js';

/** By how much of their age connections differ, so that those opened together do not all end together. */
const AGE_JITTER = 0.1;

export interface PoolSettings {
  readonly limits: HttpLimits;
  /** Coarse clock. */
  nowMs(): number;
}

/** What makes the pools of all endpoints. */
export function exclusivePools(settings: PoolSettings): NewPool {
  return (owner) => new ExclusivePool(owner, settings);
}

/** Connections of HTTP/1.1 to one endpoint: a stream has one to itself for as long as it lasts. */
class ExclusivePool implements StreamPool, UpstreamConnectionOwner {
  /** Last in, first out: the most recently used connection is the least likely to have been closed. */
  private readonly idle: UpstreamConnection[] = [];
  /** Each with how many recoveries there had been when it was begun. */
  private readonly connections = new Map<UpstreamConnection, number>();
  private retired = false;

  constructor(
    private readonly owner: PoolOwner,
    private readonly settings: PoolSettings,
  ) {}

  get idleCount(): number {
    return this.idle.length;
  }

  open(user: UpstreamUser, fresh: boolean): UpstreamStream | LimitName {
    const connection = (fresh ? undefined : this.takeIdle()) ?? this.connect();
    if (typeof connection !== 'string') connection.assign(user);
    return connection;
  }

  closeIdle(nowMs: number): void {
    // The longest idle are at the front. One that its server keeps for less, behind others, is not used any more.
    while (this.idle.length > 0 && nowMs >= (this.idle[0] as UpstreamConnection).idleUntilMs) {
      this.closeOneIdle();
    }
  }

  closeOneIdle(): boolean {
    const connection = this.idle.shift();
    connection?.destroy();
    return connection !== undefined;
  }

  renew(): void {
    for (const connection of this.connections.keys()) connection.expiresAtMs = 0;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  retire(): void {
    this.retired = true;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  onConnected(): void {
    this.owner.onConnected();
  }

  onConnectFailed(connection: UpstreamConnection): void {
    const { owner } = this;
    owner.onConnectFailed(this.connections.get(connection) ?? owner.recoveries);
  }

  onStreamOver(): void {
    this.owner.onStreamOver();
  }

  onResult(good: boolean): void {
    this.owner.onResult(good);
  }

  onLeaving(): void {
    this.owner.onLeaving();
  }

  onIdle(connection: UpstreamConnection): void {
    const { limits } = this.settings;
    const nowMs = this.settings.nowMs();
    const idleMs = Math.min(limits.upstreamIdleTimeoutMs, connection.keptForMs);
    if (this.retired || nowMs >= connection.expiresAtMs || idleMs <= 0) {
      connection.destroy();
      return;
    }
    connection.idleUntilMs = nowMs + idleMs;
    this.idle.push(connection);
  }

  onClosed(connection: UpstreamConnection): void {
    this.owner.onConnectionClosed(connection.isConnected);
    this.connections.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
  }

  private takeIdle(): UpstreamConnection | undefined {
    const nowMs = this.settings.nowMs();
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined) return undefined;
      if (nowMs >= connection.idleUntilMs) connection.destroy();
      else if (connection.isUsable) return connection;
    }
  }

  private connect(): UpstreamConnection | LimitName {
    const { owner, settings } = this;
    const met = owner.takeConnection();
    if (met !== undefined) return met;
    const connection = new UpstreamConnection(dial(owner), this, settings.limits);
    const ageMs = settings.limits.maxUpstreamAgeMs * (1 - AGE_JITTER * Math.random());
    connection.expiresAtMs = settings.nowMs() + ageMs;
    this.connections.set(connection, owner.recoveries);
    return connection;
  }
}
