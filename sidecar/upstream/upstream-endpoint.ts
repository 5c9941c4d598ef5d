import {
  type Endpoint,
  PINNED_ONLY,
  UNUSABLE,
  USABLE,
  type Usability,
} from '../../src/routing/endpoint-set.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import type { Http1Limits } from '../http1/limits.js';
import { ClusterLoad, type LimitName } from './cluster-load.js';
import { type Dialled, dial } from './dial.js';
import { HealthRecord } from './health-record.js';
import { OutlierRecord } from './outlier-record.js';
import {
  UpstreamConnection,
  type UpstreamConnectionOwner,
  type UpstreamUser,
} from './upstream-connection.js';
import type { UpstreamTls } from './upstream-tls.js';

/** What all endpoints of a sidecar have in common. */
export interface UpstreamSettings {
  readonly limits: Http1Limits;
  /** Idle connections are closed after this; below the 5 s after which Node servers close theirs. */
  readonly idleTimeoutMs: number;
  /** Connections refused in a row that make an endpoint unreachable. */
  readonly connectFailuresToEject: number;
  nowMs(): number;
}

/** Whom an endpoint belongs to: its cluster. */
export interface EndpointOwner {
  readonly load: ClusterLoad;
  /** How its connections are made; undefined: in plain text. */
  readonly tls?: UpstreamTls | undefined;
  /** It has become unreachable, or reachable again; it is about to stop, or was and is no more. */
  onReachability(endpoint: UpstreamEndpoint): void;
  /** An answer of it was an error, or there was none. */
  onError(endpoint: UpstreamEndpoint): void;
}

/** For endpoints outside of clusters: no limits, and nobody who would judge them. */
export function unwatched(): EndpointOwner {
  return { load: new ClusterLoad(), onReachability() {}, onError() {} };
}

/** Longer than a sidecar that stops goes on taking connections, unless it is told otherwise. */
const LEAVING_MS = 8000;

/** By how much of their age connections differ, so that those opened together do not all end together. */
const AGE_JITTER = 0.1;

/**
 * One address: its connections, how it is doing, and what has been counted. Lives as long as the address is
 * configured, and beyond that until its last exchange is over.
 */
export class UpstreamEndpoint implements Endpoint, UpstreamConnectionOwner, Dialled {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  weight: number;
  zone: string;
  status: EndpointConfig['status'];
  hashing: EndpointConfig['hashing'];
  activeRequests = 0;
  /** Since when it takes requests, on the coarse clock; its share grows from then on where the cluster starts slowly. */
  usableSinceMs: number;

  readonly counters = { requests: 0, connects: 0, connectFailures: 0, resets: 0, failures: 0 };
  /** Attempts that were answered, and what became of them; for load reports. An attempt the client left counts as neither. */
  readonly traffic = { succeeded: 0, failed: 0, latencySumMs: 0 };
  readonly outlier = new OutlierRecord();
  readonly health = new HealthRecord();
  /** Last in, first out: the most recently used connection is the least likely to have been closed. */
  private readonly idle: UpstreamConnection[] = [];
  private readonly connections = new Set<UpstreamConnection>();
  private refusedInARow = 0;
  private unreachable = false;
  private retired = false;
  /** 0: it has not said that it is about to stop, or that was a while ago. */
  private leavingUntilMs = 0;

  constructor(
    config: EndpointConfig,
    public connectTimeoutMs: number,
    private readonly settings: UpstreamSettings,
    private readonly owner: EndpointOwner,
  ) {
    this.host = config.host;
    this.port = config.port;
    this.address = config.address;
    this.weight = config.weight;
    this.zone = config.zone;
    this.status = config.status;
    this.hashing = config.hashing;
    this.usableSinceMs = settings.nowMs();
  }

  /** What its cluster has in hand, and how much it may. */
  get load(): ClusterLoad {
    return this.owner.load;
  }

