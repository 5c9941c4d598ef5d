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
  onRefused(reply: LocalReply): void;
}

const SOCKET_BUFFER_BYTES = 65_536;

/** Accepts connections and keeps every one of them until it closes. */
export class Listener implements DownstreamOwner {
  readonly limits: Http1Limits;
  private readonly server: Server;
  private readonly connections = new Set<DownstreamConnection>();
  private ending = false;
  /** Connections taken so far. */
  accepted = 0;
  /** Requests begun so far. */
  requests = 0;

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
    this.requests++;
    if (this.ending) this.makeLast(connection);
    return this.options.onRequest(connection);
  }

  onOpaque(connection: DownstreamConnection): DownstreamUser {
    return this.options.onOpaque(connection);
  }

  onRefused(_connection: DownstreamConnection, reply: LocalReply): void {
    this.options.onRefused(reply);
  }

  onClosed(connection: DownstreamConnection): void {
    this.connections.delete(connection);
  }

  checkDeadlines(nowMs: number): void {
    for (const connection of this.connections) connection.checkDeadlines(nowMs);
  }

  /** From now on every response is its connection's last, and says so. */
  announceEnd(): void {
    this.ending = true;
    // Where a response has begun, the client has been told that the connection goes on: the next one will be the last.
    for (const connection of this.connections) if (!connection.responseStarted) this.makeLast(connection);
  }

  private makeLast(connection: DownstreamConnection): void {
    connection.closeAfterResponse = true;
    connection.leaving = true;
  }

  /** Takes no new connections. */
  async refuse(): Promise<void> {
    // Right after the event loop has taken all that were waiting: one that the kernel has taken would be reset.
    await new Promise((polled) => setImmediate(polled));
    this.server.close();
  }

  /** Ends connections that have no request. */
  endIdle(): void {
    for (const connection of this.connections) if (connection.isIdle) connection.endGently();
  }

  /** Cuts off what is left. */
  destroy(): void {
    this.server.close();
    for (const connection of this.connections) connection.abort();
  }

  private accept(socket: Socket): void {
    this.accepted++;
    this.connections.add(new DownstreamConnection(socket, this));
  }
}
