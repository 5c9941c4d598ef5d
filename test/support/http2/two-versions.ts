import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { Readable } from 'node:stream';
import type { Test } from 'tap';
import type { Version } from './crossing.js';

/** `node:http` and `node:http2` behind one face, so that one test does for both. */

export type Incoming = http.IncomingMessage | http2.Http2ServerRequest;
export type Outgoing = http.ServerResponse & Partial<http2.Http2ServerResponse>;

/** @returns its `IP:PORT` */
export async function serve(
  t: Test,
  version: Version,
  handle: (request: Incoming, response: Outgoing) => void,
): Promise<{ address: string; connections: () => number; server: Server }> {
  const options = { settings: { enableConnectProtocol: true } };
  const listener = (request: Incoming, response: unknown) => handle(request, response as Outgoing);
  const server = (
    version === 'http1'
      ? http.createServer({ insecureHTTPParser: false }, listener)
      : http2.createServer(options, listener)
  ) as Server;
  const sockets = new Set<{ destroy(): void }>();
  let connections = 0;
  server.on('connection', (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, connections: () => connections, server };
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | readonly string[]>;
  readonly body?: Buffer;
  readonly trailers?: Record<string, string>;
}

export interface Got {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
  readonly trailers: Record<string, string | string[] | undefined>;
  readonly interims: readonly number[];
}

/** A client with one connection. */
export class Asker {
  private readonly session: http2.ClientHttp2Session | undefined;
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(
    t: Test,
    private readonly version: Version,
    private readonly address: string,
  ) {
    if (version === 'http2') {
      this.session = http2.connect(`http://${address}`, { maxSessionMemory: 100 });
      this.session.on('error', () => {});
    }
    t.teardown(() => {
      this.session?.destroy();
      this.agent.destroy();
    });
  }

  ask(what: Ask = {}): Promise<Got> {
    return this.session === undefined ? this.ask1(what) : this.ask2(this.session, what);
  }

  /** The raw stream, for tests that play with it. */
  get http2(): http2.ClientHttp2Session {
    if (this.session === undefined) throw new Error(`this client speaks ${this.version}`);
    return this.session;
  }

  private async ask1({ method = 'GET', path = '/', headers = {}, body, trailers }: Ask): Promise<Got> {
    const [host = '', port] = this.address.split(':');
    const request = http.request({
      host,
      port: Number(port),
      method,
      path,
      agent: this.agent,
      headers: {
        ...(headers as http.OutgoingHttpHeaders),
        ...(trailers && { trailer: Object.keys(trailers).join() }),
      },
    });
    // What breaks behind the head breaks the response, too.
    request.on('error', () => {});
    const interims: number[] = [];
    request.on('information', ({ statusCode }) => interims.push(statusCode));
    if (trailers) request.addTrailers(trailers);
    const answered = once(request, 'response');
    if (body === undefined) request.end();
    else Readable.from(pieces(body)).pipe(request);
    const [response] = (await answered) as [http.IncomingMessage];
    const content: Buffer[] = [];
    for await (const piece of response) content.push(piece as Buffer);
    const { statusCode = 0, headers: got, trailers: behind } = response;
    return { status: statusCode, headers: got, body: Buffer.concat(content), trailers: behind, interims };
  }

  private async ask2(
    session: http2.ClientHttp2Session,
    { method = 'GET', path = '/', headers = {}, body, trailers }: Ask,
  ): Promise<Got> {
    const head = { ':method': method, ':path': path, ...headers } as http2.OutgoingHttpHeaders;
    const stream = session.request(head, {
      endStream: body === undefined,
      waitForTrailers: trailers !== undefined,
    });
    if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    const interims: number[] = [];
    let behind: Got['trailers'] = {};
    stream.on('headers', (fields) => interims.push(Number(fields[':status'])));
    stream.on('trailers', (fields) => {
      behind = fields;
    });
    const content: Buffer[] = [];
    stream.on('data', (piece: Buffer) => content.push(piece));
    const answered = once(stream, 'response');
    const ended = once(stream, 'end');
    ended.catch(() => {});
    if (body !== undefined) Readable.from(pieces(body)).pipe(stream);
    const [got] = (await answered) as [http2.IncomingHttpHeaders];
    await ended;
    return {
      status: Number(got[':status']),
      headers: got as Got['headers'],
      body: Buffer.concat(content),
      trailers: behind,
      interims,
    };
  }
}

function* pieces(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += 50_000) yield body.subarray(at, at + 50_000);
  if (body.length === 0) yield Buffer.alloc(0);
}
