import { connect, type LookupFunction, type Socket } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import { localAnswerText } from '../http1/local-reply.js';
import { closeWhenTaken, reset, watchPeer } from '../net/socket-endings.js';
import { SocketReader } from '../net/socket-reader.js';
import { SocketWriter } from '../net/socket-writer.js';
import { refusalCode } from '../outbound/destination-guard.js';
import { TunnelIdle } from './tunnel-idle.js';

export interface TunnelSettings {
  readonly limits: HttpLimits;
  readonly connectTimeoutMs: number;
  /** Coarse clock. */
  nowMs(): number;
}

/** Where a tunnel leads, or why it leads nowhere. */
export type TunnelEnd = (SocketAddress & { readonly lookup?: LookupFunction }) | LocalReply;

/**
 * Carries a connection's bytes as they are, both ways, with back-pressure and half-close. Either a CONNECT whose
 * host nobody declared, which is answered once the other side is reached, or a connection whose first bytes were
 * no HTTP.
 */
export class OpaqueTunnel implements DownstreamUser {
  private socket: Socket | undefined;
  private reader: SocketReader | undefined;
  private writer: SocketWriter | undefined;
  private connected = false;
  private readonly startedMs: number;
  private readonly idle: TunnelIdle;

  /** @param answersConnect the client waits for an answer to its CONNECT */
  constructor(
    private readonly downstream: DownstreamConnection,
    private readonly end: TunnelEnd,
    private readonly answersConnect: boolean,
    private readonly settings: TunnelSettings,
  ) {
    this.startedMs = settings.nowMs();
    this.idle = new TunnelIdle(settings.limits, this.startedMs);
  }

  onRequestHead(): void {
    if ('code' in this.end) {
      this.refuse(this.end);
      return;
    }
    const socket = connect({ ...this.end, noDelay: true, allowHalfOpen: true });
    this.socket = socket;
    this.writer = new SocketWriter(socket, () => this.downstream.resume());
    this.reader = new SocketReader(socket, (piece) => this.onUpstreamData(piece));
    socket.on('connect', () => this.onConnect());
    socket.on('end', () => this.onUpstreamEnd());
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.onUpstreamBroken(error.code ?? '', error.message),
    );
    socket.on('close', () => this.onUpstreamClosed());
  }

  onRequestBody(): void {}

  onRequestEnd(): void {}

  onDownstreamTurnEnd(): void {
    this.writer?.flush();
    if (this.writer?.congested) this.downstream.pause();
  }

  onDownstreamDrain(): void {
    this.reader?.resume();
  }

  onDownstreamGone(): void {
    const { socket } = this;
    this.socket = undefined;
    if (socket === undefined) return;
    if (this.downstream.endedOrderly) closeWhenTaken(socket);
    else reset(socket);
  }

  onClientTunnelData(piece: Buffer): void {
    this.idle.carried(this.settings.nowMs());
    this.writer?.writeRange(piece, 0, piece.length);
  }

  onClientTunnelEnd(): void {
    this.idle.ended();
    this.writer?.flush();
    this.socket?.end();
  }

  checkDeadlines(nowMs: number): void {
    const { socket, settings } = this;
    if (socket === undefined) return;
    if (!this.connected) {
      if (nowMs - this.startedMs >= settings.connectTimeoutMs) this.onUpstreamBroken('no connection in time');
      return;
    }
    if (!this.idle.isOver(nowMs)) return;
    reset(socket);
    this.onUpstreamBroken(`nothing moved for ${this.idle.limitMs} ms`);
  }

  private onConnect(): void {
    this.connected = true;
    this.idle.carried(this.settings.nowMs());
    if (this.socket !== undefined) watchPeer(this.socket);
    if (!this.answersConnect) return;
    this.downstream.writer.writeText(CONNECT_GRANTED);
    this.downstream.writer.flush();
    this.downstream.becomeTunnel();
  }

  private onUpstreamEnd(): void {
    this.idle.ended();
    this.downstream.endTunnel();
  }

  private onUpstreamData(piece: Buffer): void {
    this.idle.carried(this.settings.nowMs());
    const { writer } = this.downstream;
    writer.writeRange(piece, 0, piece.length);
    writer.flush();
    if (writer.congested) this.reader?.pause();
  }

  /** Both sides have ended the tunnel. */
  private onUpstreamClosed(): void {
    if (this.socket === undefined) return;
    this.socket = undefined;
    this.downstream.endGently();
  }

  /** No connection, or one cut off, which the client must not take for its end. */
  private onUpstreamBroken(reason: string, message = reason): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.socket = undefined;
    socket.destroy();
    const detail = refusalCode(reason) === undefined ? reason || message : message;
    if (this.connected) this.downstream.abort();
    else this.refuse({ code: refusalCode(reason) ?? 'connect-failure', detail });
  }

  private refuse(reply: LocalReply): void {
    if (!this.answersConnect) {
      this.downstream.abort();
      return;
    }
    this.downstream.writer.writeText(localAnswerText(reply, { close: true, head: false }));
    this.downstream.endResponse(false);
  }
}

export const CONNECT_GRANTED = 'HTTP/1.1 200 Connection Established\r\n\r\n';
