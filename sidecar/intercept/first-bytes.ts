import type { ClientHandler, ClientSocket } from '../net/client-socket.js';
import { type Protocol, sniff } from './sniff.js';

export interface FirstBytesOptions {
  /** How long a client may say nothing before it is taken for one that waits for the server to begin; 0: for ever. */
  readonly waitMs: number;
  /** How long a connection without a byte is kept. */
  readonly idleTimeoutMs: number;
  /** Who serves the connection from now on. */
  choose(protocol: Protocol, client: ClientSocket): ClientHandler;
}

/** Waits for the first bytes of a connection, which tell its protocol, and hands it on with them. */
export class FirstBytes implements ClientHandler {
  readonly mayHaveLostClient = false;
  /** The first tick that it has seen: where the event loop was busy, the coarse clock says less when it is made. */
  private sinceMs: number | undefined;
  /** What may be the beginning of HTTP/2's preface. */
  private begun: Buffer | undefined;
  private isOver = false;

  constructor(
    private readonly client: ClientSocket,
    private readonly options: FirstBytesOptions,
  ) {}

  get isIdle(): boolean {
    return this.begun === undefined;
  }

  onData(piece: Buffer): void {
    const { begun } = this;
    const bytes = begun === undefined ? piece : Buffer.concat([begun, piece]);
    const protocol = sniff(bytes);
    if (protocol === 'more') this.begun = Buffer.from(bytes);
    else this.handOn(protocol, bytes);
  }

  onEnd(): void {
    this.handOn('http1', this.begun);
  }

  checkDeadlines(nowMs: number): void {
    const { waitMs, idleTimeoutMs } = this.options;
    this.sinceMs ??= nowMs;
    const silentMs = nowMs - this.sinceMs;
    // Where the event loop was busy, the first bytes may wait in the kernel: it is read before this is called.
    if (waitMs !== 0 && silentMs >= waitMs) setImmediate(() => this.takeForSilent());
    else if (silentMs >= idleTimeoutMs) this.endGently();
  }

  private takeForSilent(): void {
    const isServed = this.client.handler !== this;
    if (!isServed && !this.isOver) this.handOn(this.begun ? 'http1' : 'opaque', this.begun);
  }

  private handOn(protocol: Protocol, bytes: Buffer | undefined): void {
    const { client } = this;
    client.handler = this.options.choose(protocol, client);
    if (bytes !== undefined) client.handler.onData(bytes);
    if (client.ended) client.handler.onEnd();
  }

  /** The codec tells a client that is just sending something so that no byte of it is lost to a reset. */
  endGently(): void {
    this.handOn('http1', this.begun);
    this.client.handler.endGently();
  }

  abort(): void {
    this.client.socket.destroy();
  }

  onDrain(): void {}
  onClose(): void {
    this.isOver = true;
  }

  onClientLeft(): void {}
  onClientEndFound(): void {}
  announceEnd(): void {}
  continue(): void {}
}
