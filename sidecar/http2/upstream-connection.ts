import type { Socket } from 'node:net';
import { formatAddress, peerIp } from '../../src/net/ip-address.js';
import type { HttpLimits } from '../http/limits.js';
import type { UpstreamUser } from '../http/upstream-stream.js';
import type { Dialling } from '../tls/dial.js';
import { Http2Connection } from './connection.js';
import type { Http2Owner } from './connection-owner.js';
import { type Http2Limits, http2Limits } from './limits.js';
import type { Http2Stream, StreamUser } from './stream.js';
import { Http2Upstream, type UpstreamLine } from './upstream.js';

/** What the owner of the connections, their endpoint's pool, is told. */
export interface Http2UpstreamOwner {
  readonly limits: HttpLimits;
  nowMs(): number;
  onConnected(): void;
  onConnectFailed(connection: Http2UpstreamConnection): void;
  onStreamOver(): void;
  onResult(good: boolean): void;
  onClosed(connection: Http2UpstreamConnection): void;
}

/** One connection to an upstream, which many requests share. */
export class Http2UpstreamConnection implements UpstreamLine, Http2Owner {
  readonly limits: Http2Limits;
  readonly scheme: 'http' | 'https';
  isConnected = false;
  served = 0;
  /** When it has served long enough, on the sidecar's coarse clock. */
  expiresAtMs = Number.POSITIVE_INFINITY;
  private readonly connection: Http2Connection;
  private readonly transport: Socket;
  /** Those that wait for the connection to be made. */
  private waiting: Http2Upstream[] = [];

  constructor(
    { socket, transport, ready }: Dialling,
    private readonly owner: Http2UpstreamOwner,
  ) {
    this.transport = transport;
    this.scheme = ready === 'secureConnect' ? 'https' : 'http';
    this.limits = http2Limits(owner.limits);
    socket.on(ready, () => this.onConnect());
    // Before the streams are told, whose next attempts are not to come here.
    socket.on('error', () => this.onFailing());
    socket.on('close', () => this.onFailing());
    this.connection = new Http2Connection({ socket, role: 'client', owner: this });
  }

  get remoteAddress(): string {
    return formatAddress(peerIp(this.transport), this.transport.remotePort ?? 0);
  }

  get takesConnectProtocol(): boolean {
    return this.connection.takesConnectProtocol;
  }

  get streamCount(): number {
    return this.connection.streamCount;
  }

  get hasCapacity(): boolean {
    return this.connection.hasCapacity;
  }

  /** Since when it has carried no stream. Of one that carries none. */
  get idleSinceMs(): number {
    return this.connection.idleSinceMs;
  }

  /** Opens a stream. Needs {@link hasCapacity}. */
  open(user: UpstreamUser): Http2Upstream {
    const upstream = new Http2Upstream(this, user);
    if (!this.isConnected) this.waiting.push(upstream);
    return upstream;
  }

  openStream(user: StreamUser): Http2Stream {
    return this.connection.open(user, false);
  }

  /** Takes no new streams, and closes once it carries none. */
  drain(): void {
    this.connection.drain();
  }

  destroy(): void {
    this.connection.destroy('not needed any more');
  }

  checkDeadlines(nowMs: number): void {
    this.connection.checkDeadlines(nowMs);
  }

  nowMs(): number {
    return this.owner.nowMs();
  }

  onStreamOver(completed: boolean): void {
    if (completed) this.served++;
    this.owner.onStreamOver();
  }

  onResult(good: boolean): void {
    this.owner.onResult(good);
  }

  giveUp(reason: string): void {
    this.onFailing();
    this.connection.destroy(reason);
  }

  onRequest(stream: Http2Stream): StreamUser {
    throw new Error(`the server has opened stream ${stream.id}`);
  }

  onHeadTooLarge(): void {}
  onMalformed(): void {}
  onCapacity(): void {}
  onRetired(): void {}

  onClosed(): void {
    this.owner.onClosed(this);
  }

  private onConnect(): void {
    this.isConnected = true;
    this.owner.onConnected();
    const { waiting } = this;
    this.waiting = [];
    for (const upstream of waiting) upstream.onConnected();
  }

  private failed = false;

  private onFailing(): void {
    if (this.isConnected || this.failed) return;
    this.failed = true;
    this.waiting = [];
    this.owner.onConnectFailed(this);
  }
}
