import type { AbuseMeter } from './abuse-meter.js';
import type { Http2Owner } from './connection-owner.js';
import { ERROR } from './error-code.js';
import type { ReceivedHead } from './head-receiver.js';
import type { HeaderField } from './header-field.js';
import type { DecodedBlock } from './hpack-decoder.js';
import type { Http2Limits } from './limits.js';
import {
  type Malformed,
  type RequestFields,
  readRequest,
  readResponse,
  trailersProblem,
} from './message-head.js';
import type { Http2Stream } from './stream.js';
import type { StreamNumbers } from './stream-numbers.js';

/** A server asks for a new connection once its client has used so many of its stream numbers. */
const RETIRING_STREAM_ID = 0x7ff0_0000;
const NO_FIELDS: readonly HeaderField[] = [];

/** What the dispatch of heads needs of its connection. */
export interface HeadHost {
  readonly owner: Http2Owner;
  readonly limits: Http2Limits;
  readonly meter: AbuseMeter;
  readonly numbers: StreamNumbers;
  /** It does not drain, and has fewer streams than it may. */
  readonly takesRequests: boolean;
  streamOf(id: number): Http2Stream | undefined;
  /** A client's stream begins. */
  accept(streamId: number): Http2Stream;
  /** Ends a stream that was not handed on. */
  refuse(streamId: number, code: number): void;
  failStream(stream: Http2Stream, code: number, reason: string): void;
  /** The peer has ended its side of the stream. */
  endReceiving(stream: Http2Stream, trailers: readonly HeaderField[]): void;
  /** Its user is about to be told something. */
  touch(stream: Http2Stream): void;
  drain(): void;
}

/** Tells what a received head is (a request, a response or trailers), and gives it to its stream (RFC 9113 section 8.1). */
export class HeadDispatch {
  constructor(private readonly host: HeadHost) {}

  /** @throws ConnectionError */
  onHead({ streamId, endStream, block }: ReceivedHead): void {
    const { host } = this;
    host.meter.useful('ping');
    const stream = host.streamOf(streamId);
    if (stream === undefined) {
      if (host.numbers.isNew(streamId)) this.onRequestBlock(streamId, endStream, block);
      else host.numbers.expectReset(streamId, 'HEADERS');
    } else if (!stream.isReceiving)
      host.failStream(stream, ERROR.streamClosed, 'a head comes behind the end');
    else if (stream.hasHead) this.onTrailers(stream, endStream, block);
    else this.onResponseBlock(stream, endStream, block);
  }

  private onRequestBlock(streamId: number, endStream: boolean, block: DecodedBlock): void {
    const { host } = this;
    if (!host.takesRequests) {
      host.refuse(streamId, ERROR.refusedStream);
      return;
    }
    const request = block.tooLarge ? undefined : requestOf(block, endStream);
    if (typeof request === 'string') {
      host.owner.onMalformed(request);
      host.refuse(streamId, ERROR.protocolError);
      return;
    }
    const stream = host.accept(streamId);
    if (request === undefined) {
      if (endStream) stream.receiveEnd(NO_FIELDS);
      host.owner.onHeadTooLarge(stream);
      return;
    }
    stream.expectedLength = request.contentLength;
    if (endStream) stream.move('end-received');
    stream.user = host.owner.onRequest(stream, request, endStream);
    if (streamId >= RETIRING_STREAM_ID) host.drain();
  }

  private onResponseBlock(stream: Http2Stream, endStream: boolean, block: DecodedBlock): void {
    const response = block.tooLarge ? 'its head is too large' : readResponse(block.fields);
    if (typeof response === 'string') {
      this.host.failStream(stream, ERROR.protocolError, response);
      return;
    }
    const isInterim = response.status < 200;
    const problem = isInterim ? this.interimProblem(stream, endStream) : undefined;
    if (problem !== undefined) {
      this.host.failStream(stream, ERROR.protocolError, problem);
      return;
    }
    if (!isInterim) {
      stream.hasHead = true;
      const hasNone = stream.isHead || response.status === 204 || response.status === 304;
      stream.expectedLength = hasNone ? 0 : response.contentLength;
    }
    this.host.touch(stream);
    stream.user?.onResponse(response, endStream);
    if (endStream && !stream.isOver) this.host.endReceiving(stream, NO_FIELDS);
  }

  private interimProblem(stream: Http2Stream, endStream: boolean): string | undefined {
    if (endStream) return 'an interim response ends the stream';
    return ++stream.interims > this.host.limits.maxInterimResponses
      ? 'too many interim responses'
      : undefined;
  }

  private onTrailers(stream: Http2Stream, endStream: boolean, { fields, tooLarge }: DecodedBlock): void {
    const problem = tooLarge ? 'its trailers are too large' : trailersProblem(fields);
    if (problem !== undefined || !endStream)
      this.host.failStream(stream, ERROR.protocolError, problem ?? 'trailers do not end the stream');
    else this.host.endReceiving(stream, fields);
  }
}

/** A request without content must not announce any. */
function requestOf({ fields }: DecodedBlock, endStream: boolean): RequestFields | Malformed {
  const request = readRequest(fields);
  if (typeof request === 'string' || !endStream || request.contentLength <= 0) return request;
  return 'there is less content than content-length says';
}
