import { createServer, type Server, type Socket } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import { listen, type PortSharing } from '../../src/lifecycle/listen.js';
import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import { peerIp } from '../../src/net/ip-address.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import { DownstreamConnection, type DownstreamOwner } from '../http1/downstream-connection.js';
import type { ConcurrencySlots } from './concurrency-slots.js';
import { LeftClients } from './left-clients.js';

/** Seen from the pod: calls of others for its app, or calls of its app. */
export type Direction = 'inbound' | 'outbound';

/** What a listener has done and has in hand. */
export interface ListenerFigures {
  /** Connections taken so far. */
  readonly accepted: number;
  /** Requests begun so far. */
  readonly requests: number;
  readonly connections: number;
  /** Requests under way. */
  readonly busy: number;
}

export interface ListenerOptions {
  /** For messages: "outbound (--outbound)". */
  readonly what: string;
  readonly limits: HttpLimits;
  /** One for each connection, of as many as the limits allow. */
  readonly slots: ConcurrencySlots;
  nowMs(): number;
  onRequest(connection: DownstreamConnection): DownstreamUser;
  onOpaque(connection: DownstreamConnection): DownstreamUser;
  /** @param client its address, without the port */
  onRefused(reply: LocalReply, client: string): void;
}

const SOCKET_BUFFER_BYTES = 65_536;
/** Connections beyond the bound that are told so, with their answers under way; any more are reset at once. */
const SHED_CONNECTIONS = 128;
const TOO_MANY: LocalReply = { code: 'overloaded', detail: 'too many connections' };

/** Accepts connections, up to a bound, and keeps every one of them until it closes. */
export class Listener implements DownstreamOwner {
  readonly limits: HttpLimits;
  private readonly server: Server;
  private readonly connections = new Set<DownstreamConnection>();
  /** Those of them that have no place, and are told so. */
  private readonly tooMany = new Set<DownstreamConnection>();
  private readonly left = new LeftClients(this.connections);
  private ending = false;
  /** Where it listens, or did until it began to {@link refuse}. */
  private bound: SocketAddress | undefined;
  private accepted = 0;
  /** Requests begun so far. */
  requests = 0;

  constructor(private readonly options: ListenerOptions) {
    this.limits = options.limits;
    this.server = createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES },
      (socket: Socket) => this.accept(socket),
    );
    this.server.maxConnections = this.limits.maxConnections + SHED_CONNECTIONS;
    this.server.on('drop', (dropped) => options.onRefused(TOO_MANY, peerIp(dropped ?? {})));
  }

  /** For messages. */
  get what(): string {
    return this.options.what;
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

  figures(): ListenerFigures {
    const { accepted, requests, connectionCount: connections, busyCount: busy } = this;
    return { accepted, requests, connections, busy };
  }

  /**
   * @param sharing how it shares its port with the listeners of other workers, if there are any
   * @returns the address it listens on. @throws ListenError
   */
  async start({ host, port }: SocketAddress, sharing?: PortSharing): Promise<string> {
    const bound = await listen(this.server, this.options.what, host, port, sharing);
    this.bound = splitHostPort(bound);
    return bound;
  }

  nowMs(): number {
    return this.options.nowMs();
  }

  onRequest(connection: DownstreamConnection): DownstreamUser {
    this.requests++;
    const { maxRequestsPerConnection: most } = this.limits;
    if (this.ending) this.makeLast(connection);
    else if (most > 0 && connection.requests >= most) connection.closeAfterResponse = true;
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
    if (!this.tooMany.delete(connection)) this.options.slots.giveBack();
  }

  checkDeadlines(nowMs: number): void {
    for (const connection of this.connections) connection.checkDeadlines(nowMs);
    this.left.tick(nowMs);
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

  /** No response is its connection's last any more, but where the client has been told so. */
  continue(): void {
    this.ending = false;
    for (const connection of this.connections) {
      if (connection.responseStarted || !connection.leaving) continue;
      connection.closeAfterResponse = false;
      connection.leaving = false;
    }
  }

  /** The address where it would listen again; undefined: it does. */
  get lost(): SocketAddress | undefined {
    return this.server.listening ? undefined : this.bound;
  }

  /** Undoes {@link announceEnd} and {@link refuse}. @throws ListenError */
  async serveAgain(): Promise<void> {
    const { lost } = this;
    if (lost !== undefined) await this.start(lost);
    this.continue();
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
    const hasSlot = this.options.slots.take(this.limits.maxConnections);
    const connection = new DownstreamConnection(socket, this);
    this.connections.add(connection);
    if (hasSlot) return;
    this.tooMany.add(connection);
    connection.refuse(TOO_MANY.code, TOO_MANY.detail);
  }
}
