import { createServer, type Server } from 'node:net';
import type { Test } from 'tap';
import { Http2Connection } from '../../../sidecar/http2/connection.js';
import type { Http2Owner } from '../../../sidecar/http2/connection-owner.js';
import { HeaderField } from '../../../sidecar/http2/header-field.js';
import { DEFAULT_HTTP2_LIMITS, type Http2Limits } from '../../../sidecar/http2/limits.js';
import type { RequestFields } from '../../../sidecar/http2/message-head.js';
import type { Http2Stream, StreamFailure, StreamUser } from '../../../sidecar/http2/stream.js';
import { listening } from './listening.js';

const OK = new HeaderField(':status', '200');
const TOO_LARGE = new HeaderField(':status', '431');
const CONTINUE = new HeaderField(':status', '103');
const DEFAULT_BODY = Buffer.from('hello');

/**
 * A server made of nothing but the codec. It sends a request's content and trailers back as they come, or `hello` where
 * there is none. `/bytes?N` brings N bytes, `/hints` an interim response first, `/early` an answer before the request
 * is complete.
 */
export class EchoServer {
  readonly limits: Http2Limits;
  readonly connections = new Set<Http2Connection>();
  /** Why connections ended. */
  readonly ends: string[] = [];
  readonly failures: StreamFailure[] = [];
  readonly malformed: string[] = [];
  requests = 0;
  /** Milliseconds that the coarse clock is ahead of the true one. */
  aheadMs = 0;
  /** Requests wait for {@link answerAll}. */
  holds = false;
  readonly held: Echo[] = [];

  private constructor(
    readonly server: Server,
    readonly address: string,
    readonly port: number,
    limits: Partial<Http2Limits>,
  ) {
    this.limits = { ...DEFAULT_HTTP2_LIMITS, ...limits };
  }

  static async start(t: Test, limits: Partial<Http2Limits> = {}): Promise<EchoServer> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const { address, port } = await listening(t, server);
    const echo = new EchoServer(server, address, port, limits);
    server.on('connection', (socket) => {
      const connection: Http2Connection = new Http2Connection({
        socket,
        role: 'server',
        owner: new EchoOwner(echo, () => connection),
      });
      echo.connections.add(connection);
    });
    const clock = setInterval(() => echo.tick(), 50);
    t.teardown(() => {
      clearInterval(clock);
      for (const connection of echo.connections) connection.destroy('the test is over');
    });
    return echo;
  }

  nowMs(): number {
    return performance.now() + this.aheadMs;
  }

  tick(): void {
    for (const connection of this.connections) connection.checkDeadlines(this.nowMs());
  }

  answerAll(): void {
    for (const echo of this.held.splice(0)) echo.answer();
  }

  onRequest(stream: Http2Stream, request: RequestFields, endStream: boolean): StreamUser {
    this.requests++;
    const echo = new Echo(this, stream, request);
    if (endStream) echo.onEnd([]);
    if (this.holds) this.held.push(echo);
    else echo.answer();
    return echo;
  }
}

/** One connection of the server. */
class EchoOwner implements Http2Owner {
  readonly limits: Http2Limits;

  constructor(
    private readonly server: EchoServer,
    private readonly connection: () => Http2Connection,
  ) {
    this.limits = server.limits;
  }

  nowMs(): number {
    return this.server.nowMs();
  }

  onRequest(stream: Http2Stream, request: RequestFields, endStream: boolean): StreamUser {
    return this.server.onRequest(stream, request, endStream);
  }

  onHeadTooLarge(stream: Http2Stream): void {
    stream.sendHead([TOO_LARGE]);
    stream.end();
    stream.reset(0);
  }

  onMalformed(reason: string): void {
    this.server.malformed.push(reason);
  }

  onCapacity(): void {}

  onRetired(): void {}

  onClosed(reason: string): void {
    this.server.connections.delete(this.connection());
    this.server.ends.push(reason);
  }
}

class Echo implements StreamUser {
  private sent = 0;
  private left: number;
  private answered = false;
  private ended: readonly HeaderField[] | undefined;
  private early: Buffer[] = [];

  constructor(
    private readonly owner: EchoServer,
    readonly stream: Http2Stream,
    private readonly request: RequestFields,
  ) {
    this.left = Number(/^\/bytes\?(\d+)$/.exec(request.path)?.[1] ?? 0);
  }

  answer(): void {
    const { stream, request } = this;
    if (stream.isOver) return;
    this.answered = true;
    if (request.path === '/hints') stream.sendHead([CONTINUE, new HeaderField('link', '</a>')]);
    const length = this.left > 0 ? [new HeaderField('content-length', String(this.left))] : [];
    const echoed = request.fields.filter(({ name }) => name.startsWith('x-'));
    stream.sendHead([OK, ...length, ...echoed]);
    for (const piece of this.early) this.send(piece, 0, piece.length);
    this.early = [];
    if (request.path === '/early') {
      stream.end();
      stream.reset(0);
    } else if (this.left > 0) this.sendBytes();
    else if (this.ended !== undefined) this.finish(this.ended);
  }

  onResponse(): void {}

  onData(piece: Buffer, start: number, end: number): void {
    if (this.answered) this.send(piece, start, end);
    else this.early.push(Buffer.from(piece.subarray(start, end)));
  }

  private send(piece: Buffer, start: number, end: number): void {
    this.sent += end - start;
    this.stream.write(piece, start, end);
    if (this.stream.congested) this.stream.pause();
  }

  onEnd(trailers: readonly HeaderField[]): void {
    this.ended = trailers;
    if (this.answered && this.left === 0) this.finish(trailers);
  }

  private finish(trailers: readonly HeaderField[]): void {
    if (this.sent === 0) this.stream.write(DEFAULT_BODY, 0, DEFAULT_BODY.length);
    this.stream.end(trailers);
  }

  private sendBytes(): void {
    const { stream } = this;
    while (this.left > 0 && !stream.congested) {
      const length = Math.min(this.left, FILLING.length);
      this.left -= length;
      this.sent += length;
      stream.write(FILLING, 0, length);
    }
    if (this.left === 0) stream.end();
  }

  onReset(failure: StreamFailure): void {
    this.owner.failures.push(failure);
  }

  onDrain(): void {
    this.stream.resume();
    if (this.left > 0) this.sendBytes();
  }

  onTurnEnd(): void {}
}

/** Repeats after 251 bytes, so that what is lost or doubled shows. */
export const FILLING: Buffer = Buffer.from(Array.from({ length: 251 * 260 }, (_, i) => i % 251));
