import type { Socket } from 'node:net';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress, isFromThisMachine, peerIp } from '../../src/net/ip-address.js';
import { SocketReader } from './socket-reader.js';
import type { SocketPair } from './socket-table.js';
import { SocketWriter } from './socket-writer.js';

/**
 * Serves a client's connection: first what looks at its protocol, then a codec, or a tunnel. The listener keeps the
 * connection and asks for these; nothing here knows a protocol.
 */
export interface ClientHandler {
  /** Nothing is under way. */
  readonly isIdle: boolean;
  /** Something is under way, and the client may be gone without that having been seen. */
  readonly mayHaveLostClient: boolean;
  /** @param piece memory that is used again once this returns */
  onData(piece: Buffer): void;
  /** The client has sent its last byte. */
  onEnd(): void;
  /** The client takes more again. */
  onDrain(): void;
  /** The connection is over. */
  onClose(): void;
  /** A client that {@link mayHaveLostClient} is gone: no answer will be read. */
  onClientLeft(): void;
  /** The client has sent its end, whether that has been read or not. @param isThere it still has the connection open */
  onClientEndFound(isThere: boolean): void;
  /** Called on the coarse clock's tick. */
  checkDeadlines(nowMs: number): void;
  /** The listener drains: what comes next is the connection's last. */
  announceEnd(): void;
  /** It does not drain any more. */
  continue(): void;
  /** Sends what is written and ends our side. */
  endGently(): void;
  /** Ends the connection at once, so that the client sees that something is missing. */
  abort(): void;
}

/** A connection that a client has made, and whatever serves it at present. */
export class ClientSocket {
  readonly reader: SocketReader;
  readonly writer: SocketWriter;
  /** Of the client, without the port. */
  readonly sourceIp: string;
  /** Where the client meant to connect, where that is known: a CONNECT, a redirected connection. */
  destination: SocketAddress | undefined;
  /** The client has sent its last byte. */
  ended = false;
  /** Set before anything can arrive. */
  handler!: ClientHandler;

  constructor(
    readonly socket: Socket,
    onClosed: (client: ClientSocket) => void,
  ) {
    this.sourceIp = peerIp(socket);
    this.writer = new SocketWriter(socket, () => this.handler.onDrain());
    socket.on('end', () => {
      this.ended = true;
      this.handler.onEnd();
    });
    // 'close' follows every error and does what there is to do.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.handler.onClose();
      onClosed(this);
    });
    this.reader = new SocketReader(socket, (piece) => this.handler.onData(piece));
  }

  /** Both sides have sent all they had, and its end. */
  get endedOrderly(): boolean {
    return this.ended && this.socket.writableFinished;
  }

  /** The client connects from this machine. */
  get isFromMachine(): boolean {
    return isFromThisMachine(this.socket);
  }

  /** `IP:PORT` that the client connected to. */
  get localAddress(): string {
    const { localAddress, localPort = 0 } = this.socket;
    return formatAddress(peerIp({ remoteAddress: localAddress }), localPort);
  }

  /** Undefined: it is not connected any more. */
  get socketPair(): SocketPair | undefined {
    const { localAddress, localPort, remoteAddress, remotePort } = this.socket;
    if (localPort === undefined || remotePort === undefined) return undefined;
    const [localIp, remoteIp] = [peerIp({ remoteAddress: localAddress }), peerIp({ remoteAddress })];
    return { localIp, localPort, remoteIp, remotePort };
  }
}
