import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { DownstreamStream, DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import { DownstreamConnection, type DownstreamOwner } from '../http1/downstream-connection.js';
import { Http2ClientConnection, type Http2ClientOwner } from '../http2/client-connection.js';
import type { ClientHandler, ClientSocket } from '../net/client-socket.js';
import type { ConnectionServer } from '../net/listener.js';
import { FirstBytes } from './first-bytes.js';
import type { Protocol } from './sniff.js';

export interface DispatchSettings {
  readonly limits: HttpLimits;
  /** How long a client may be silent that may wait for the server to begin. */
  readonly sniffTimeoutMs: number;
  /** Ports whose connections are carried as they are: in these protocols the server speaks first. */
  readonly opaquePorts: ReadonlySet<number>;
  /** What the service that has this address is declared to speak; undefined: no service has it. */
  protocolAt(destination: SocketAddress): 'http' | 'tcp' | undefined;
  /** Whether a client may connect here at all. */
  admits(client: ClientSocket): boolean;
  /** Where a redirected connection was going; undefined: it came to the sidecar itself. */
  originalDestination(client: ClientSocket): SocketAddress | undefined;
  nowMs(): number;
}

/** What becomes of connections and requests. */
export interface Destinations {
  /** Who answers a request. */
  onRequest(connection: DownstreamConnection): DownstreamUser;
  /** Who answers a request that has a stream of its own. */
  onStream(stream: DownstreamStream): DownstreamUser;
  /** Who carries a connection to {@link ClientSocket.destination} whose bytes are not HTTP. */
  onOpaque(client: ClientSocket): ClientHandler;
  /** A request was refused before it was one. @param caller its address, without the port */
  onRefused(reply: LocalReply, caller: string): void;
}

/**
 * So many times longer a client of an HTTP service may be silent: it is a client that is held up, and its session
 * must not go past the routes. A server that speaks first all the same is heard in the end.
 */
const HTTP_PATIENCE = 10;

const NOT_ADMITTED: LocalReply = {
  code: 'forbidden-destination',
  detail: 'the outbound port is for callers on this machine',
};

/** Gives each connection of a listener to the codec of its protocol, or has it carried as it is. */
export class Dispatcher implements ConnectionServer, DownstreamOwner {
  isEnding = false;
  requests = 0;
  readonly limits: HttpLimits;
  private readonly http2: Http2ClientOwner;

  constructor(
    private readonly settings: DispatchSettings,
    private readonly to: Destinations,
  ) {
    this.limits = settings.limits;
    this.http2 = {
      limits: settings.limits,
      nowMs: settings.nowMs,
      onRequest: (stream) => {
        this.requests++;
        return to.onStream(stream);
      },
      onRefused: (reply, caller) => to.onRefused(reply, caller),
    };
  }

  nowMs(): number {
    return this.settings.nowMs();
  }

  serve(client: ClientSocket): ClientHandler {
    if (!this.settings.admits(client)) return this.turnAway(client, NOT_ADMITTED);
    return this.serveToward(client, this.settings.originalDestination(client));
  }

  /** @param destination where the client meant to connect, where that is known */
  serveToward(client: ClientSocket, destination: SocketAddress | undefined): ClientHandler {
    const { settings } = this;
    const { sniffTimeoutMs, limits } = settings;
    client.destination = destination;
    const protocol = destination && settings.protocolAt(destination);
    if (destination !== undefined && (protocol === 'tcp' || settings.opaquePorts.has(destination.port)))
      return this.to.onOpaque(client);
    const waitMs = protocol === 'http' ? HTTP_PATIENCE * sniffTimeoutMs : sniffTimeoutMs;
    return new FirstBytes(client, {
      waitMs: destination === undefined ? 0 : waitMs,
      idleTimeoutMs: limits.clientIdleTimeoutMs,
      choose: (protocol) => this.choose(protocol, client),
    });
  }

  turnAway(client: ClientSocket, { code, detail }: LocalReply): ClientHandler {
    const connection = new DownstreamConnection(client, this);
    connection.refuse(code, detail);
    return connection;
  }

  onRequest(connection: DownstreamConnection): DownstreamUser {
    this.requests++;
    return this.to.onRequest(connection);
  }

  onRefused({ request }: DownstreamConnection, reply: LocalReply): void {
    this.to.onRefused(reply, request.sourceIp);
  }

  onReset(reply: LocalReply, caller: string): void {
    this.to.onRefused(reply, caller);
  }

  private serveHttp2(client: ClientSocket): ClientHandler {
    const connection = new Http2ClientConnection(client, this.http2);
    if (this.isEnding) connection.announceEnd();
    return connection;
  }

  /** What is not HTTP, and goes nowhere in particular, is refused by the parser. */
  private choose(protocol: Protocol, client: ClientSocket): ClientHandler {
    if (protocol === 'http2') return this.serveHttp2(client);
    if (protocol !== 'http1' && client.destination !== undefined) return this.to.onOpaque(client);
    return new DownstreamConnection(client, this);
  }
}
