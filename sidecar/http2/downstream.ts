import { ERROR_CATALOGUE, type LocalReply, replyBody } from '../../src/http/error-catalogue.js';
import type { Field } from '../../src/http/field-line.js';
import { headerName } from '../../src/http/header-name.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { BodyRate } from '../http/body-rate.js';
import type { DownstreamStream, DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import { type LocalAnswer, wholeAnswer } from '../http/local-answer.js';
import type { ResponseEdits, ResponseMessage } from '../http/message.js';
import type { BodyForm } from '../http/upstream-stream.js';
import { ERROR } from './error-code.js';
import type { HeaderField } from './header-field.js';
import type { Http2Request } from './request-message.js';
import type { Http2Stream, StreamFailure, StreamUser } from './stream.js';
import { answerFields, neutralTrailers, writtenResponse, writtenTrailers } from './written-heads.js';

/** What is the same for all streams of a client's connection. */
export interface DownstreamPlace {
  readonly limits: HttpLimits;
  readonly destination: SocketAddress | undefined;
  readonly isFromMachine: boolean;
  readonly localAddress: string;
  nowMs(): number;
}

const EXPECT = headerName('expect');

/** A client's stream: one request and its response. */
export class Http2Downstream implements DownstreamStream, StreamUser {
  private user: DownstreamUser | undefined;
  private readonly bodyRate: BodyRate;
  private ended: boolean;
  private responseStarted = false;
  private isTunnel = false;
  private paused = false;
  /** What came for a tunnel before it was one. */
  private early: Buffer[] = [];
  endedOrderly = false;

  /** @param endStream the request has no content */
  constructor(
    private readonly stream: Http2Stream,
    readonly request: Http2Request,
    private readonly place: DownstreamPlace,
    endStream: boolean,
  ) {
    this.ended = endStream;
    this.bodyRate = new BodyRate(place.limits.minBodyRate);
    if (!endStream) this.bodyRate.start(place.nowMs(), request.header(EXPECT) !== undefined);
  }

  /** Hands the request over. */
  begin(user: DownstreamUser): void {
    this.user = user;
    user.onRequestHead();
    if (this.requestComplete) this.user?.onRequestEnd([]);
  }

  get destination(): SocketAddress | undefined {
    return this.place.destination;
  }

  get isFromMachine(): boolean {
    return this.place.isFromMachine;
  }

  get localAddress(): string {
    return this.place.localAddress;
  }

  /** What asks for a tunnel has no content: what follows belongs to the tunnel. */
  get requestComplete(): boolean {
    return this.ended || this.request.upgradeOffer !== undefined;
  }

  get flushesSoon(): boolean {
    return this.stream.endsTurnSoon;
  }

  get congested(): boolean {
    return this.stream.congested;
  }

  // ---- the response ----

  sendInterim(response: ResponseMessage): void {
    this.stream.sendHead(writtenResponse(response, undefined));
  }

  sendHead(response: ResponseMessage, edits: ResponseEdits): BodyForm {
    this.responseStarted = true;
    this.stream.sendHead(writtenResponse(response, edits));
    return 'content';
  }

  write(piece: Buffer, start: number, end: number): void {
    this.stream.write(piece, start, end);
  }

  end(trailers: readonly Field[]): void {
    this.stream.end(writtenTrailers(trailers));
    this.finish();
  }

  /** A head cannot be taken back: the peer's table has it. */
  withdraw(): boolean {
    return false;
  }

  answer(answer: LocalAnswer): void {
    const { stream, request } = this;
    if ('code' in answer && request.isGrpc) {
      stream.sendHead(answerFields(200, grpcFields(answer)));
      stream.end();
    } else {
      const { status, fields, body } = wholeAnswer(answer);
      stream.sendHead(answerFields(status, fields));
      const bytes = Buffer.from(body, 'latin1');
      if (request.method !== 'HEAD') stream.write(bytes, 0, bytes.length);
      stream.end();
    }
    this.finish();
  }

  /** RFC 9113 section 8.1: the client need not send the rest of its request. */
  private finish(): void {
    this.user = undefined;
    if (this.ended) return;
    if (this.stream.congested) this.stream.resetWhenSent(ERROR.noError);
    else this.stream.reset(ERROR.noError);
  }

  /** What is written goes out at the end of the turn. */
  flush(): void {}

  pause(): void {
    this.paused = true;
    this.stream.pause();
  }

  resume(): void {
    this.paused = false;
    this.stream.resume();
  }

  becomeTunnel(): void {
    this.isTunnel = true;
    const { early } = this;
    this.early = [];
    for (const piece of early) this.user?.onClientTunnelData(piece);
    this.resume();
    if (this.ended) this.user?.onClientTunnelEnd();
  }

  endTunnel(): void {
    this.endedOrderly = this.ended;
    this.stream.end();
  }

  endGently(): void {
    this.stream.end();
    this.finish();
  }

  abort(): void {
    const { user } = this;
    this.user = undefined;
    this.stream.reset(ERROR.internalError);
    user?.onDownstreamGone('sidecar');
  }

  checkDeadlines(nowMs: number): void {
    const { limits } = this.place;
    const isTooSlow =
      !this.requestComplete && !this.responseStarted && this.bodyRate.isTooSlow(nowMs, this.paused);
    if (!isTooSlow) {
      this.user?.checkDeadlines(nowMs);
      return;
    }
    const { user } = this;
    const detail = `the body came with less than ${limits.minBodyRate} bytes per second`;
    user?.onDownstreamGone();
    this.answer({ code: 'slow-request', detail });
  }

  // ---- the request ----

  onResponse(): void {}

  onData(piece: Buffer, start: number, end: number): void {
    this.bodyRate.add(end - start);
    if (this.isTunnel) this.user?.onClientTunnelData(piece.subarray(start, end));
    else if (this.request.upgradeOffer === undefined) this.user?.onRequestBody(piece, start, end);
    else {
      // At most a window of it: nothing is given back before the tunnel is there.
      this.early.push(Buffer.from(piece.subarray(start, end)));
      this.pause();
    }
  }

  onEnd(trailers: readonly HeaderField[]): void {
    const wasComplete = this.requestComplete;
    this.ended = true;
    if (this.isTunnel) this.user?.onClientTunnelEnd();
    else if (!wasComplete) this.user?.onRequestEnd(neutralTrailers(trailers));
  }

  onReset({ by, reason }: StreamFailure): void {
    const { user } = this;
    this.user = undefined;
    user?.onDownstreamGone(by === 'connection' && reason === STOPPING ? 'sidecar' : 'client');
  }

  onDrain(): void {
    this.user?.onDownstreamDrain();
  }

  onTurnEnd(): void {
    this.user?.onDownstreamTurnEnd();
  }
}

/** Answers a request that was not handed on. */
export function refuseStream(stream: Http2Stream, reply: LocalReply): void {
  const { status, fields, body } = wholeAnswer(reply);
  stream.sendHead(answerFields(status, fields));
  const bytes = Buffer.from(body, 'latin1');
  stream.write(bytes, 0, bytes.length);
  stream.end();
  stream.reset(ERROR.noError);
}

/** Why the sidecar destroys a connection when it stops. */
export const STOPPING = 'the sidecar stops';

/** A gRPC answer without messages, whose head is its trailers ("Trailers-Only" of the gRPC protocol). */
function grpcFields(reply: LocalReply): Field[] {
  const fields: Field[] = [
    ['content-type', 'application/grpc'],
    ['grpc-status', String(ERROR_CATALOGUE[reply.code].grpcStatus)],
    ['grpc-message', percentEncoded(replyBody(reply).trimEnd())],
    ['x-roost-error', reply.code],
  ];
  if (reply.field !== undefined) fields.push(reply.field);
  return fields;
}

/** What is not printable ASCII, and `%`, as the gRPC protocol has it. */
function percentEncoded(text: string): string {
  return Array.from(Buffer.from(text, 'utf8'), (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
