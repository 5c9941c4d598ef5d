import { createServer, type Server, type Socket } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import { listen } from '../../src/lifecycle/listen.js';
import type { SocketAddress } from '../../src/model/scalars.js';
import {
  DownstreamConnection,
  type DownstreamOwner,
  type DownstreamUser,
} from '../http1/downstream-connection.js';
import type { Http1Limits } from '../http1/limits.js';

export interface ListenerOptions {
  /** For messages: "outbound (--outbound)". */
  readonly what: string;
  readonly limits: Http1Limits;
  nowMs(): number;
  onRequest(connection: DownstreamConnection): DownstreamUser;
  onOpaque(connection: DownstreamConnection): DownstreamUser;
  /** @param client its address, without the port */
  onRefused(reply: LocalReply, client: string): void;
}

const SOCKET_BUFFER_BYTES = 65_536;

/** Accepts connections and keeps every one of them until it closes. */
export class Listener implements DownstreamOwner {
  readonly limits: Http1Limits;
  private readonly server: Server;
  private readonly connections = new Set<DownstreamConnection>();
  private draining = false;

  constructor(private readonly options: ListenerOptions) {
    this.limits = options.limits;
    this.server = createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES },
      (socket: Socket) => this.accept(socket),
    );
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Requests under way. */
  get busyCount(): number {
    let busy = 0;
    for (const connection of this.connections) if (!connection.isIdle) busy++;
    return busy;
  }

  /** @returns the address it listens on. @throws ListenError */
  start({ host, port }: SocketAddress): Promise<string> {
    return listen(this.server, this.options.what, host, port);
  }

  nowMs(): number {
    return this.options.nowMs();
  }

  onRequest(connection: DownstreamConnection): DownstreamUser {
    if (this.draining) connection.closeAfterResponse = true;
    return this.options.onRequest(connection);
  }

  onOpaque(connection: DownstreamConnection): DownstreamUser {
    return this.options.onOpaque(connection);
  }

  onRefused({ request }: DownstreamConnection, reply: LocalReply): void {
    this.options.onRefused(reply, request.sourceIp);
  }

  onClosed(connection: DownstreamConnection): void {
    this.connections.delete(connection);
  }

  checkDeadlines(nowMs: number): void {
    for (const connection of this.connections) connection.checkDeadlines(nowMs);
  }

  /** Takes no new connections, ends idle ones, and lets the others end with their present response. */
  drain(): void {
    this.draining = true;
    this.server.close();
    for (const connection of this.connections) {
      if (connection.isIdle) connection.endGently();
      else connection.closeAfterResponse = true;
    }
  }

  /** Cuts off what is left. */
  destroy(): void {
    this.server.close();
    for (const connection of this.connections) connection.abort();
  }

  private accept(socket: Socket): void {
    this.connections.add(new DownstreamConnection(socket, this));
  }
}
