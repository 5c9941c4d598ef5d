import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';
import { toAddress } from '../mesh.js';
import { accepted, type Encryption } from './encryption.js';
import { type Expecting, type PlainMessage, readMessage } from './plain-message.js';

const PATIENCE_MS = 10_000;

/** Sockets that a test has opened and that are still there: it closes them with one teardown, not with thousands. */
const opened = new WeakMap<Test, Set<Socket>>();

function openedBy(t: Test): Set<Socket> {
  const known = opened.get(t);
  if (known) return known;
  const sockets = new Set<Socket>();
  opened.set(t, sockets);
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

/** One end of a real connection, byte by byte: what a test sends is what goes out. */
export class RawPeer {
  /** In latin-1; what {@link message} and {@link receive} have returned is taken out. */
  received = '';
  /** Everything ever received. */
  bytesReceived = 0;
  /** Whole requests taken from it. */
  requests = 0;
  ended = false;
  /** Set when the connection broke. */
  error = '';
  closed = false;
  private readonly watchers = new Set<() => void>();

  constructor(readonly socket: Socket) {
    socket.on('data', (piece: Buffer) => {
      this.received += piece.toString('latin1');
      this.bytesReceived += piece.length;
      this.notify();
    });
    socket.on('end', () => {
      this.ended = true;
      this.notify();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => {
      this.closed = true;
      this.notify();
    });
    socket.on('drain', () => this.notify());
  }

  static async connect(t: Test, address: string): Promise<RawPeer> {
    const { host, port } = toAddress(address);
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const peer = new RawPeer(socket);
    openedBy(t).add(socket);
    socket.on('close', () => openedBy(t).delete(socket));
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return peer;
  }

  send(...texts: readonly string[]): void {
    for (const text of texts) this.socket.write(text, 'latin1');
  }

  /** Sends lines as a head, and a body behind it. */
  sendMessage(lines: readonly string[], body = ''): void {
    this.send(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The next whole message. */
  async message(expecting: Expecting = 'response'): Promise<PlainMessage> {
    let found: PlainMessage | undefined;
    await this.until(`a whole ${expecting}`, () => {
      found = readMessage(this.received, expecting, this.ended);
      return found !== undefined;
    });
    this.received = this.received.slice(found?.length);
    return found as PlainMessage;
  }

  async request(): Promise<PlainMessage> {
    const request = await this.message('request');
    this.requests++;
    return request;
  }

  /** Waits for this text, and takes it and what comes before it. */
  async receive(text: string): Promise<void> {
    await this.until(JSON.stringify(text), () => this.received.includes(text));
    this.received = this.received.slice(this.received.indexOf(text) + text.length);
  }

  /** Waits for the connection to be over, however it ends. */
  async gone(): Promise<'ended' | 'broken'> {
    await this.until('the end of the connection', () => this.ended || this.closed);
    return this.error === '' && this.ended ? 'ended' : 'broken';
  }

  /** Waits for something that follows from an event of this connection. */
  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer);
        this.watchers.delete(watcher);
        if (error) reject(error);
        else resolve();
      };
      const watcher = () => {
        try {
          if (condition()) finish();
          else if (this.closed)
            finish(new Error(`closed (${this.error}) before ${what}: ${this.describe()}`));
        } catch (error) {
          finish(error as Error);
        }
      };
      const timer = setTimeout(
        () => finish(new Error(`not in time: ${what}: ${this.describe()}`)),
        PATIENCE_MS,
      );
      this.watchers.add(watcher);
      watcher();
    });
  }

  private describe(): string {
    return JSON.stringify(this.received.slice(0, 500));
  }

  private notify(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}

/** A server whose connections a test plays by hand. */
export class RawBackend {
  /** Connections accepted so far. */
  accepted = 0;
  readonly peers: RawPeer[] = [];
  private readonly waiting: ((peer: RawPeer) => void)[] = [];
  private readonly fresh: RawPeer[] = [];
  private answering: ((peer: RawPeer) => void) | undefined;

  private constructor(
    private readonly server: Server,
    readonly address: string,
    encryption: Encryption | undefined,
  ) {
    server.on('connection', (socket) => this.accept(accepted(socket, encryption)));
  }

  /** @param encryption undefined: it speaks plain text */
  static async start(t: Test, encryption?: Encryption): Promise<RawBackend> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const backend = new RawBackend(server, address, encryption);
    t.teardown(() => backend.stop());
    return backend;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.peers.filter(({ closed }) => !closed).length;
  }

  /** The next connection that nobody has taken yet. */
  async next(): Promise<RawPeer> {
    const peer = this.fresh.shift();
    if (peer) return peer;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no connection in time')), PATIENCE_MS);
      this.waiting.push((accepted) => {
        clearTimeout(timer);
        resolve(accepted);
      });
    });
  }

  /** From now on, answers every request of every new connection. */
  answerAll(answer: (request: PlainMessage, peer: RawPeer) => string): void {
    this.answering = (peer) => {
      peer.socket.on('end', () => peer.end());
      const work = async () => {
        for (;;) {
          const request = await peer.request();
          peer.send(answer(request, peer));
        }
      };
      // It ends with the connection.
      work().catch(() => peer.destroy());
    };
  }

  stop(): void {
    this.server.close();
    for (const { socket } of this.peers) socket.destroy();
  }

  private accept(socket: Socket): void {
    this.accepted++;
    const peer = new RawPeer(socket);
    this.peers.push(peer);
    if (this.answering) this.answering(peer);
    else if (this.waiting.length > 0) this.waiting.shift()?.(peer);
    else this.fresh.push(peer);
  }
}
