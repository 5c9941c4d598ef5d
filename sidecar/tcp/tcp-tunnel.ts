import type { Socket } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { HttpLimits } from '../http/limits.js';
import type { ClientHandler, ClientSocket } from '../net/client-socket.js';
import { closeWhenTaken, reset, watchPeer } from '../net/socket-endings.js';
import { SocketReader } from '../net/socket-reader.js';
import { SocketWriter } from '../net/socket-writer.js';
import { dial } from '../tls/dial.js';
import { TunnelIdle } from './tunnel-idle.js';

export interface TunnelSettings {
  readonly limits: HttpLimits;
  /** Coarse clock. */
  nowMs(): number;
}

/** How a tunnel ended, for metrics and logs. */
export interface TunnelOutcome {
  /** Why no connection was made. */
  error: LocalReply | undefined;
  /** Who cut it off; empty: both sides ended it. */
  cutOff: '' | 'client' | 'upstream' | 'timeout' | 'sidecar';
  /** From the client, and to it. */
  sentBytes: number;
  receivedBytes: number;
}

/** Where the bytes of a connection go, and what is made of it. One object for each connection. */
export interface TunnelRoute {
  /**
   * The endpoint to connect to.
   *
   * @param failure why the one before took no connection; undefined: there was none before
   * @returns why there is none
   */
  next(failure: string | undefined): UpstreamEndpoint | LocalReply;
  /** The tunnel is over, or was never made. */
  finished(outcome: TunnelOutcome, startedAt: number): void;
}

/** One connection to an endpoint, by the endpoint's limits. */
class Attempt {
  connected = false;
  private over = false;
  readonly socket: Socket;
  readonly reader: SocketReader;
  readonly writer: SocketWriter;
  readonly transport: Socket;
  private readonly recoveries: number;

  constructor(
    private readonly endpoint: UpstreamEndpoint,
    tunnel: TcpTunnel,
    readonly untilMs: number,
  ) {
    this.recoveries = endpoint.recoveries;
    const { host, port, lookup } = endpoint;
    // What is carried as it is may be TLS already; TLS of the sidecar's own is for requests.
    const { socket, transport, ready } = dial({ host, port, lookup });
    this.socket = socket;
    this.transport = transport;
    this.writer = new SocketWriter(socket, () => tunnel.onUpstreamDrain());
    this.reader = new SocketReader(socket, (piece) => tunnel.onUpstreamData(piece));
    socket.on(ready, () => {
      this.connected = true;
      endpoint.onConnected();
      endpoint.onResult(true);
      tunnel.onConnected();
    });
    socket.on('end', () => tunnel.onUpstreamEnd());
    socket.on('error', (error: NodeJS.ErrnoException) => this.fail(tunnel, error.code ?? error.message));
    socket.on('close', () => {
      if (this.finish()) tunnel.onUpstreamClosed();
    });
  }

  /** It could not be made, or broke. */
  fail(tunnel: TcpTunnel, reason: string): void {
    if (!this.finish()) return;
    if (!this.connected) this.endpoint.onConnectFailed(this.recoveries);
    this.socket.destroy();
    tunnel.onUpstreamBroken(this.connected, reason);
  }

  /** Gives up, telling nothing. @param orderly once the upstream has taken what was written */
  close(orderly: boolean): void {
    if (!this.finish()) return;
    if (orderly) closeWhenTaken(this.socket);
    else reset(this.socket, this.transport);
  }

  /** Gives back what it has taken of the limits. @returns whether it was under way */
  private finish(): boolean {
    if (this.over) return false;
    this.over = true;
    this.endpoint.endTunnel(this.connected);
    return true;
  }
}

/**
 * Carries the bytes of a client's connection as they are, both ways, with back-pressure and half-close, to an endpoint
 * that its route picks.
 *
 * ```
 *   connecting ──► open ──one side's end──► half-closed ──the other's──► over
 *      │  ▲          └── broken, or nothing moved ──► over, both sides cut off
 *      │  └─ another endpoint ◄─ refused
 *      └── no other ──► refused: the client is told by `onRefused`
 * ```
 */
export class TcpTunnel implements ClientHandler {
  readonly isIdle = false;
  readonly mayHaveLostClient = false;
  private readonly startedAt = performance.now();
  private readonly idle: TunnelIdle;
  private readonly outcome: TunnelOutcome = { error: undefined, cutOff: '', sentBytes: 0, receivedBytes: 0 };
  private attempt: Attempt | undefined;
  private clientEnded = false;
  /** What the client sent before there was a connection: its first piece at most, because it is not read meanwhile. */
  private early: Buffer[] = [];
  private over = false;

