import type { DownstreamUser } from '../../../sidecar/http/downstream-stream.js';
import { DEFAULT_LIMITS, type HttpLimits } from '../../../sidecar/http/limits.js';
import type { ResponseMessage } from '../../../sidecar/http/message.js';
import type { UpstreamFailure } from '../../../sidecar/http/upstream-failure.js';
import type { UpstreamUser } from '../../../sidecar/http/upstream-stream.js';
import { DownstreamConnection, type DownstreamOwner } from '../../../sidecar/http1/downstream-connection.js';
import { forwardedRequestHead, forwardedResponseHead } from '../../../sidecar/http1/forwarded-head.js';
import type { ResponseHead } from '../../../sidecar/http1/response-head.js';
import { UpstreamConnection } from '../../../sidecar/http1/upstream-connection.js';
import { ClientSocket } from '../../../sidecar/net/client-socket.js';
import type { LocalReply } from '../../../src/http/error-catalogue.js';
import { type Field, fieldLines } from '../../../src/http/field-line.js';
import { headOf, parseRequest } from './heads.js';
import { MemorySocket } from './memory-socket.js';

/** What became of a sequence of bytes that a client sent. */
export interface RequestTranscript {
  readonly requests: readonly SeenRequest[];
  /** Why the connection was ended, if a request was refused. */
  readonly refused: LocalReply | undefined;
  /** What the client got. */
  readonly answer: string;
  readonly closed: boolean;
}

/** One message as it went on to the other side. */
export interface SeenMessage {
  readonly framing: string;
  /** As forwarded. */
  head: string;
  /** As forwarded: with its chunk framing, where it has one. */
  body: string;
  trailers: string;
  complete: boolean;
}

export interface SeenRequest extends SeenMessage {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly keepAlive: boolean;
}

export interface SeenResponse extends SeenMessage {
  readonly status: number;
}

/** The whole of a message that went on. */
export function forwardedBytes({ framing, head, body, trailers }: SeenMessage): string {
  return framing === 'chunked' ? `${head}${body}${trailers}\r\n` : `${head}${body}`;
}

export const REQUEST_ID = 'an-id';
export const PLAIN_EDITS = { requestId: () => REQUEST_ID, baggage: undefined };

/** Requests are answered at once, or only when everything that has arrived so far has been dealt with. */
export type AnswerMode = 'at-once' | 'later';

/** Runs the pieces through a client's connection of the sidecar, and writes down what it makes of them. */
export function transcribeRequests(
  pieces: readonly (Buffer | string)[],
  mode: AnswerMode = 'at-once',
  limits: HttpLimits = DEFAULT_LIMITS,
): RequestTranscript {
  const socket = new MemorySocket();
  const requests: SeenRequest[] = [];
  let refused: LocalReply | undefined;
  let closed = false;
  const answers: (() => void)[] = [];
  const owner: DownstreamOwner = {
    limits,
    isEnding: false,
    nowMs: () => 0,
    onRequest: (connection) => new RequestScribe(connection, requests, mode, answers),
    onRefused: (_, reply) => {
      refused = reply;
    },
  };
  const client = new ClientSocket(socket.asSocket, () => {
    closed = true;
  });
  client.handler = new DownstreamConnection(client, owner);
  const answerAll = () => {
    for (let answer = answers.shift(); answer !== undefined; answer = answers.shift()) answer();
  };
  for (const piece of pieces) {
    socket.feed(piece);
    answerAll();
    socket.deliver();
    answerAll();
  }
  return { requests, refused, answer: socket.written, closed: closed || socket.writableEnded };
}

class RequestScribe implements DownstreamUser {
  private seen: SeenRequest | undefined;
  private content = '';

  constructor(
    private readonly connection: DownstreamConnection,
    private readonly requests: SeenRequest[],
    private readonly mode: AnswerMode,
    private readonly answers: (() => void)[],
  ) {}

  onRequestHead(): void {
    const { request } = this.connection;
    this.seen = {
      method: request.method,
      target: request.target,
      authority: request.authority,
      keepAlive: request.keepAlive,
      framing: request.framing.kind,
      head: forwardedRequestHead(request, PLAIN_EDITS),
      body: '',
      trailers: '',
      complete: false,
    };
    this.requests.push(this.seen);
  }

  onRequestBody(piece: Buffer, start: number, end: number): void {
    const seen = this.seen as SeenRequest;
    this.content += piece.toString('latin1', start, end);
    // One chunk, wherever the pieces were cut.
    seen.body =
      seen.framing === 'chunked'
        ? `${this.content.length.toString(16)}\r\n${this.content}\r\n`
        : this.content;
  }

