import type { Socket } from 'node:net';
import { READ_BUFFER_BYTES } from './read-buffer.js';
import { deliverJoined, joinRecords } from './record-joiner.js';
import { isEncrypted } from './socket-endings.js';
import { handleOf, lastReadLength, type StreamHandle } from './stream-handle.js';

/** Where every piece is read to: to allocate one for each, and to collect it, costs more than all of its parsing. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/**
 * Reads a socket: into one buffer that all sockets share where the handle allows that, else by 'data' events.
 * The end, errors and the close are told by the socket's own events.
 */
export class SocketReader {
  private handle: StreamHandle | undefined;
  private paused = false;

  /**
   * @param onPiece is given memory that is used again once it returns. With TLS, what was decrypted in one go
   *   still comes after a pause: 64 KiB at most
   */
  constructor(
    private readonly socket: Socket,
    private readonly onPiece: (piece: Buffer) => void,
  ) {
    if (socket.connecting) socket.once('connect', () => this.start());
    else this.start();
  }

  get isPaused(): boolean {
    return this.paused;
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    if (this.handle === undefined) this.socket.pause();
    else if (!this.socket.destroyed) this.handle.readStop();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.handle === undefined) this.socket.resume();
    else if (!this.socket.destroyed) this.handle.readStart();
  }

  private start(): void {
    const { socket } = this;
    const handle = handleOf(socket);
    if (handle === undefined) {
      socket.on('data', this.onPiece);
      if (this.paused) socket.pause();
      return;
    }
    this.handle = handle;
    handle.useUserBuffer(READ_BUFFER);
    const others = handle.onread;
    const take = isEncrypted(socket) ? (piece: Buffer) => joinRecords(piece, this.onPiece) : this.onPiece;
    handle.onread = function onread(this: StreamHandle, bytes: ArrayBuffer | undefined) {
      const length = lastReadLength();
      if (length > 0) {
        take(READ_BUFFER.subarray(0, length));
        return;
      }
      // The end comes behind everything else.
      deliverJoined();
      others.call(this, bytes);
    };
    // Has the stream believe that it reads already, and tell of the end when that comes.
    handle.reading = true;
    if (this.paused) handle.readStop();
    else handle.readStart();
    socket.resume();
  }
}
