import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Dialling } from '../../../sidecar/tls/dial.js';

/**
 * A socket without a network: a test says what arrives and when the peer takes what is written. It has what our
 * connections use of `net.Socket`, and keeps its promises: nothing is delivered while it is paused or from within
 * a call to it, `close` comes last and once.
 */
export class MemorySocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.7';
  readonly connecting = false;
  /** The peer takes nothing: writes stay pending. */
  stuck = false;
  destroyed = false;
  /** The kernel is to find out whether the peer is there. */
  keepsAlive = false;
  wasReset = false;
  writableEnded = false;
  writableFinished = false;
  writableLength = 0;
  paused = false;
  private readonly incoming: Buffer[] = [];
  private peerEnded = false;
  private endSeen = false;
  private closeSeen = false;
  private readonly onFinished: (() => void)[] = [];
  private readonly outgoing: Buffer[] = [];

  /** As the type that connections want. */
  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** A connection to an upstream in plain text, as it is dialled. */
  get asDialling(): Dialling {
    return { socket: this.asSocket, transport: this.asSocket, ready: 'connect' };
  }

  get writableNeedDrain(): boolean {
    return this.stuck && this.writableLength > 0;
  }

  /** Everything written so far, in latin-1. */
  get written(): string {
    return Buffer.concat(this.outgoing).toString('latin1');
  }

  /** Bytes that arrived and that nobody has read. */
  get unread(): number {
    return this.incoming.reduce((sum, { length }) => sum + length, 0);
  }

  setKeepAlive(enabled: boolean): void {
    this.keepsAlive = enabled;
  }

  // ---- the test's side ----

  /** Lets a piece arrive. */
  feed(piece: Buffer | string): void {
    this.incoming.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    this.deliver();
  }

  /** Has something told that was on its way when reading was paused, as a socket with TLS does. */
  feedLate(piece: string): void {
    this.emit('data', Buffer.from(piece, 'latin1'));
  }

  /** The peer sends no more. */
  feedEnd(): void {
    this.peerEnded = true;
    this.deliver();
  }

  /** The peer takes what is written. */
  take(): void {
    const pending = this.writableLength > 0;
    this.writableLength = 0;
    this.stuck = false;
    if (pending) this.emit('drain');
    this.deliver();
  }

  /** Delivers what can be delivered. */
  deliver(): void {
    for (;;) {
      if (this.destroyed) break;
      const piece = this.paused ? undefined : this.incoming.shift();
      if (piece !== undefined) this.emit('data', piece);
      else if (!this.settle()) break;
    }
    if (this.destroyed && !this.closeSeen) {
      this.closeSeen = true;
      this.emit('close');
    }
  }

  /** @returns whether something happened */
  private settle(): boolean {
    // As with a real socket, the end is told even while it is paused, once everything before it has been read.
    if (this.peerEnded && !this.endSeen && this.incoming.length === 0) {
      this.endSeen = true;
      this.emit('end');
      return true;
    }
    if (this.writableEnded && !this.writableFinished && this.writableLength === 0) {
      this.writableFinished = true;
      for (const told of this.onFinished.splice(0)) told();
      return true;
    }
    if (this.writableFinished && this.endSeen) this.destroyed = true;
    return false;
  }

  // ---- what connections use ----

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  isPaused(): boolean {
    return this.paused;
  }

  write(data: Buffer | string, encoding: BufferEncoding = 'latin1'): void {
    if (this.writableEnded) throw new Error('written after the end');
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data;
    this.outgoing.push(bytes);
    if (this.stuck) this.writableLength += bytes.length;
  }

  end(told?: () => void): void {
    this.writableEnded = true;
    if (told) this.onFinished.push(told);
  }

  destroy(): void {
    this.destroyed = true;
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.destroyed = true;
  }

  destroySoon(): void {
    this.destroyed = true;
  }

  setTimeout(): void {}
  cork(): void {}
  uncork(): void {}
}