  onRequestEnd(trailers: readonly Field[]): void {
    const seen = this.seen as SeenRequest;
    if (seen.framing === 'chunked') seen.body += '0\r\n';
    seen.trailers = fieldLines(trailers);
    seen.complete = true;
    if (this.mode === 'at-once') this.answer();
    else this.answers.push(() => this.answer());
  }

  private answer(): void {
    this.connection.writer.writeText('HTTP/1.1 204 No Content\r\n\r\n');
    this.connection.endResponse((this.seen as SeenRequest).keepAlive && this.seen?.method !== 'CONNECT');
  }

  onDownstreamTurnEnd(): void {}
  onDownstreamDrain(): void {}
  onDownstreamGone(): void {}
  onClientTunnelData(): void {}
  onClientTunnelEnd(): void {}
  checkDeadlines(): void {}
}

/** What became of a sequence of bytes that an upstream sent in answer to one request. */
export interface ResponseTranscript {
  /** Interim ones first; the last one is final, if there is one. */
  readonly responses: readonly SeenResponse[];
  readonly failure: UpstreamFailure | undefined;
  /** The connection went back to the pool. */
  readonly reusable: boolean;
  /** Bytes through a tunnel, if the response opened one. */
  readonly tunnelled: string;
  readonly closed: boolean;
}

export interface ResponseOptions {
  readonly method?: string;
  readonly requestComplete?: boolean;
  /** The upstream ends its side behind the last piece. */
  readonly ends?: boolean;
  readonly limits?: HttpLimits;
}

/** Runs the pieces through an upstream connection of the sidecar, and writes down what it makes of them. */
export function transcribeResponse(
  pieces: readonly (Buffer | string)[],
  { method = 'GET', requestComplete = true, ends = false, limits = DEFAULT_LIMITS }: ResponseOptions = {},
): ResponseTranscript {
  const socket = new MemorySocket();
  let reusable = false;
  let closed = false;
  const owner = {
    onConnected: () => {},
    onConnectFailed: () => {},
    onStreamOver: () => {},
    onLeaving: () => {},
    onResult: () => {},
    onIdle: () => {
      reusable = true;
    },
    onClosed: () => {
      reusable = false;
      closed = true;
    },
  };
  const connection = new UpstreamConnection(socket.asDialling, owner, limits);
  socket.emit('connect');
  const scribe = new ResponseScribe();
  connection.assign(scribe);
  connection.sendHead(parseRequest(headOf(`${method} / HTTP/1.1`, 'Host: a')), PLAIN_EDITS);
  if (requestComplete) connection.end([]);
  for (const piece of pieces) socket.feed(piece);
  if (ends) socket.feedEnd();
  return {
    responses: scribe.responses,
    failure: scribe.failure,
    tunnelled: scribe.tunnelled,
    reusable,
    closed,
  };
}

class ResponseScribe implements UpstreamUser {
  readonly responses: SeenResponse[] = [];
  failure: UpstreamFailure | undefined;
  tunnelled = '';

  onInterimResponse(response: ResponseMessage): void {
    this.write(response, true);
  }

  onResponseHead(response: ResponseMessage): 'raw' {
    this.write(response, false);
    return 'raw';
  }

  onResponseBody(piece: Buffer, start: number, end: number): void {
    (this.responses.at(-1) as SeenResponse).body += piece.toString('latin1', start, end);
  }

  onResponseEnd(trailers: readonly Field[]): void {
    const last = this.responses.at(-1) as SeenResponse;
    Object.assign(last, { trailers: fieldLines(trailers), complete: true });
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    this.failure = failure;
  }

  onUpstreamTunnelData(piece: Buffer): void {
    this.tunnelled += piece.toString('latin1');
  }

  private write(response: ResponseMessage, complete: boolean): void {
    // A connection of HTTP/1.1 brings nothing else.
    const head = response as ResponseHead;
    const framing = { close: head.framing.kind === 'until-close', toOldClient: false };
    this.responses.push({
      status: head.status,
      framing: head.framing.kind,
      head: forwardedResponseHead(head, { added: [], changes: undefined }, framing),
      body: '',
      trailers: '',
      complete,
    });
  }

  onUpstreamConnected(): void {}
  onUpstreamTurnEnd(): void {}
  onUpstreamDrain(): void {}
  onUpstreamTunnelEnd(): void {}
  onUpstreamTunnelClosed(): void {}
}
