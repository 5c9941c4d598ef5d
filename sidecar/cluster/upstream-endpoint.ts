import type { LookupFunction } from 'node:net';
import {
  type Endpoint,
  type FleetView,
  PINNED_ONLY,
  UNUSABLE,
  USABLE,
  type Usability,
} from '../../src/routing/endpoint-set.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import type { LimitName } from '../http/limits.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';
import type { UpstreamTls } from '../tls/endpoint-tls.js';
import { ClusterLoad } from './cluster-load.js';
import { type EndpointCounts, OwnEndpointCounts } from './endpoint-counts.js';
import { HealthRecord } from './health-record.js';
import { OutlierRecord } from './outlier-record.js';
import type { NewPool, PoolOwner, StreamPool, UpstreamProtocol } from './stream-pool.js';

/** What all endpoints of a sidecar have in common. */
export interface UpstreamSettings {
  /** Makes what an endpoint gets its streams from. */
  readonly newPool: NewPool;
  /** Connections refused in a row that make an endpoint unreachable. */
  readonly connectFailuresToEject: number;
  nowMs(): number;
}

/** Whom an endpoint belongs to: its cluster, which decides what follows from what it is told. */
export interface EndpointOwner {
  readonly load: ClusterLoad;
  /** How its connections are made; undefined: in plain text. */
  readonly tls?: UpstreamTls | undefined;
  /** Undefined: HTTP/1.1. */
  readonly protocol?: UpstreamProtocol;
  /** What resolves the names of its endpoints; undefined: what resolves all names. */
  readonly lookup?: LookupFunction;
  /** So many connections in a row were refused that nobody seems to listen there. */
  onUnreachable(endpoint: UpstreamEndpoint): void;
  /** A connection was made to an endpoint that counts as unreachable. */
  onReached(endpoint: UpstreamEndpoint): void;
  /** It has said that it is about to stop. */
  onLeaving(endpoint: UpstreamEndpoint): void;
  /** It had said so, and is there still. */
  onStaying(endpoint: UpstreamEndpoint): void;
  /** An answer of it was an error, or there was none. */
  onError(endpoint: UpstreamEndpoint): void;
  /**
   * A limit on connections is met, for a request that could have one.
   *
   * @returns whether another worker has a connection that nobody uses, which it is going to close
   */
  makeRoom(endpoint: UpstreamEndpoint, limit: LimitName): boolean;
}

/** There is no room for a connection, but another worker is about to close one: to be asked again in a moment. */
export const ROOM_IS_MADE = 'room-is-made';

/** For endpoints outside of clusters: no limits, and nobody who would judge them. */
export function unwatched(lookup?: LookupFunction, protocol: UpstreamProtocol = 'http1'): EndpointOwner {
  return {
    protocol,
    load: new ClusterLoad(),
    ...(lookup && { lookup }),
    onUnreachable() {},
    onReached() {},
    onLeaving() {},
    onStaying() {},
    onError() {},
    makeRoom: () => false,
  };
}

/** Longer than a sidecar that stops goes on taking connections, unless it is told otherwise. */
const LEAVING_MS = 8000;

/** What there is to know of an endpoint besides its configuration, and speaks against picking it. */
export interface EndpointCondition {
  readonly unreachable: boolean;
  readonly leaving: boolean;
  readonly ejected: boolean;
  readonly failingChecks: boolean;
  /** See {@link Endpoint.fleetView}. */
  readonly fleetView: FleetView | undefined;
}

/** Why a sidecar cannot use an endpoint, but for what the configuration says. */
export type Trouble = 'unreachable' | 'app-refuses' | 'ejected' | 'failing-checks';

/**
 * One address: how it is doing, what it may have, and what has been counted. Its connections are its pool's. Lives as long as the address is
 * configured, and beyond that until its last exchange is over.
 */
export class UpstreamEndpoint implements Endpoint, PoolOwner {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  weight: number;
  zone: string;
  status: EndpointConfig['status'];
  hashing: EndpointConfig['hashing'];
  /** Since when it takes requests, on the coarse clock; its share grows from then on where the cluster starts slowly. */
  usableSinceMs: number;

