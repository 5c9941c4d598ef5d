import { copyOf, giveBack } from './copy-buffers.js';
import { HandleWriter, takeWriteRequest } from './handle-writer.js';
import type { StreamHandle } from './stream-handle.js';

/** Pieces up to this size are joined with what goes before them: copying them costs less than another write. */
const JOIN_BYTES = 16_384;
/**
 * Writes to a socket, joining everything small that one event causes into one write. The code that causes an event
 * calls {@link flush} at its end. Writes go to the handle as soon as there is one and the stream has nothing left
 * to write, else to the stream.
 */
export class SocketWriter extends HandleWriter {
  private text = '';
  /** Bytes that went on to the handle or the stream. */
  private handedOn = 0;

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
    const request = takeWriteRequest();
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
    const request = takeWriteRequest();
    const status =
      text === ''
        ? handle.writeBuffer(request, bytes)
        : handle.writev(request, [text, 'latin1', bytes, 'buffer'], false);
    this.settle(request, status, text.length + bytes.length, bytes);
  }

  protected giveBack(copy: Buffer): void {
    giveBack(copy);
  }
}
