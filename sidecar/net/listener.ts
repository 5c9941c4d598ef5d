import { createServer, type Server, type Socket } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import { listen, type PortSharing } from '../../src/lifecycle/listen.js';
import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import { peerIp } from '../../src/net/ip-address.js';
import { takeConnections } from './accepted-socket.js';
import { type ClientHandler, ClientSocket } from './client-socket.js';
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
  readonly maxConnections: number;
  /** One for each connection, of as many as {@link maxConnections}. */
  readonly slots: ConcurrencySlots;
}

/** Serves the connections of a listener. */
export interface ConnectionServer {
  /** Set by the listener: every response is its connection's last. */
  isEnding: boolean;
  /** Requests begun so far. */
  readonly requests: number;
  /** Who serves a connection first. */
  serve(client: ClientSocket): ClientHandler;
  /** Tells a client that there are too many connections, and ends its own. */
  turnAway(client: ClientSocket, reply: LocalReply): ClientHandler;
  /** A connection was reset because there are far too many. @param client its address, without the port */
  onReset(reply: LocalReply, client: string): void;
}

const SOCKET_BUFFER_BYTES = 65_536;
/** Connections beyond the bound that are told so, with their answers under way; any more are reset at once. */
const SHED_CONNECTIONS = 128;
const TOO_MANY: LocalReply = { code: 'overloaded', detail: 'too many connections' };

/** Accepts connections, up to a bound, and keeps every one of them until it closes. */
export class Listener {
  private readonly server: Server;
  private readonly connections = new Set<ClientSocket>();
  /** Those of them that have no place, and are told so. */
  private readonly tooMany = new Set<ClientSocket>();
  private readonly left = new LeftClients(this.connections);
  /** Where it listens, or did until it began to {@link refuse}. */
  private bound: SocketAddress | undefined;
  private accepted = 0;

  constructor(
    private readonly options: ListenerOptions,
    private readonly connectionsTo: ConnectionServer,
  ) {
    this.server = createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES },
      (socket: Socket) => this.accept(socket),
    );
    this.server.maxConnections = options.maxConnections + SHED_CONNECTIONS;
    this.server.on('drop', this.onDropped);
  }

  /** For messages. */
  get what(): string {
    return this.options.what;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Requests begun so far. */
  get requests(): number {
    return this.connectionsTo.requests;
  }

  /** Requests under way. */
  get busyCount(): number {
    let busy = 0;
    for (const connection of this.connections) if (!connection.handler.isIdle) busy++;
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
    const { server } = this;
    const bound = await listen(server, this.options.what, host, port, sharing);
    takeConnections(server, this.accept, () => this.connections.size < server.maxConnections, this.onDropped);
    this.bound = splitHostPort(bound);
    return bound;
  }

  checkDeadlines(nowMs: number): void {
    for (const { handler } of this.connections) handler.checkDeadlines(nowMs);
    this.left.tick(nowMs);
  }

  /** From now on every response is its connection's last, and says so. */
  announceEnd(): void {
    this.connectionsTo.isEnding = true;
    for (const { handler } of this.connections) handler.announceEnd();
  }

  /** Takes no new connections. */
  async refuse(): Promise<void> {
    // Right after the event loop has taken all that were waiting: one that the kernel has taken would be reset.
    await new Promise((polled) => setImmediate(polled));
    this.server.close();
  }

  /** No response is its connection's last any more, but where the client has been told so. */
  continue(): void {
    this.connectionsTo.isEnding = false;
    for (const { handler } of this.connections) handler.continue();
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
    for (const { handler } of this.connections) if (handler.isIdle) handler.endGently();
  }

  /** Cuts off what is left. */
  destroy(): void {
    this.server.close();
    for (const { handler } of this.connections) handler.abort();
  }

  private readonly onDropped = (dropped?: { remoteAddress?: string | undefined }): void => {
    this.connectionsTo.onReset(TOO_MANY, peerIp(dropped ?? {}));
  };

  private readonly accept = (socket: Socket): void => {
    this.accepted++;
    const { slots, maxConnections } = this.options;
    const hasSlot = slots.take(maxConnections);
    const client = new ClientSocket(socket, (closed) => this.onClosed(closed));
    this.connections.add(client);
    if (!hasSlot) this.tooMany.add(client);
    client.handler = hasSlot
      ? this.connectionsTo.serve(client)
      : this.connectionsTo.turnAway(client, TOO_MANY);
  };

  private onClosed(client: ClientSocket): void {
    this.connections.delete(client);
    if (!this.tooMany.delete(client)) this.options.slots.giveBack();
  }
}
