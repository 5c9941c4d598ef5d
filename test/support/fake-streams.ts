import type { LimitName } from '../../sidecar/cluster/cluster-load.js';
import { type ROOM_IS_MADE, UpstreamEndpoint, unwatched } from '../../sidecar/cluster/upstream-endpoint.js';
import { DEFAULT_LIMITS } from '../../sidecar/http/limits.js';
import type { Field, RequestEdits, RequestMessage } from '../../sidecar/http/message.js';
import type { FailureKind } from '../../sidecar/http/upstream-failure.js';
import type { BodyForm, UpstreamStream, UpstreamUser } from '../../sidecar/http/upstream-stream.js';
import type { DownstreamConnection, DownstreamUser } from '../../sidecar/http1/downstream-connection.js';
import { forwardedRequestHead } from '../../sidecar/http1/forwarded-head.js';
import type { RequestHead } from '../../sidecar/http1/request-head.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import { headOf, parseRequest, parseResponse } from './http1/heads.js';

/**
 * Both sides of an exchange without sockets and without a codec: a test plays the client and the upstreams. What a
 * test sees is neutral (a status, fields, content); the seam to the sidecar's types is in the private parts below.
 */

export type Fields = readonly (readonly [name: string, value: string])[];

export interface FakeRequest {
  readonly method?: string;
  /** With the query. */
  readonly target?: string;
  readonly host?: string;
  readonly fields?: Fields;
  /** The client goes on to send a body. */
  readonly hasBody?: boolean;
  /** The client offers this protocol. */
  readonly upgrade?: string;
  /** Where the client meant to connect. */
  readonly destination?: SocketAddress;
  readonly fromMachine?: boolean;
}

/** A response as the client got it. */
export interface Received {
  readonly status: number;
  readonly fields: Fields;
  readonly body: string;
}

/** The client and its stream. */
export class FakeClient {
  readonly stream: DownstreamConnection;
  /** How its stream ended; undefined: it has not. */
  ended: 'kept' | 'closed' | 'reset' | undefined;
  paused = false;
  /** It takes nothing more for now. */
  congested = false;
  tunnel: 'none' | 'open' | 'half-closed' = 'none';
  /** It has ended its tunnel in an orderly way. */
  endedOrderly = false;
  private readonly writer = new FakeWriter();
  private complete: boolean;
  private user: DownstreamUser | undefined;
  private inTurn = false;

  constructor(request: FakeRequest = {}) {
    this.complete = !request.hasBody;
    this.stream = this.streamOf(parsed(request), request);
  }

  // ---- the test's side ----

  /** Sends its head. */
  begin(user: DownstreamUser): void {
    this.user = user;
    this.turn(() => {
      user.onRequestHead();
      if (this.complete) this.user?.onRequestEnd([]);
    });
  }

  /** Sends a piece of the request's body. */
  send(text: string): void {
    const piece = Buffer.from(`<${text}>`, 'latin1');
    this.turn(() => this.user?.onRequestBody(piece, 1, piece.length - 1));
    // As a socket's buffer is.
    piece.fill(0);
  }

  /** Ends the request. */
  finish(): void {
    this.complete = true;
    this.turn(() => this.user?.onRequestEnd([]));
  }

  leave(by?: 'client' | 'sidecar'): void {
    this.user?.onDownstreamGone(by);
  }

  drain(): void {
    this.congested = false;
    this.user?.onDownstreamDrain();
  }

  sendThroughTunnel(text: string): void {
    this.turn(() => this.user?.onClientTunnelData(Buffer.from(text, 'latin1')));
  }

  endTunnel(): void {
    this.user?.onClientTunnelEnd();
  }

  /** The response as far as the client has got it: what has been flushed. */
  get response(): Received | undefined {
    return this.messages.at(-1);
  }

  /** Statuses of the interim responses. */
  get interims(): number[] {
    return this.messages.map(({ status }) => status).filter((status) => status < 200 && status !== 101);
  }

  /** The code of an answer of the sidecar's own. */
  get code(): string | undefined {
    return fieldValue(this.response?.fields ?? [], 'x-roost-error');
  }

  // ---- the seam ----

  private turn(act: () => void): void {
    this.inTurn = true;
    act();
    this.inTurn = false;
    this.user?.onDownstreamTurnEnd();
    this.writer.flush();
  }

  private get messages(): Received[] {
    const messages: Received[] = [];
    for (let rest = this.writer.flushed; rest.includes('\r\n\r\n'); ) {
      const end = rest.indexOf('\r\n\r\n');
      const { status, fields } = readHead(rest.slice(0, end));
      const isLast = status >= 200 || status === 101;
      messages.push({ status, fields, body: isLast ? rest.slice(end + 4) : '' });
      rest = isLast ? '' : rest.slice(end + 4);
    }
    return messages;
  }

