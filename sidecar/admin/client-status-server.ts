import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { listen } from '../../src/lifecycle/listen.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { closeUngreeted } from '../../src/net/http2-greeting.js';
import { CSDS_SERVICE, clientStatusMethods } from '../../src/xds/client-status-service.js';
import { serviceDefinition } from '../../src/xds/descriptors.js';

/** What a sidecar tells of itself. */
export interface ClientStatusSource {
  readonly id: string;
  /** An `envoy.service.status.v3.ClientConfig`. */
  config(): object;
}

/** Largest request taken: matchers of ids. */
const MAX_REQUEST_BYTES = 65_536;
/** Tools at once; more are refused. */
const MAX_CONNECTIONS = 100;

/**
 * The client status discovery service (CSDS) of one sidecar, for the tools that look at xDS clients (grpcdebug). In
 * plain text, and callers need no credentials: as the administration, it belongs on loopback.
 */
export class ClientStatusServer {
  private readonly server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.enable_channelz': 0,
  });
  private readonly sockets = new Set<Socket>();
  private readonly listener: NetServer;

  /** @param greetingMs how long a client may take to say that it speaks HTTP/2 */
  constructor(source: ClientStatusSource, greetingMs?: number) {
    const methods = clientStatusMethods(
      ({ isWanted }) => (isWanted(source.id) ? [source.config()] : []),
      (call) => {
        call.on('error', () => {});
        call.on('end', () => call.end());
      },
    );
    this.server.addService(serviceDefinition(CSDS_SERVICE), methods);
    const injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.listener = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket);
      closeUngreeted(socket, greetingMs);
      socket.on('close', () => this.sockets.delete(socket));
      // The user of the connection learns of its end by other events.
      socket.on('error', () => {});
      injector.injectConnection(socket);
    });
    this.listener.maxConnections = MAX_CONNECTIONS;
  }

  /** @returns the address it listens on. @throws ListenError */
  start({ host, port }: SocketAddress): Promise<string> {
    return listen(this.listener, 'client status (--csds)', host, port);
  }

  /** Lets go of every connection, started or not. */
  close(): void {
    this.listener.close();
    this.server.forceShutdown();
    for (const socket of this.sockets) socket.destroy();
  }
}
