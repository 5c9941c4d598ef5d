import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AUTHORITY } from '../workloads.js';
import { ResponseReader } from './response-reader.js';

export interface ConnectionOptions {
  readonly port: number;
  readonly tls: boolean;
  readonly answerBytes: number;
  /** Every request comes on a connection of its own. */
  readonly newConnections: boolean;
}

export interface ConnectionOwner {
  /** The answer is complete, or did not come as it should have. The connection takes the next request. */
  onAnswer(connection: LoadConnection, right: boolean, bytes: number): void;
}

/** One connection of the load generator: a request, its answer, the next request. */
export class LoadConnection {
  /** When the request under way was meant to be sent; the owner's to use. */
  intendedMs = 0;
  private socket: Socket | undefined;
  private readonly reader = new ResponseReader();
  private waiting = false;
  private bytes = 0;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly owner: ConnectionOwner,
  ) {}

  /** Connects ahead of the first request. */
  open(): void {
    if (!this.options.newConnections) this.connected();
  }

  send(request: Buffer): void {
    this.waiting = true;
    this.bytes = 0;
    this.connected().write(request);
  }

  close(): void {
    this.waiting = false;
    this.socket?.destroy();
    this.socket = undefined;
  }

  private connected(): Socket {
    if (this.socket) return this.socket;
    const { port, tls } = this.options;
    const where = { host: '127.0.0.1', port };
    const socket = tls
      ? connectTls({ ...where, servername: AUTHORITY, rejectUnauthorized: false })
      : connect({ ...where, noDelay: true });
    this.socket = socket;
    this.reader.reset();
    socket.on('data', (piece: Buffer) => this.onData(socket, piece));
    socket.on('error', () => {});
    socket.on('close', () => this.onClose(socket));
    return socket;
  }

  private onData(socket: Socket, piece: Buffer): void {
    if (socket !== this.socket) return;
    this.bytes += piece.length;
    try {
      if (!this.waiting) throw new Error('an answer that nobody asked for');
      if (!this.reader.read(piece)) return;
    } catch {
      this.close();
      this.owner.onAnswer(this, false, this.bytes);
      return;
    }
    const right = this.reader.status === 200 && this.reader.bodyBytes === this.options.answerBytes;
    if (this.options.newConnections || this.reader.closes) this.endSocket(socket);
    this.waiting = false;
    this.owner.onAnswer(this, right, this.bytes);
  }

  private endSocket(socket: Socket): void {
    this.socket = undefined;
    socket.end();
  }

  private onClose(socket: Socket): void {
    if (socket !== this.socket) return;
    this.socket = undefined;
    if (!this.waiting) return;
    this.waiting = false;
    this.owner.onAnswer(this, false, this.bytes);
  }
}
