import { type ROOM_IS_MADE, UpstreamEndpoint, unwatched } from '../../sidecar/cluster/upstream-endpoint.js';
import type { DownstreamStream, DownstreamUser } from '../../sidecar/http/downstream-stream.js';
import { editedRequest, editedResponseFields } from '../../sidecar/http/edited-fields.js';
import { DEFAULT_LIMITS, type LimitName } from '../../sidecar/http/limits.js';
import { type LocalAnswer, wholeAnswer } from '../../sidecar/http/local-answer.js';
import type {
  RequestEdits,
  RequestMessage,
  ResponseEdits,
  ResponseMessage,
} from '../../sidecar/http/message.js';
import type { FailureKind } from '../../sidecar/http/upstream-failure.js';
import type { BodyForm, UpstreamStream, UpstreamUser } from '../../sidecar/http/upstream-stream.js';
import { exclusivePools } from '../../sidecar/pool/exclusive-pool.js';
import type { Field } from '../../src/http/field-line.js';
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
  /** A call of gRPC. */
  readonly isGrpc?: boolean;
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
  readonly stream: DownstreamStream;
  /** How its stream ended; undefined: it has not. */
  ended: 'complete' | 'cut-short' | 'reset' | undefined;
  paused = false;
  /** It takes nothing more for now. */
  congested = false;
  tunnel: 'none' | 'open' | 'half-closed' = 'none';
  /** It has ended its tunnel in an orderly way. */
  endedOrderly = false;
  /** Responses as far as the client has got them: what has been flushed. */
  private readonly messages: Received[] = [];
  /** What has not been flushed. */
  private written: (Received | string)[] = [];
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
    this.flush();
  }

  private flush(): void {
    for (const item of this.written.splice(0)) {
      const last = this.messages.at(-1);
      if (typeof item !== 'string') this.messages.push(item);
      else if (last !== undefined) this.messages.splice(-1, 1, { ...last, body: last.body + item });
    }
  }

  private endResponse(): void {
    this.flush();
    this.ended = this.complete ? 'complete' : 'cut-short';
    this.user = undefined;
  }

  private streamOf(request: RequestMessage, { destination, fromMachine = true }: FakeRequest) {
    const self = this;
    return {
      request,
      destination,
      isFromMachine: fromMachine,
      localAddress: '10.0.0.9:8080',
      get requestComplete() {
        return self.complete;
      },
      get flushesSoon() {
        return self.inTurn;
      },
      get congested() {
        return self.congested;
      },
      get endedOrderly() {
        return self.endedOrderly;
      },
      sendInterim: ({ status }: ResponseMessage) => void self.written.push({ status, fields: [], body: '' }),
      sendHead(response: ResponseMessage, edits: ResponseEdits): BodyForm {
        const fields = lowerCase(editedResponseFields(response, edits));
        self.written.push({ status: response.status, fields, body: '' });
        return 'content';
      },
      write: (piece: Buffer, start: number, end: number) =>
        void self.written.push(piece.toString('latin1', start, end)),
      end: () => self.endResponse(),
      withdraw() {
        const head = self.written.findIndex((item) => typeof item !== 'string' && item.status >= 200);
        if (head !== -1) self.written.splice(head);
        return head !== -1;
      },
      answer(answer: LocalAnswer) {
        const { status, fields, body } = wholeAnswer(answer);
        self.written.push({ status, fields: lowerCase(fields), body: request.method === 'HEAD' ? '' : body });
        self.endResponse();
      },
      flush: () => self.flush(),
      pause() {
        self.paused = true;
      },
      resume() {
        self.paused = false;
      },
      becomeTunnel() {
        self.tunnel = 'open';
        self.complete = true;
      },
      endTunnel() {
        self.flush();
        self.tunnel = 'half-closed';
      },
      endGently: () => self.endResponse(),
      abort() {
        const { user } = self;
        self.user = undefined;
        user?.onDownstreamGone('sidecar');
        self.ended = 'reset';
      },
    };
  }
}

interface SentRequest {
  /** `GET /path` */
  readonly line: string;
  readonly fields: Fields;
  readonly body: string;
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
  private sent: SentRequest = { line: '', fields: [], body: '' };
  /** What has not been flushed. */
  private writing: SentRequest = this.sent;
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
    return this.sent.line;
  }

  get fields(): Fields {
    return this.sent.fields;
  }

  get body(): string {
    return this.sent.body;
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
  finish(trailers: Fields = []): void {
    const user = this.endStream();
    user?.onResponseEnd(trailers);
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
    const flush = () => {
      self.sent = self.writing;
    };
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
        const { target, authority, fields } = editedRequest(request, edits);
        const offer = edits.offersNothing ? undefined : request.upgradeOffer;
        self.writing = {
          line: `${request.method} ${target}`,
          fields: lowerCase([
            ['host', authority],
            ...fields,
            ...(offer === undefined ? [] : [['upgrade', offer] as const]),
          ]),
          body: '',
        };
      },
      write(piece: Buffer, start: number, end: number) {
        const body = self.writing.body + piece.toString('latin1', start, end);
        self.writing = { ...self.writing, body };
      },
      end(_trailers: readonly Field[]) {},
      flush,
      pause() {
        self.paused = true;
      },
      resume() {
        self.paused = false;
      },
      endTunnel() {
        flush();
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
    const nowMs = () => 0;
    const newPool = exclusivePools({ limits: DEFAULT_LIMITS, nowMs });
    const settings = { newPool, connectFailuresToEject: 3, nowMs };
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

function parsed({ method = 'GET', target = '/', host, fields = [], hasBody, upgrade, isGrpc }: FakeRequest) {
  const own = [
    `Host: ${host ?? 'checkout.shop'}`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    ...(hasBody ? ['content-length: 5'] : []),
    ...(upgrade === undefined ? [] : ['connection: upgrade', `upgrade: ${upgrade}`]),
  ];
  const request = parseRequest(headOf(`${method} ${target} HTTP/1.1`, ...own));
  return isGrpc ? Object.assign(request, { isGrpc }) : request;
}

function lowerCase(fields: readonly Field[]): Fields {
  return fields.map(([name, value]) => [name.toLowerCase(), value]);
}

/** Value of the first field with this name. */
export function fieldValue(fields: Fields, name: string): string | undefined {
  return fields.find(([each]) => each === name)?.[1];
}

export function fieldValues(fields: Fields, name: string): string[] {
  return fields.filter(([each]) => each === name).map(([, value]) => value);
}