  private streamOf(request: RequestHead, { destination, fromMachine = true }: FakeRequest) {
    const self = this;
    const stream = {
      request,
      destination,
      isFromMachine: fromMachine,
      localAddress: '10.0.0.9:8080',
      writer: this.writer,
      responseStarted: false,
      closeAfterResponse: false,
      leaving: false,
      get requestComplete() {
        return self.complete;
      },
      get flushesSoon() {
        return self.inTurn;
      },
      get endedOrderly() {
        return self.endedOrderly;
      },
      pause() {
        self.paused = true;
      },
      resume() {
        self.paused = false;
      },
      endResponse(keepAlive: boolean) {
        self.writer.flush();
        self.ended = keepAlive && self.complete ? 'kept' : 'closed';
        self.user = undefined;
      },
      becomeTunnel() {
        self.tunnel = 'open';
        self.complete = true;
      },
      endTunnel() {
        self.writer.flush();
        self.tunnel = 'half-closed';
      },
      endGently() {
        self.ended = 'closed';
      },
      abort() {
        const { user } = self;
        self.user = undefined;
        user?.onDownstreamGone('sidecar');
        self.ended = 'reset';
      },
    };
    Object.defineProperty(this.writer, 'congested', { get: () => self.congested });
    return stream as unknown as DownstreamConnection;
  }
}

export interface RespondOptions {
  /** The upstream closes its connection after this response. */
  readonly closes?: boolean;
}

/** One attempt as the upstream sees it. */
export class FakeUpstream {
  /** How the sidecar ended it; undefined: it has not, or has been answered. */
  ended: 'discarded' | 'cancelled' | 'aborted' | 'closed-soon' | undefined;
  paused = false;
  /** It takes nothing more for now. */
  congested = false;
  tunnelEnded = false;
  /** Which form of the response's body the sidecar takes. */
  wants: BodyForm | undefined;
  readonly stream: UpstreamStream;
  private readonly writer = new FakeWriter();
  private method = '';

  constructor(
    private user: UpstreamUser | undefined,
    readonly fresh: boolean,
    private isConnected: boolean,
    private readonly onStreamOver: () => void,
  ) {
    this.stream = this.streamOf();
  }

  // ---- the test's side ----

  /** The request as it arrived: what has been flushed. */
  get line(): string {
    return this.head.slice(0, this.head.indexOf(' HTTP/'));
  }

  get fields(): Fields {
    return readHead(this.head).fields;
  }

  get body(): string {
    return this.writer.flushed.slice(this.head.length + 4);
  }

  connect(): void {
    this.isConnected = true;
    this.user?.onUpstreamConnected();
  }

  /** Answers with a head and no more. */
  respond(status: number, fields: Fields = [], { closes = false }: RespondOptions = {}): void {
    const { user } = this;
    if (user === undefined) return;
    const lines = [`HTTP/1.1 ${status} X`, ...fields.map(([name, value]) => `${name}: ${value}`)];
    if (closes) lines.push('connection: close');
    const isBodyless = status < 200;
    const head = parseResponse(headOf(...lines, ...(isBodyless ? [] : ['content-length: 5'])), this.method);
    if (head.isInterim) user.onInterimResponse(head);
    else this.wants = user.onResponseHead(head);
  }

  /** A piece of the response's body; nothing is told at its end, as where more follows in one event. */
  send(text: string): void {
    const piece = Buffer.from(`<${text}>`, 'latin1');
    this.user?.onResponseBody(piece, 1, piece.length - 1);
    piece.fill(0);
  }

  /** The response is complete. */
  finish(): void {
    const user = this.endStream();
    user?.onResponseEnd([]);
    user?.onUpstreamTurnEnd();
  }

  /** A whole response in one event. */
  answer(status: number, fields: Fields = [], body = '', options: RespondOptions = {}): void {
    this.respond(status, fields, options);
    if (body !== '') this.send(body);
    this.finish();
  }

  /** Everything that one event brought has been told. */
  turnEnd(): void {
    this.user?.onUpstreamTurnEnd();
  }

  fail(kind: FailureKind, reason = 'ECONNRESET'): void {
    const user = this.endStream();
    user?.onUpstreamFailure({ kind, reason });
    user?.onUpstreamTurnEnd();
  }

  drain(): void {
    this.congested = false;
    this.user?.onUpstreamDrain();
  }

  sendThroughTunnel(text: string): void {
    this.user?.onUpstreamTunnelData(Buffer.from(text, 'latin1'));
    this.user?.onUpstreamTurnEnd();
  }

  endTunnel(): void {
    this.user?.onUpstreamTunnelEnd();
  }

  closeTunnel(): void {
    this.endStream()?.onUpstreamTunnelClosed();
  }

  // ---- the seam ----

  private get head(): string {
    return this.writer.flushed.slice(0, Math.max(0, this.writer.flushed.indexOf('\r\n\r\n')));
  }

  /** @returns whose stream it was */
  private endStream(): UpstreamUser | undefined {
    const { user } = this;
    if (user === undefined) return undefined;
    this.user = undefined;
    this.onStreamOver();
    return user;
  }

