import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { buildRing, proportionalRingSize, type Ring } from '../../src/hashing/ring.js';
import { xxh64 } from '../../src/hashing/xxh64.js';
import { type Backend, type Backends, podsOf } from '../backends/backends.js';
import { AUTHORITY, CANARY_SHARE, KEY_HEADER } from '../workloads.js';

/** The process of the peer `node+undici`. Its one argument is JSON. */
interface Task {
  readonly port: number;
  readonly tlsPort: number | undefined;
  readonly backends: Backends;
}

interface Release {
  readonly ring: Ring;
  readonly pools: readonly Pool[];
}

const ATTEMPTS = 3;
const KEEP_ALIVE_MS = 300_000;
const SLOTS = 10_000n;
const CANARY_FROM = BigInt(Math.round((1 - CANARY_SHARE) * Number(SLOTS)));
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);
const RETRIED = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT']);

/** Counters by status, and a histogram of latency. */
const statuses = new Map<number, number>();
const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const buckets = new Float64Array(BOUNDS_MS.length + 1);

function record(status: number, startedAt: number): void {
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const took = performance.now() - startedAt;
  let i = 0;
  while (i < BOUNDS_MS.length && took > (BOUNDS_MS[i] as number)) i++;
  buckets[i] = (buckets[i] as number) + 1;
}

/** One request on its way: dispatched to a pool, again where that is allowed. */
class Exchange implements Dispatcher.DispatchHandler {
  private attempts = 0;
  private abort: ((error?: Error) => void) | undefined;
  private resume: (() => void) | undefined;
  private readonly startedAt = performance.now();

  constructor(
    private readonly pool: Pool,
    private readonly request: Dispatcher.DispatchOptions,
    private readonly response: ServerResponse,
  ) {
    response.on('drain', () => this.resume?.());
    response.on('close', () => {
      if (!response.writableFinished) this.abort?.();
    });
  }

  dispatch(): void {
    this.attempts++;
    this.pool.dispatch(this.request, this);
  }

  onConnect(abort: (error?: Error) => void): void {
    this.abort = abort;
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    this.resume = resume;
    const headers: string[] = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] as Buffer).toString('latin1');
      if (HOP_BY_HOP.has(name.toLowerCase())) continue;
      headers.push(name, (rawHeaders[i + 1] as Buffer).toString('latin1'));
    }
    this.response.writeHead(status, headers);
    return true;
  }

  onData(chunk: Buffer): boolean {
    return this.response.write(chunk);
  }

  onComplete(): void {
    this.response.end();
    record(this.response.statusCode, this.startedAt);
  }

  onError(error: NodeJS.ErrnoException): void {
    if (this.response.headersSent || this.response.destroyed) {
      this.response.destroy();
      return;
    }
    if (this.attempts < ATTEMPTS && RETRIED.has(error.code ?? '')) this.dispatch();
    else answer(this.response, 502, this.startedAt);
  }
}

function answer(response: ServerResponse, status: number, startedAt = performance.now()): void {
  response.writeHead(status, { 'content-length': 0 }).end();
  record(status, startedAt);
}

function poolFor(releases: Record<Backend['release'], Release>, key: string): Pool {
  const hash = xxh64(key);
  const { ring, pools } = hash % SLOTS >= CANARY_FROM ? releases.v2 : releases.v1;
  return pools[ring.hostAt(ring.find(hash))] as Pool;
}

function forwardedHeaders(request: IncomingMessage): string[] {
  const headers: string[] = [];
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, rawHeaders[i + 1] as string);
  }
  headers.push('x-forwarded-for', request.socket.remoteAddress ?? '', 'x-forwarded-proto', 'http');
  if (request.headers['x-request-id'] === undefined) headers.push('x-request-id', randomUUID());
  return headers;
}

function forward(request: IncomingMessage, response: ServerResponse, pool: Pool, body: Buffer | null): void {
  const options: Dispatcher.DispatchOptions = {
    method: request.method as Dispatcher.HttpMethod,
    path: request.url ?? '/',
    headers: forwardedHeaders(request),
    body,
  };
  new Exchange(pool, options, response).dispatch();
}

function handle(
  releases: Record<Backend['release'], Release>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const key = request.headers[KEY_HEADER];
  if (request.headers.host !== AUTHORITY || typeof key !== 'string') {
    answer(response, 404);
    return;
  }
  const pool = poolFor(releases, key);
  if (request.method === 'GET') {
    forward(request, response, pool, null);
    return;
  }
  // Kept whole, so that it can be sent again; the benchmark's bodies are small.
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () =>
    forward(request, response, pool, pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)),
  );
}

function releaseOf(backends: Backends, name: Backend['release'], tls: boolean): Release {
  const pods = podsOf(backends, name);
  const hosts = pods.map(({ port }) => ({ key: `127.0.0.1:${port}`, weight: 1 }));
  const ca = backends.certificate && readFileSync(backends.certificate.certFile);
  const pools = pods.map(({ port, tlsPort }) =>
    tls
      ? new Pool(`https://127.0.0.1:${tlsPort}`, {
          keepAliveTimeout: KEEP_ALIVE_MS,
          connect: { ...(ca ? { ca } : {}), servername: AUTHORITY },
        })
      : new Pool(`http://127.0.0.1:${port}`, { keepAliveTimeout: KEEP_ALIVE_MS }),
  );
  return { ring: buildRing(hosts, proportionalRingSize(hosts)), pools };
}

function serve(backends: Backends, port: number, tls: boolean): void {
  const releases = { v1: releaseOf(backends, 'v1', tls), v2: releaseOf(backends, 'v2', tls) };
  const options = { keepAliveTimeout: KEEP_ALIVE_MS };
  const server = createServer(options, (request, response) => handle(releases, request, response));
  server.listen({ host: '127.0.0.1', port, backlog: 4096 });
}

const { port, tlsPort, backends } = JSON.parse(process.argv[2] ?? '{}') as Task;
serve(backends, port, false);
if (tlsPort !== undefined) serve(backends, tlsPort, true);