  get tls(): UpstreamTls | undefined {
    return this.owner.tls;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  get idleCount(): number {
    return this.idle.length;
  }

  /** The address is not configured any more. */
  get isRetired(): boolean {
    return this.retired;
  }

  get isUnreachable(): boolean {
    return this.unreachable;
  }

  /** It has said that it is about to stop: better to call another, if there is one. */
  get isLeaving(): boolean {
    return this.leavingUntilMs !== 0;
  }

  get isEjected(): boolean {
    return this.outlier.ejectedAtMs !== undefined;
  }

  /** Whether it may be picked, when everything that is known of it counts. */
  get usability(): Usability {
    const suspected = this.status === 'unhealthy' || this.health.failing || this.isEjected;
    return suspected ? UNUSABLE : this.usabilityInPanic;
  }

  /** The same when checks and ejections do not count. That nothing listens there does, and that it is on its way out. */
  get usabilityInPanic(): Usability {
    if (this.unreachable) return UNUSABLE;
    return this.status === 'draining' || this.isLeaving ? PINNED_ONLY : USABLE;
  }

  /**
   * A connection for one exchange, given back by {@link release}: the idle one used last, or a new one.
   *
   * @param fresh a new one in any case: a pooled one was just found dead
   * @returns a limit, where one is met
   */
  acquire(user: UpstreamUser, fresh: boolean): UpstreamConnection | LimitName {
    const { load } = this.owner;
    if (load.requests >= load.limits.requests) return load.refuse('requests');
    if (this.activeRequests >= load.limits.perEndpointRequests) return load.refuse('perEndpointRequests');
    const connection = (fresh ? undefined : this.takeIdle()) ?? this.open();
    if (typeof connection === 'string') return connection;
    this.counters.requests++;
    this.activeRequests++;
    load.begin();
    connection.assign(user);
    return connection;
  }

  /** The exchange that had a connection is over, or has failed. */
  release(): void {
    this.activeRequests--;
    this.owner.load.requests--;
  }

  /** What time alone brings about. */
  tick(nowMs: number): void {
    this.closeIdle(nowMs);
    if (this.leavingUntilMs === 0 || nowMs < this.leavingUntilMs) return;
    this.stays();
    this.owner.onReachability(this);
  }

  onLeaving(): void {
    const known = this.isLeaving;
    this.leavingUntilMs = this.settings.nowMs() + LEAVING_MS;
    if (!known) this.owner.onReachability(this);
  }

  /** Whatever it has said is so long ago that it need not be true any more, or there is nobody else. */
  stays(): void {
    this.leavingUntilMs = 0;
  }

  /** Closes connections that nobody has used for a while. */
  closeIdle(nowMs: number): void {
    // The longest idle are at the front.
    while (
      this.idle.length > 0 &&
      nowMs - (this.idle[0] as UpstreamConnection).idleSinceMs >= this.settings.idleTimeoutMs
    ) {
      this.closeOneIdle();
    }
  }

  /** Closes the connection that has been idle for longest. @returns whether there was one */
  closeOneIdle(): boolean {
    const connection = this.idle.shift();
    connection?.destroy();
    return connection !== undefined;
  }

  /** From now on connections are made in another way: those there are finish their exchanges. */
  renew(): void {
    for (const connection of this.connections) connection.expiresAtMs = 0;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  /** The address is not configured any more: exchanges finish, connections go as they become idle. */
  retire(): void {
    this.retired = true;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  onConnected(): void {
    this.owner.load.pending--;
    this.reached();
  }

  onConnectFailed(_connection: UpstreamConnection, _reason: string): void {
    this.counters.connectFailures++;
    this.refusedInARow++;
    if (this.unreachable || this.refusedInARow < this.settings.connectFailuresToEject) return;
    this.unreachable = true;
    this.owner.onReachability(this);
  }

  onIdle(connection: UpstreamConnection): void {
    const nowMs = this.settings.nowMs();
    if (this.retired || nowMs >= connection.expiresAtMs) {
      connection.destroy();
      return;
    }
    connection.idleSinceMs = nowMs;
    this.idle.push(connection);
  }

  onResult(good: boolean): void {
    if (good) {
      this.outlier.succeeded();
      return;
    }
    this.counters.failures++;
    this.owner.onError(this);
  }

  onClosed(connection: UpstreamConnection): void {
    const { load } = this.owner;
    load.connections--;
    if (!connection.isConnected) load.pending--;
    this.connections.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
  }

  /** A connection was made: whatever was wrong with the address is over. */
  reached(): void {
    this.refusedInARow = 0;
    if (!this.unreachable) return;
    this.unreachable = false;
    this.owner.onReachability(this);
  }

  private takeIdle(): UpstreamConnection | undefined {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined || connection.isUsable) return connection;
    }
  }

  private open(): UpstreamConnection | LimitName {
    const { load } = this.owner;
    if (load.pending >= load.limits.pending) return load.refuse('pending');
    if (this.connections.size >= load.limits.perEndpointConnections)
      return load.refuse('perEndpointConnections');
    if (!load.hasRoomForConnection()) return load.refuse('connections');
    this.counters.connects++;
    load.connections++;
    load.pending++;
    const connection = new UpstreamConnection(dial(this), this, this.settings.limits);
    const ageMs = this.settings.limits.maxUpstreamAgeMs * (1 - AGE_JITTER * Math.random());
    connection.expiresAtMs = this.settings.nowMs() + ageMs;
    this.connections.add(connection);
    return connection;
  }
}