  private streamOf(): UpstreamStream {
    const self = this;
    const { writer } = this;
    const end = (how: FakeUpstream['ended']) => {
      self.ended = how;
      return self.endStream();
    };
    return {
      remoteAddress: '10.0.1.1:80',
      get isConnected() {
        return self.isConnected;
      },
      get congested() {
        return self.congested;
      },
      sendHead(request: RequestMessage, edits: RequestEdits) {
        self.method = request.method;
        writer.writeText(forwardedRequestHead(request as RequestHead, edits));
      },
      write: (piece: Buffer, start: number, end: number) => writer.writeRange(piece, start, end),
      end(_trailers: readonly Field[]) {},
      flush: () => writer.flush(),
      pause() {
        self.paused = true;
      },
      resume() {
        self.paused = false;
      },
      endTunnel() {
        writer.flush();
        self.tunnelEnded = true;
      },
      discard: () => void end('discarded'),
      cancel: () => void end('cancelled'),
      closeSoon: () => void end('closed-soon'),
      abort(kind: FailureKind, reason: string) {
        end('aborted')?.onUpstreamFailure({ kind: self.isConnected ? kind : 'connect', reason });
      },
    };
  }
}

let addresses = 0;

/** An endpoint whose attempts a test plays. Its counts are those of a real one. */
export class FakeEndpoint extends UpstreamEndpoint {
  readonly attempts: FakeUpstream[] = [];
  /** New attempts find a connection. */
  connected = true;
  /** What the next attempts are told, one after the other, instead of being made. */
  readonly refusals: (LimitName | typeof ROOM_IS_MADE)[] = [];
  /** Attempts that have not been given back. */
  inHand = 0;
  /** Told of the health of the endpoint. */
  readonly results: boolean[] = [];
  appRefusals = 0;

  constructor(config: Partial<EndpointConfig> = {}) {
    const host = `10.0.1.${++addresses}`;
    const settings = { limits: DEFAULT_LIMITS, connectFailuresToEject: 3, nowMs: () => 0 };
    const plain = { host, port: 80, address: `${host}:80`, weight: 1, zone: '', status: 'healthy' } as const;
    super({ ...plain, ...config }, 1000, settings, unwatched());
  }

  /** The attempt made last. */
  get last(): FakeUpstream {
    const last = this.attempts.at(-1);
    if (last === undefined) throw new Error(`no attempt at ${this.address}`);
    return last;
  }

  override get activeRequests(): number {
    return this.inHand;
  }

  override acquire(user: UpstreamUser, fresh: boolean, patient = false) {
    const refusal = this.refusals[0];
    if (refusal === 'room-is-made' && patient) {
      this.refusals.shift();
      return refusal;
    }
    if (refusal !== undefined && refusal !== 'room-is-made') {
      this.refusals.shift();
      return refusal;
    }
    this.inHand++;
    this.counters.requests++;
    const attempt = new FakeUpstream(user, fresh, this.connected, () => this.onStreamOver());
    this.attempts.push(attempt);
    return attempt.stream;
  }

  override onStreamOver(): void {
    this.inHand--;
  }

  override onResult(good: boolean): void {
    this.results.push(good);
  }

  override onAppRefused(): void {
    this.appRefusals++;
    super.onAppRefused();
  }
}

/** What a writer was given, and what of it has gone out. */
class FakeWriter {
  flushed = '';
  private collected = '';

  get position(): number {
    return this.flushed.length + this.collected.length;
  }

  withdraw(position: number): boolean {
    if (position < this.flushed.length) return false;
    this.collected = this.collected.slice(0, position - this.flushed.length);
    return true;
  }

  writeText(text: string): void {
    this.collected += text;
  }

  writeRange(piece: Buffer, start: number, end: number): void {
    this.collected += piece.toString('latin1', start, end);
  }

  flush(): void {
    this.flushed += this.collected;
    this.collected = '';
  }
}

function parsed({ method = 'GET', target = '/', host, fields = [], hasBody, upgrade }: FakeRequest) {
  const own = [
    `Host: ${host ?? 'checkout.shop'}`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    ...(hasBody ? ['content-length: 5'] : []),
    ...(upgrade === undefined ? [] : ['connection: upgrade', `upgrade: ${upgrade}`]),
  ];
  return parseRequest(headOf(`${method} ${target} HTTP/1.1`, ...own));
}

function readHead(head: string): { status: number; fields: Fields } {
  const [line = '', ...lines] = head.split('\r\n');
  const fields = lines.map((each): [string, string] => {
    const colon = each.indexOf(':');
    return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
  });
  return { status: Number(line.split(' ')[1]), fields };
}

/** Value of the first field with this name. */
export function fieldValue(fields: Fields, name: string): string | undefined {
  return fields.find(([each]) => each === name)?.[1];
}

export function fieldValues(fields: Fields, name: string): string[] {
  return fields.filter(([each]) => each === name).map(([, value]) => value);
}
