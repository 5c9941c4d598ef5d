import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Owner } from './owner.js';

/**
 * Backends and callers that do as little as possible, so that tests can afford tens of thousands of sessions. Real
 * sockets, keep-alive, one request at a time on each connection; requests have no bodies.
 */

const END_OF_HEAD = '\r\n\r\n';

/** Answers every request with its name and a count of what it was asked. */
export class NamedBackend {
  requests = 0;
  /** Statuses to answer with before going back to 200. */
  readonly failing: number[] = [];
  port = 0;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(readonly name: string) {}

  static async start(t: Owner, name: string): Promise<NamedBackend> {
    const backend = new NamedBackend(name);
    await backend.listen();
    t.teardown(() => backend.stop());
    return backend;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Refuses connections and cuts those that are open. */
  async stop(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Listens, on the port it had before if it had one. */
  async listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.serve(socket));
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf(END_OF_HEAD); end !== -1; end = text.indexOf(END_OF_HEAD)) {
        text = text.slice(end + END_OF_HEAD.length);
        this.requests++;
        const status = this.failing.shift() ?? 200;
        socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: ${this.name.length}\r\n\r\n${this.name}`);
      }
    });
  }
}

/** `count` backends of each release. */
export async function startBackends(
  t: Owner,
  counts: Readonly<Record<string, number>>,
): Promise<Map<string, NamedBackend[]>> {
  const releases = new Map<string, NamedBackend[]>();
  for (const [release, count] of Object.entries(counts)) {
    const names = Array.from({ length: count }, (_, i) => `${release}-${i + 1}`);
    releases.set(release, await Promise.all(names.map((name) => NamedBackend.start(t, name))));
  }
  return releases;
}

export interface FastRequest {
  readonly host: string;
  /** With its query; default `/`. */
  readonly path?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

export interface FastAnswer {
  readonly status: number;
  /** Body: the backend's name, or an error's text. */
  readonly body: string;
  readonly setCookie: string | undefined;
  readonly error: string | undefined;
}

/** Calls one sidecar over a fixed set of connections. */
export class FastCaller {
  private readonly idle: FastConnection[];
  private readonly waiting: ((connection: FastConnection) => void)[] = [];

  constructor(t: Owner, outbound: string, connections = 16) {
    this.idle = Array.from({ length: connections }, () => new FastConnection(outbound));
    const all = [...this.idle];
    t.teardown(() => {
      for (const connection of all) connection.close();
    });
  }

  /** Every request, as many at a time as there are connections; answers in the requests' order. */
  all(requests: readonly FastRequest[]): Promise<FastAnswer[]> {
    return Promise.all(requests.map((request) => this.one(request)));
  }

  async one(request: FastRequest): Promise<FastAnswer> {
    const connection =
      this.idle.pop() ?? (await new Promise<FastConnection>((resolve) => this.waiting.push(resolve)));
    try {
      return await connection.call(request);
    } finally {
      const next = this.waiting.shift();
      if (next) next(connection);
      else this.idle.push(connection);
    }
  }
}

class FastConnection {
  private socket: Socket | undefined;
  private text = '';
  private pending: { resolve: (answer: FastAnswer) => void; reject: (error: Error) => void } | undefined;

  constructor(private readonly target: string) {}

  call({ host, path = '/', headers = [] }: FastRequest): Promise<FastAnswer> {
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const socket = this.connected();
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject };
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`, 'latin1');
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  private connected(): Socket {
    if (this.socket) return this.socket;
    const [host, port] = this.target.split(':');
    const socket = connect({ host: host as string, port: Number(port), noDelay: true });
    this.socket = socket;
    this.text = '';
    socket.on('data', (data) => this.read(data.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      this.settle((pending) => pending.reject(new Error('the sidecar closed the connection')));
    });
    return socket;
  }

  private read(piece: string): void {
    this.text += piece;
    const end = this.text.indexOf(END_OF_HEAD);
    if (end === -1) return;
    const head = this.text.slice(0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const total = end + END_OF_HEAD.length + length;
    if (this.text.length < total) return;
    const answer: FastAnswer = {
      status: Number(head.slice(9, 12)),
      body: this.text.slice(end + END_OF_HEAD.length, total).trimEnd(),
      setCookie: /set-cookie: ([^\r]*)/i.exec(head)?.[1],
      error: /x-roost-error: ([^\r]*)/i.exec(head)?.[1],
    };
    this.text = this.text.slice(total);
    if (/\r\nconnection: close/i.test(head)) this.leave();
    this.settle((pending) => pending.resolve(answer));
  }

  /** The next call gets a connection of its own. */
  private leave(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private settle(how: (pending: NonNullable<FastConnection['pending']>) => void): void {
    const { pending } = this;
    this.pending = undefined;
    if (pending) how(pending);
  }
}