  readonly counters = { requests: 0, connects: 0, connectFailures: 0, resets: 0, failures: 0 };
  /** Attempts that were answered, and what became of them; for load reports. An attempt the client left counts as neither. */
  readonly traffic = { succeeded: 0, failed: 0, latencySumMs: 0 };
  readonly outlier: OutlierRecord;
  readonly health = new HealthRecord();
  /** Connections are refused; its owner's to say. */
  isUnreachable = false;
  /** Its sidecar says that the app refuses: that the sidecar itself takes connections does not count until it answers. */
  appRefuses = false;
  fleetView: FleetView | undefined;
  private pool: StreamPool;
  /** What the pool speaks. */
  private pooled: UpstreamProtocol;
  private retired = false;
  /** 0: it has not said that it is about to stop, or that was a while ago. */
  private leavingUntilMs = 0;

  constructor(
    config: EndpointConfig,
    public connectTimeoutMs: number,
    private readonly settings: UpstreamSettings,
    private readonly owner: EndpointOwner,
    private readonly counts: EndpointCounts = new OwnEndpointCounts(),
  ) {
    this.outlier = new OutlierRecord(counts);
    this.host = config.host;
    this.port = config.port;
    this.address = config.address;
    this.weight = config.weight;
    this.zone = config.zone;
    this.status = config.status;
    this.hashing = config.hashing;
    this.usableSinceMs = settings.nowMs();
    this.pooled = this.protocol;
    this.pool = settings.newPool(this);
  }

  /** What its cluster has in hand, and how much it may. */
  get load(): ClusterLoad {
    return this.owner.load;
  }

  get protocol(): UpstreamProtocol {
    return this.owner.protocol ?? 'http1';
  }

  get tls(): UpstreamTls | undefined {
    return this.owner.tls;
  }

  get lookup(): LookupFunction | undefined {
    return this.owner.lookup;
  }

  /** Attempts in flight. */
  get activeRequests(): number {
    return this.counts.requests;
  }

  get connectionCount(): number {
    return this.counts.connections;
  }

  /** It has been sent something. */
  get isUsed(): boolean {
    return this.counts.isUsed;
  }

  /** So many connections in a row have been refused that nobody seems to listen there. */
  get isRefusing(): boolean {
    return this.counts.refusals >= this.settings.connectFailuresToEject;
  }

  /** Connections of this thread that nobody uses. */
  get idleCount(): number {
    return this.pool.idleCount;
  }

  /** The address is not configured any more. */
  get isRetired(): boolean {
    return this.retired;
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
    if (this.isUnreachable) return UNUSABLE;
    return this.status === 'draining' || this.isLeaving ? PINNED_ONLY : USABLE;
  }

  get condition(): EndpointCondition {
    const { isUnreachable: unreachable, isLeaving: leaving, isEjected: ejected, health } = this;
    return { unreachable, leaving, ejected, failingChecks: health.failing, fleetView: this.fleetView };
  }

  /** It has answered well lately, and not badly since. */
  get isAnswering(): boolean {
    return this.counts.successes > 0 && this.counts.errorsInARow === 0;
  }

  get successes(): number {
    return this.counts.successes;
  }

  get passesChecks(): boolean {
    return this.health.lastMs !== undefined && !this.health.failing;
  }

  /** Takes over what another thread has found, until that finds something else. */
  set condition({ unreachable, leaving, ejected, failingChecks, fleetView }: EndpointCondition) {
    this.isUnreachable = unreachable;
    if (!unreachable) this.appRefuses = false;
    this.leavingUntilMs = leaving ? Number.POSITIVE_INFINITY : 0;
    this.outlier.ejectedAtMs = ejected ? this.settings.nowMs() : undefined;
    this.health.failing = failingChecks;
    this.fleetView = fleetView;
  }

  /** What this sidecar has found wrong with it; undefined: nothing, or the configuration says so already. */
  get trouble(): Trouble | undefined {
    if (this.status === 'unhealthy') return undefined;
    if (this.isUnreachable) return this.appRefuses ? 'app-refuses' : 'unreachable';
    if (this.isEjected) return 'ejected';
    return this.health.failing ? 'failing-checks' : undefined;
  }

  /**
   * A stream for one attempt.
   *
   * @param fresh a new one in any case: a pooled one was just found dead
   * @param patient may be told that {@link ROOM_IS_MADE}
   * @returns a limit, where one is met
   */
  acquire(
    user: UpstreamUser,
    fresh: boolean,
    patient = false,
  ): UpstreamStream | LimitName | typeof ROOM_IS_MADE {
    const { load } = this.owner;
    const met = this.takeRequest();
    if (met !== undefined) return load.refuse(met);
    const stream = this.pool.open(user, fresh);
    if (typeof stream === 'string') {
      this.onStreamOver();
      if (patient && this.owner.makeRoom(this, stream)) return ROOM_IS_MADE;
      return load.refuse(stream);
    }
    this.begin();
    return stream;
  }

