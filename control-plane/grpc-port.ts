import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { listen } from '../src/lifecycle/listen.js';
import type { SocketAddress } from '../src/model/formats.js';

/**
 * The port of a gRPC server. The connections are accepted here and handed on, because gRPC ends a call only in
 * good order, after everything written on it has been read: a client that reads nothing can be got rid of only
 * by its connection.
 */
export class GrpcPort {
  private readonly listener: NetServer;
  private readonly sockets = new Map<string, Socket>();

  constructor(private readonly server: Server) {
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    this.listener = createServer({ noDelay: true }, (socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      this.sockets.set(peer, socket);
      socket.on('close', () => this.sockets.delete(peer));
      // Whoever uses the connection learns of its end by other events.
      socket.on('error', () => {});
      injector.injectConnection(socket);
    });
  }

  /** @returns the address it listens on. @throws ListenError */
  listen({ host, port }: SocketAddress): Promise<string> {
    return listen(this.listener, 'gRPC (--grpc)', host, port);
  }

  /** Closes one connection at once. @param peer as `getPeer` of a call has it */
  disconnect(peer: string): void {
    this.sockets.get(peer)?.destroy();
  }

  /** Takes no new calls and lets those under way end; what is left after the time given is cut off. */
  async close(graceMs: number): Promise<void> {
    this.listener.close();
    await new Promise<void>((done) => {
      const force = setTimeout(() => {
        this.server.forceShutdown();
        for (const socket of this.sockets.values()) socket.destroy();
        done();
      }, graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(force);
        done();
      });
    });
  }
}
