import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { SocketAddress } from '../../src/model/formats.js';
import { toAddress } from './mesh.js';
import type { Owner } from './owner.js';

/** How bytes pass at present. */
type Mode =
  | { readonly kind: 'open' }
  /** New connections are refused, those that were there are broken. */
  | { readonly kind: 'cut' }
  /** Connections stay and say nothing, in both directions: a network that has gone away. */
  | { readonly kind: 'half-open' }
  /** Bytes take this long. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** What is asked passes, what is answered is thrown away. */
  | { readonly kind: 'mute' };

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** A network between two programs of a test, which can be cut, slowed and made deaf. */
export class TcpProxy {
  private mode: Mode = { kind: 'open' };
  private readonly pairs = new Set<Pair>();
  private lastRequest: { readonly bytes: string; readonly onAsked: () => void } | undefined;

  private constructor(
    private readonly server: Server,
    private target: SocketAddress,
  ) {}

  static async start(t: Owner, target: string): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, toAddress(target));
    server.on('connection', (client) => proxy.accept(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(async () => {
      proxy.breakAll();
      server.close();
    });
    return proxy;
  }

  get address(): SocketAddress {
    return toAddress(this.text);
  }

  /** `127.0.0.1:40001` */
  get text(): string {
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  cut(): void {
    this.mode = { kind: 'cut' };
    this.breakAll();
  }

  halfOpen(): void {
    this.mode = { kind: 'half-open' };
  }

  slow(delayMs: number): void {
    this.mode = { kind: 'slow', delayMs };
  }

  /** Leads to another program from now on, as a load balancer does once the first is gone. */
  turnTo(target: string): void {
    this.target = toAddress(target);
    this.breakAll();
  }

  /** Works again. Connections that missed something are broken. */
  restore(): void {
    const wasSlow = this.mode.kind === 'slow' || this.mode.kind === 'open';
    this.mode = { kind: 'open' };
    this.lastRequest = undefined;
    if (!wasSlow) this.breakAll();
  }

  /** What is asked passes; what is answered is thrown away. */
  swallowAnswers(): void {
    this.mode = { kind: 'mute' };
  }

  /** Nothing is answered any more once these bytes have been asked. @param onAsked told at that moment */
  swallowAnswersAfter(bytes: string, onAsked: () => void = () => {}): void {
    this.lastRequest = { bytes, onAsked };
  }

  private breakAll(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
    this.pairs.clear();
  }

  private accept(client: Socket): void {
    if (this.mode.kind === 'cut') {
      client.destroy();
      return;
    }
    const server = connect({ ...this.target, noDelay: true });
    const pair = { client, server };
    this.pairs.add(pair);
    client.setNoDelay(true);
    client.on('data', (bytes) => this.pass(bytes, server, 'request'));
    server.on('data', (bytes) => this.pass(bytes, client, 'answer'));
    for (const socket of [client, server]) {
      // Its end is what counts.
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
  }

  private pass(bytes: Buffer, to: Socket, direction: 'request' | 'answer'): void {
    if (direction === 'request') this.noteRequest(bytes);
    const { mode } = this;
    if (mode.kind === 'half-open' || mode.kind === 'cut') return;
    if (direction === 'answer' && mode.kind === 'mute') return;
    if (mode.kind === 'slow') setTimeout(() => to.write(bytes), mode.delayMs);
    else to.write(bytes);
  }

  private noteRequest(bytes: Buffer): void {
    const { lastRequest } = this;
    if (lastRequest === undefined || !bytes.includes(lastRequest.bytes)) return;
    this.lastRequest = undefined;
    this.mode = { kind: 'mute' };
    lastRequest.onAsked();
  }
}