  /**
   * Takes what a connection needs that is carried as it is: it counts as a request.
   *
   * @returns the limit that is met; undefined: the connection may be made
   */
  beginTunnel(): LimitName | undefined {
    const { load } = this.owner;
    const met = this.takeRequest();
    if (met !== undefined) return load.refuse(met);
    const full = this.takeConnection();
    if (full !== undefined) {
      this.onStreamOver();
      return load.refuse(full);
    }
    this.begin();
    return undefined;
  }

  /** Gives back what {@link beginTunnel} took. @param wasConnected the connection had been made */
  endTunnel(wasConnected: boolean): void {
    this.onStreamOver();
    this.onConnectionClosed(wasConnected);
  }

  private takeRequest(): LimitName | undefined {
    const { load } = this.owner;
    if (!load.takeRequest()) return 'requests';
    if (this.counts.takeRequest(load.limits.perEndpointRequests)) return undefined;
    load.giveBackRequest();
    return 'perEndpointRequests';
  }

  private begin(): void {
    if (this.counters.requests++ === 0) this.counts.use();
    this.owner.load.begin();
  }

  onStreamOver(): void {
    this.counts.giveBackRequest();
    this.owner.load.giveBackRequest();
  }

  /** What time alone brings about. */
  tick(nowMs: number): void {
    this.closeIdle(nowMs);
    if (this.leavingUntilMs === 0 || nowMs < this.leavingUntilMs) return;
    this.stays();
    this.owner.onStaying(this);
  }

  onLeaving(): void {
    this.owner.onLeaving(this);
  }

  /** It has said that it is about to stop. */
  leaves(): void {
    this.leavingUntilMs = this.settings.nowMs() + LEAVING_MS;
  }

  /** Whatever it has said is so long ago that it need not be true any more, or there is nobody else. */
  stays(): void {
    this.leavingUntilMs = 0;
  }

  /** Closes connections that have carried nothing for a while. */
  closeIdle(nowMs: number): void {
    this.pool.closeIdle(nowMs);
  }

  /** Closes the connection that has been idle for longest. @returns whether there was one */
  closeOneIdle(): boolean {
    return this.pool.closeOneIdle();
  }

  /** From now on connections are made in another way: those there are finish their exchanges. */
  renew(): void {
    this.pool.renew();
    if (this.pooled === this.protocol) return;
    this.pool.retire();
    this.pooled = this.protocol;
    this.pool = this.settings.newPool(this);
  }

  /** The address is not configured any more: exchanges finish, connections go as they become idle. */
  retire(): void {
    this.retired = true;
    this.pool.retire();
  }

  onConnected(): void {
    this.owner.load.giveBackPending();
    if (!this.appRefuses) this.reached();
  }

  get recoveries(): number {
    return this.counts.recoveries;
  }

  onConnectFailed(recoveries: number): void {
    this.counters.connectFailures++;
    // Begun before another got through, and heard of after: what it says is over.
    if (recoveries !== this.recoveries) return;
    this.counts.refused();
    if (!this.isUnreachable && this.isRefusing) this.owner.onUnreachable(this);
  }

  /** Its sidecar took a request that the app took no connection for. */
  onAppRefused(): void {
    this.appRefuses = true;
    this.counters.connectFailures++;
    this.counts.refused();
    if (!this.isUnreachable && this.isRefusing) this.owner.onUnreachable(this);
  }

  /** The app answers again. */
  onAppAnswered(): void {
    this.appRefuses = false;
    this.reached();
  }

  onResult(good: boolean): void {
    if (good) {
      this.counts.succeeded();
      return;
    }
    this.counters.failures++;
    this.owner.onError(this);
  }

  onConnectionClosed(wasConnected: boolean): void {
    const { load } = this.owner;
    load.giveBackConnection();
    this.counts.giveBackConnection();
    if (!wasConnected) load.giveBackPending();
  }

  /** A connection was made: whatever was wrong with the address is over. */
  reached(): void {
    this.counts.connected();
    if (this.isUnreachable) this.owner.onReached(this);
  }

  takeConnection(): LimitName | undefined {
    const { load } = this.owner;
    if (!load.takePending()) return 'pending';
    if (!this.counts.takeConnection(load.limits.perEndpointConnections)) {
      load.giveBackPending();
      return 'perEndpointConnections';
    }
    if (load.takeConnection()) {
      this.counters.connects++;
      return undefined;
    }
    load.giveBackPending();
    this.counts.giveBackConnection();
    return 'connections';
  }
}
