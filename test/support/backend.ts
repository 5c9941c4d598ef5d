import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';

/** What a backend answers with unless a test says otherwise. */
export interface Echo {
  /** The backend's name, such as `v2-1`. */
  readonly backend: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** Bytes of the request's body. */
  readonly bytes: number;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, backend: Backend) => void;

/** A real HTTP server that tells what reached it. It can die and come back on the same port. */
export class Backend {
  requests = 0;
  private server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly name: string,
    private readonly handler: Handler,
    readonly port: number,
  ) {
    this.server = this.create();
  }

  /** @param port 0: a free one */
  static async start(t: Test, name: string, handler: Handler = echo, port = 0): Promise<Backend> {
    const backend = new Backend(name, handler, 0);
    await backend.listen(port);
    t.teardown(() => backend.stop());
    return backend;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Goes away at once: the port refuses connections, open ones are cut. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Comes back on the same port. */
  async restart(): Promise<void> {
    this.server = this.create();
    await this.listen(this.port);
  }

  private create(): Server {
    const server = createServer((request, response) => {
      this.requests++;
      this.handler(request, response, this);
    });
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    return server;
  }

  private async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    (this as { port: number }).port = (this.server.address() as AddressInfo).port;
  }
}

export const echo: Handler = (request, response, backend) => {
  let bytes = 0;
  request.on('data', (data: Buffer) => (bytes += data.length));
  request.on('end', () => {
    const body: Echo = {
      backend: backend.name,
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      bytes,
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  });
};

/** `count` backends of each release: `v1-1`, `v1-2`, … */
export async function startReleases(
  t: Test,
  counts: Readonly<Record<string, number>>,
  handler: Handler = echo,
): Promise<Map<string, Backend[]>> {
  const releases = new Map<string, Backend[]>();
  for (const [release, count] of Object.entries(counts)) {
    const backends = await Promise.all(
      Array.from({ length: count }, (_, i) => Backend.start(t, `${release}-${i + 1}`, handler)),
    );
    releases.set(release, backends);
  }
  return releases;
}

/** The `versions` of a MeshService for these backends. */
export function versionsOf(releases: ReadonlyMap<string, readonly Backend[]>): object[] {
  return [...releases].map(([name, backends]) => ({
    name,
    endpoints: backends.map(({ address }) => ({ address })),
  }));
}
