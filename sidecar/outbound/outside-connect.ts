import type { DownstreamUser } from '../http/downstream-stream.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import { TcpTunnel, type TunnelRoute, type TunnelSettings } from '../tcp/tcp-tunnel.js';

/** A CONNECT whose host is not a service: it is granted once the destination has taken a connection. */
export class OutsideConnect implements DownstreamUser {
  private readonly tunnel: TcpTunnel;

  constructor(connection: DownstreamConnection, route: TunnelRoute, settings: TunnelSettings) {
    this.tunnel = new TcpTunnel(
      connection.client,
      route,
      settings,
      () => connection.handOver(() => this.tunnel),
      (reply) => connection.answerLast(reply),
    );
  }

  onRequestHead(): void {
    this.tunnel.start();
  }

  onDownstreamGone(): void {
    this.tunnel.onClose();
  }

  checkDeadlines(nowMs: number): void {
    this.tunnel.checkDeadlines(nowMs);
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
  onDownstreamTurnEnd(): void {}
  onDownstreamDrain(): void {}
  onClientTunnelData(): void {}
  onClientTunnelEnd(): void {}
}
