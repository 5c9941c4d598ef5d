import type { Socket } from 'node:net';
import { copyOf, giveBack } from './copy-buffers.js';
import { isEncrypted } from './socket-endings.js';
import {
  handleOf,
  lastWriteIsPending,
  newWriteRequest,
  type StreamHandle,
  type WriteRequest,
  writeError,
} from './stream-handle.js';

/** Pieces up to this size are joined with what goes before them: copying them costs less than another write. */
const JOIN_BYTES = 16_384;
/** More than this that the kernel has not taken, and the producer should pause. */
const CONGESTED_BYTES = 65_536;

/** A request that was not needed, for the next write to any socket: making one costs a new connection half a microsecond. */
let spare: WriteRequest | undefined;

/**
 * Writes to a socket, joining everything small that one event causes into one write. The code that causes an event
 * calls {@link flush} at its end. Writes go to the handle as soon as there is one and the stream has nothing left
 * to write, else to the stream.
 */
export class SocketWriter {
  private text = '';
  /** Bytes that went on to the handle or the stream. */
  private handedOn = 0;
  /** Written to the handle, and not taken by the kernel yet. */
  private pendingBytes = 0;
  private needsDrain = false;
  /** TLS takes one write at a time, and none below its stream before that is done. */
  private readonly encrypted: boolean;

  /** @param onDrain the peer takes more again, after it was {@link congested} */
  constructor(
    private readonly socket: Socket,
    private readonly onDrain: () => void,
  ) {
    this.encrypted = isEncrypted(socket);
    socket.on('drain', onDrain);
  }

  /** The peer takes less than it is given: the producer should pause until it drains. */
  get congested(): boolean {
    return this.needsDrain || this.socket.writableNeedDrain;
  }

  /** Everything that was flushed has been taken by the kernel. */
  get isEmpty(): boolean {
    return this.pendingBytes === 0 && this.socket.writableLength === 0;
  }

  /** Bytes written so far, those that were only collected included. */
  get position(): number {
    return this.handedOn + this.text.length;
  }

  /** Takes back what was written from this {@link position} on. @returns false: some of it has gone on */
  withdraw(position: number): boolean {
    if (position < this.handedOn) return false;
    this.text = this.text.slice(0, position - this.handedOn);
    return true;
  }

  /** @param text latin-1: one character, one byte */
  writeText(text: string): void {
    this.text = this.text === '' ? text : this.text + text;
  }

  /** @param piece memory that may be used again once this returns */
  writeRange(piece: Buffer, start: number, end: number): void {
    if (end - start <= JOIN_BYTES && this.text.length <= JOIN_BYTES) {
      this.writeText(piece.toString('latin1', start, end));
      return;
    }
    const handle = this.freeHandle();
    if (handle === undefined) this.writeToStream(Buffer.from(piece.subarray(start, end)));
    else this.writeBytes(handle, copyOf(piece, start, end));
  }

  flush(): void {
    if (this.text === '') return;
    const { text } = this;
    this.text = '';
    this.handedOn += text.length;
    const handle = this.freeHandle();
    if (handle === undefined) {
      this.socket.write(text, 'latin1');
      return;
    }
    const request = spare ?? newWriteRequest();
    this.settle(request, handle.writeLatin1String(request, text), text.length);
  }

  /** Writes what was collected, and these, in one go. */
  private writeToStream(bytes: Buffer): void {
    const { socket } = this;
    socket.cork();
    this.flush();
    this.handedOn += bytes.length;
    socket.write(bytes);
    socket.uncork();
  }

  /** The same below the stream. */
  private writeBytes(handle: StreamHandle, bytes: Buffer): void {
    const { text } = this;
    this.text = '';
    this.handedOn += text.length + bytes.length;
    const request = spare ?? newWriteRequest();
    const status =
      text === ''
        ? handle.writeBuffer(request, bytes)
        : handle.writev(request, [text, 'latin1', bytes, 'buffer'], false);
    this.settle(request, status, text.length + bytes.length, bytes);
  }

  /** Undefined while something is on its way through the stream, which must not be overtaken. */
  private freeHandle(): StreamHandle | undefined {
    const mayWrite = !this.encrypted && this.socket.writableLength === 0;
    return mayWrite ? handleOf(this.socket) : undefined;
  }

  /** @param copy what of it is a {@link copyOf} something */
  private settle(request: WriteRequest, status: number, bytes: number, copy?: Buffer): void {
    if (status === 0 && lastWriteIsPending()) {
      spare = undefined;
      this.pendingBytes += bytes;
      this.needsDrain ||= this.pendingBytes >= CONGESTED_BYTES;
      request.oncomplete = (result) => {
        if (copy !== undefined) giveBack(copy);
        this.onWritten(result, bytes);
      };
      return;
    }
    if (copy !== undefined) giveBack(copy);
    spare = status === 0 ? request : undefined;
    if (status !== 0) this.socket.destroy(writeError(status));
  }

  private onWritten(status: number, bytes: number): void {
    this.pendingBytes -= bytes;
    if (status < 0) {
      this.socket.destroy(writeError(status));
    } else if (this.pendingBytes === 0 && this.needsDrain) {
      this.needsDrain = false;
      this.onDrain();
    }
  }
}
