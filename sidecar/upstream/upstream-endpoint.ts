import { connect } from 'node:net';
import {
  type Endpoint,
  PINNED_ONLY,
  UNUSABLE,
  USABLE,
  type Usability,
} from '../../src/routing/endpoint-set.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import type { Http1Limits } from '../http1/limits.js';
import {
  UpstreamConnection,
  type UpstreamConnectionOwner,
  type UpstreamUser,
} from './upstream-connection.js';

/** What all endpoints of a sidecar have in common. */
export interface UpstreamSettings {
  readonly limits: Http1Limits;
  /** Idle connections are closed after this; below the 5 s after which Node servers close theirs. */
  readonly idleTimeoutMs: number;
  /** Connections refused in a row that make an endpoint unreachable. */
  readonly connectFailuresToEject: number;
  nowMs(): number;
}

/** Told when an endpoint becomes unreachable, or reachable again. */
export type ReachabilityListener = (endpoint: UpstreamEndpoint) => void;

/** Kernel and Node buffer this much of a connection before `write` says to wait. */
const SOCKET_BUFFER_BYTES = 65_536;

/**
 * One address: its connections, how it is doing, and what has been counted. Lives as long as the address is
 * configured, and beyond that until its last exchange is over.
 */
export class UpstreamEndpoint implements Endpoint, UpstreamConnectionOwner {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  weight: number;
  zone: string;
  status: EndpointConfig['status'];
  connectTimeoutMs: number;
  activeRequests = 0;

  readonly counters = { requests: 0, connects: 0, connectFailures: 0, failures: 0 };
  /** Attempts that were answered, and what became of them; for load reports. An attempt the client left counts as neither. */
  readonly traffic = { succeeded: 0, failed: 0, latencySumMs: 0 };
  /** Last in, first out: the most recently used connection is the least likely to have been closed. */
  private readonly idle: UpstreamConnection[] = [];
  private readonly connections = new Set<UpstreamConnection>();
  private refusedInARow = 0;
  private unreachable = false;
  private retired = false;

  constructor(
    config: EndpointConfig,
    connectTimeoutMs: number,
    private readonly settings: UpstreamSettings,
    private readonly onReachability: ReachabilityListener,
  ) {
    this.host = config.host;
    this.port = config.port;
    this.address = config.address;
    this.weight = config.weight;
    this.zone = config.zone;
    this.status = config.status;
    this.connectTimeoutMs = connectTimeoutMs;
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

  get usability(): Usability {
    if (this.unreachable || this.status === 'unhealthy') return UNUSABLE;
    return this.status === 'draining' ? PINNED_ONLY : USABLE;
  }

  /** A connection for one exchange: the idle one used last, or a new one. */
  acquire(user: UpstreamUser): UpstreamConnection {
    this.counters.requests++;
    for (;;) {
      const connection = this.idle.pop() ?? this.open();
      if (!connection.isUsable) continue;
      connection.assign(user);
      return connection;
    }
  }

  /** A new connection, for an exchange that found a pooled one dead. */
  acquireFresh(user: UpstreamUser): UpstreamConnection {
    this.counters.requests++;
    const connection = this.open();
    connection.assign(user);
    return connection;
  }

  /** Closes connections that nobody has used for a while. */
  closeIdle(nowMs: number): void {
    // The longest idle are at the front.
    while (
      this.idle.length > 0 &&
      nowMs - (this.idle[0] as UpstreamConnection).idleSinceMs >= this.settings.idleTimeoutMs
    ) {
      (this.idle.shift() as UpstreamConnection).destroy();
    }
  }

  /** The address is not configured any more: exchanges finish, connections go as they become idle. */
  retire(): void {
    this.retired = true;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  onConnected(): void {
    this.reached();
  }

  onConnectFailed(_connection: UpstreamConnection, _reason: string): void {
    this.counters.connectFailures++;
    this.refusedInARow++;
    if (this.unreachable || this.refusedInARow < this.settings.connectFailuresToEject) return;
    this.unreachable = true;
    this.onReachability(this);
  }

  onIdle(connection: UpstreamConnection): void {
    if (this.retired) {
      connection.destroy();
      return;
    }
    connection.idleSinceMs = this.settings.nowMs();
    this.idle.push(connection);
  }

  onClosed(connection: UpstreamConnection): void {
    this.connections.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
  }

  /** A connection was made: whatever was wrong with the address is over. */
  reached(): void {
    this.refusedInARow = 0;
    if (!this.unreachable) return;
    this.unreachable = false;
    this.onReachability(this);
  }

  private open(): UpstreamConnection {
    this.counters.connects++;
    const { host, port } = this;
    const options = { host, port, noDelay: true, allowHalfOpen: true, highWaterMark: SOCKET_BUFFER_BYTES };
    const socket = connect(options);
    const connection = new UpstreamConnection(socket, this, this.settings.limits);
    this.connections.add(connection);
    return connection;
  }
}
