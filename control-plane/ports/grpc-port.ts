import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { listen } from '../../src/lifecycle/listen.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { closeUngreeted, GREETING_TIMEOUT_MS } from '../../src/net/http2-greeting.js';
import type { ConnectionInfo } from '../access/call-guard.js';
import { type ClientCertificate, clientCertificateOf } from '../access/client-certificate.js';
import type { TlsMaterial } from '../access/tls-files.js';
import type { ConnectionLimit } from './connection-limit.js';

interface Connection {
  readonly socket: Socket;
  /** The TCP connection that carries it; the same one in plain text. */
  readonly transport: Socket;
  readonly peer: string;
  readonly certificate: ClientCertificate | undefined;
}

/**
 * The ports of a gRPC server, in plain text and with TLS. The connections are accepted here and handed on, because
 * gRPC ends a call only in good order, after everything written on it has been read: a client that reads nothing
 * can be got rid of only by its connection. And certificates can be replaced here without a connection noticing.
 */
export class GrpcPort {
  private readonly listeners: NetServer[] = [];
  private tlsListener: TlsServer | undefined;
  /** By both ends' addresses. */
  private readonly connections = new Map<string, Connection>();
  /** Connections whose TLS handshake is under way, likewise. */
  private readonly shakingHands = new Map<string, Socket>();
  private readonly inject: (socket: Socket) => void;

  constructor(
    private readonly server: Server,
    private readonly limit: ConnectionLimit,
    /** For TLS's handshake, and then for HTTP/2's. */
    private readonly handshakeTimeoutMs = GREETING_TIMEOUT_MS,
  ) {
    // TLS ends here, too: for gRPC, every connection is a plain one.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    this.inject = (socket) => injector.injectConnection(socket);
  }

  /** @returns the address it listens on. @throws ListenError */
  listen({ host, port }: SocketAddress): Promise<string> {
    const listener = createServer({ noDelay: true }, (socket) => {
      if (this.limit.admit(socket)) this.accept(socket, socket, undefined);
    });
    this.listeners.push(listener);
    return listen(listener, 'gRPC (--grpc)', host, port);
  }

  /** @returns the address it listens on. @throws ListenError */
  listenTls({ host, port }: SocketAddress, { context }: TlsMaterial): Promise<string> {
    const listener = createTlsServer({
      ...context,
      ALPNProtocols: ['h2'],
      noDelay: true,
      handshakeTimeout: this.handshakeTimeoutMs,
      // Whether a certificate is needed, and is good, is for each call to say, in words.
      requestCert: context.ca !== undefined,
      rejectUnauthorized: false,
    });
    listener.on('connection', (socket) => {
      if (!this.limit.admit(socket)) return;
      const key = keyOf(socket);
      this.shakingHands.set(key, socket);
      socket.on('close', () => this.shakingHands.delete(key));
    });
    // A handshake that fails is the client's matter: it is told by TLS what was wrong.
    listener.on('tlsClientError', (_error, socket) => socket.destroy());
    listener.on('secureConnection', (socket) => {
      const key = keyOf(socket);
      const transport = this.shakingHands.get(key) ?? socket;
      this.shakingHands.delete(key);
      this.accept(socket, transport, clientCertificateOf(socket));
    });
    this.listeners.push(listener);
    this.tlsListener = listener;
    return listen(listener, 'gRPC over TLS (--grpc-tls)', host, port);
  }

  /** Shows another certificate to the connections that come from now on; those that are there stay. */
  replaceTls({ context }: TlsMaterial): void {
    this.tlsListener?.setSecureContext(context);
  }

  /** The certificate that the client of a call's connection has shown. */
  certificateOf(connection: ConnectionInfo): ClientCertificate | undefined {
    return this.connections.get(keyOf(connection))?.certificate;
  }

  /** A call has been let in on a connection. */
  noteAdmitted(connection: ConnectionInfo): void {
    const found = this.connections.get(keyOf(connection));
    if (found !== undefined) this.limit.prove(found.transport);
  }

  /** Closes a client's connection at once. @param peer as `getPeer` of a call has it */
  disconnect(peer: string): void {
    for (const connection of this.connections.values())
      if (connection.peer === peer) connection.socket.destroy();
  }

  /** Takes no new calls and lets those under way end; what is left after the time given is cut off. */
  async close(graceMs: number): Promise<void> {
    for (const listener of this.listeners) listener.close();
    for (const socket of this.shakingHands.values()) socket.destroy();
    await new Promise<void>((done) => {
      const force = setTimeout(() => {
        this.server.forceShutdown();
        for (const { socket } of this.connections.values()) socket.destroy();
        done();
      }, graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(force);
        done();
      });
    });
  }

  private accept(socket: Socket, transport: Socket, certificate: ClientCertificate | undefined): void {
    const key = keyOf(socket);
    this.connections.set(key, {
      socket,
      transport,
      peer: `${socket.remoteAddress}:${socket.remotePort}`,
      certificate,
    });
    closeUngreeted(socket, this.handshakeTimeoutMs);
    socket.on('close', () => this.connections.delete(key));
    // The user of the connection learns of its end by other events.
    socket.on('error', () => {});
    this.inject(socket);
  }
}

function keyOf({ localAddress, localPort, remoteAddress, remotePort }: ConnectionInfo): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
