import type { ClientHandler, ClientSocket } from '../net/client-socket.js';
import { type Protocol, sniff } from './sniff.js';

export interface FirstBytesOptions {
  /** How long a client may say nothing before it is taken for one that waits for the server to begin; 0: for ever. */
  readonly waitMs: number;
  /** How long a connection without a byte is kept. */
  readonly idleTimeoutMs: number;
  nowMs(): number;
  /** Who serves the connection from now on. */
  choose(protocol: Protocol, client: ClientSocket): ClientHandler;
}

/** Waits for the first bytes of a connection, which tell its protocol, and hands it on with them. */
export class FirstBytes implements ClientHandler {
  readonly mayHaveLostClient = false;
  private readonly sinceMs: number;
  /** What may be the beginning of HTTP/2's preface. */
  private begun: Buffer | undefined;

  constructor(
    private readonly client: ClientSocket,
    private readonly options: FirstBytesOptions,
  ) {
    this.sinceMs = options.nowMs();
  }

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
    const silentMs = nowMs - this.sinceMs;
    if (waitMs !== 0 && silentMs >= waitMs) this.handOn(this.begun ? 'http1' : 'opaque', this.begun);
    else if (silentMs >= idleTimeoutMs) this.endGently();
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
  onClose(): void {}
  onClientLeft(): void {}
  onClientEndFound(): void {}
  announceEnd(): void {}
  continue(): void {}
}