  /**
   * @param onOpen told once, when an endpoint has taken the connection
   * @param onRefused told once, when none does; else the client's connection is reset
   */
  constructor(
    private readonly client: ClientSocket,
    private readonly route: TunnelRoute,
    private readonly settings: TunnelSettings,
    private readonly onOpen: () => void = () => {},
    private readonly onRefused: (reply: LocalReply) => void = () => reset(client.socket),
  ) {
    this.idle = new TunnelIdle(settings.limits, settings.nowMs());
  }

  /** Connects. The client is not read meanwhile: what it sends waits in the kernel. */
  start(): this {
    this.client.reader.pause();
    this.tryNext(undefined);
    return this;
  }

  // ---- upstream ----

  private tryNext(failure: string | undefined): void {
    const endpoint = this.route.next(failure);
    if ('code' in endpoint) {
      this.refuse(endpoint);
      return;
    }
    const limit = endpoint.beginTunnel();
    if (limit === undefined)
      this.attempt = new Attempt(endpoint, this, this.settings.nowMs() + endpoint.connectTimeoutMs);
    else this.refuse({ code: 'overloaded', detail: `${endpoint.address}: ${endpoint.load.describe(limit)}` });
  }

  private refuse(reply: LocalReply): void {
    this.outcome.error = reply;
    this.finish();
    this.onRefused(reply);
  }

  onConnected(): void {
    this.idle.carried(this.settings.nowMs());
    if (this.attempt !== undefined) watchPeer(this.attempt.socket);
    watchPeer(this.client.socket);
    this.onOpen();
    this.client.reader.resume();
    for (const piece of this.early.splice(0)) this.onData(piece);
    if (this.clientEnded) this.onEnd();
  }

  onUpstreamData(piece: Buffer): void {
    const { writer } = this.client;
    this.idle.carried(this.settings.nowMs());
    this.outcome.receivedBytes += piece.length;
    writer.writeRange(piece, 0, piece.length);
    writer.flush();
    if (writer.congested) this.attempt?.reader.pause();
  }

  onUpstreamEnd(): void {
    this.idle.ended();
    this.client.writer.flush();
    this.client.socket.end();
  }

  onUpstreamDrain(): void {
    this.client.reader.resume();
  }

  /** Both sides have ended the tunnel. */
  onUpstreamClosed(): void {
    this.finish();
    closeWhenTaken(this.client.socket);
  }

  /** @param wasConnected a connection was cut off, which the client must not take for its end */
  onUpstreamBroken(wasConnected: boolean, reason: string): void {
    this.attempt = undefined;
    if (this.over) return;
    if (!wasConnected) {
      this.tryNext(reason);
      return;
    }
    this.outcome.cutOff ||= 'upstream';
    this.finish();
    reset(this.client.socket);
  }

  // ---- the client ----

  onData(piece: Buffer): void {
    const { attempt } = this;
    if (this.over) return;
    if (!attempt?.connected) {
      this.early.push(Buffer.from(piece));
      return;
    }
    this.idle.carried(this.settings.nowMs());
    this.outcome.sentBytes += piece.length;
    attempt.writer.writeRange(piece, 0, piece.length);
    attempt.writer.flush();
    if (attempt.writer.congested) this.client.reader.pause();
  }

  onEnd(): void {
    this.clientEnded = true;
    this.idle.ended();
    const { attempt } = this;
    if (!attempt?.connected) return;
    attempt.writer.flush();
    attempt.socket.end();
  }

  onDrain(): void {
    this.attempt?.reader.resume();
  }

  onClose(): void {
    if (this.over) return;
    const { attempt } = this;
    const orderly = this.client.endedOrderly;
    if (!orderly) this.outcome.cutOff ||= 'client';
    attempt?.close(orderly);
    this.finish();
  }

  abort(): void {
    this.outcome.cutOff ||= 'sidecar';
    this.attempt?.close(false);
    this.finish();
    reset(this.client.socket);
  }

  endGently(): void {
    this.abort();
  }

  checkDeadlines(nowMs: number): void {
    const { attempt } = this;
    if (attempt === undefined) return;
    if (!attempt.connected) {
      if (nowMs >= attempt.untilMs) attempt.fail(this, 'no connection in time');
      return;
    }
    if (!this.idle.isOver(nowMs)) return;
    this.outcome.cutOff ||= 'timeout';
    attempt.close(false);
    this.finish();
    reset(this.client.socket);
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.attempt = undefined;
    this.route.finished(this.outcome, this.startedAt);
  }

  onClientLeft(): void {}
  onClientEndFound(): void {}
  announceEnd(): void {}
  continue(): void {}
}
