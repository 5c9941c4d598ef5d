import { METHODS } from 'node:http';
import type { HttpLimits } from '../../sidecar/http/limits.js';
import { translatedRequestHead } from '../../sidecar/http1/translated-head.js';
import { Http2Connection } from '../../sidecar/http2/connection.js';
import type { Http2Owner } from '../../sidecar/http2/connection-owner.js';
import { ERROR } from '../../sidecar/http2/error-code.js';
import { http2Limits } from '../../sidecar/http2/limits.js';
import type { RequestFields } from '../../sidecar/http2/message-head.js';
import { Http2Request } from '../../sidecar/http2/request-message.js';
import type { Http2Stream, StreamUser } from '../../sidecar/http2/stream.js';
import { MemorySocket } from '../support/http1/memory-socket.js';
import { contentOf } from '../support/http1/oracles.js';
import { transcribeRequests } from '../support/http1/transcripts.js';
import {
  block,
  data,
  FLAG,
  frame,
  headers,
  PREFACE,
  request,
  reset,
  settings,
  TYPE,
  windowUpdate,
} from '../support/http2/frames.js';
import { readByNode } from './node-reader.js';

/** A request as the codec tells of it. */
interface Seen {
  readonly id: number;
  readonly request: Http2Request;
  /** In latin-1. */
  content: string;
  complete: boolean;
  failure: string;
}

interface Transcript {
  readonly requests: readonly Seen[];
  readonly malformed: readonly string[];
  readonly end: string;
}

/** What a server makes of these bytes, which a client sends after its preface and settings. */
export function transcribeHttp2(pieces: readonly Buffer[], limits: HttpLimits): Transcript {
  const requests: Seen[] = [];
  const malformed: string[] = [];
  let end = '';
  const owner: Http2Owner = {
    limits: http2Limits(limits),
    nowMs: () => 0,
    onRequest({ id }, fields, endStream) {
      const seen = {
        id,
        request: requestOf(fields, endStream),
        content: '',
        complete: endStream,
        failure: '',
      };
      requests.push(seen);
      return userOf(seen);
    },
    onHeadTooLarge(stream: Http2Stream) {
      malformed.push('too large');
      stream.reset(ERROR.noError);
    },
    onMalformed: (reason) => void malformed.push(reason),
    onCapacity() {},
    onRetired() {},
    onClosed(reason) {
      end = reason;
    },
  };
  const { asSocket: socket } = new MemorySocket();
  const connection = new Http2Connection({ socket, role: 'server', owner, isFed: true });
  // As a socket's buffer is, used again after each piece.
  for (const piece of [Buffer.concat([PREFACE, settings()]), ...pieces]) {
    const copy = Buffer.from(piece);
    connection.receive(copy);
    copy.fill(0xff);
  }
  connection.onClose('all was read');
  return { requests, malformed, end };
}

function requestOf(fields: RequestFields, endStream: boolean): Http2Request {
  return new Http2Request(fields, '192.0.2.7', endStream);
}

function userOf(seen: Seen): StreamUser {
  return {
    onResponse() {},
    onData: (piece, start, end) => {
      seen.content += piece.toString('latin1', start, end);
    },
    onEnd: () => {
      seen.complete = true;
    },
    onReset: ({ code, reason }) => {
      seen.failure = `${code} ${reason}`;
    },
    onDrain() {},
    onTurnEnd() {},
  };
}

/** Of a request that broke off, how much of its content came before depends on what came together. */
export function http2Outcome({ requests, malformed, end }: Transcript): string {
  const shown = requests.map(({ id, request, content, complete, failure }) => ({
    id,
    head: [request.method, request.target, request.authority, request.upgradeOffer],
    fields: fieldsOf(request),
    content: complete ? content : '',
    complete,
    failure,
  }));
  return JSON.stringify({ shown, malformed, end });
}

function fieldsOf(request: Http2Request): string[] {
  const fields: string[] = [];
  // A key is made up for each WebSocket.
  request.eachField((name, value) => {
    if (name !== 'sec-websocket-key') fields.push(`${name}: ${value}`);
  });
  return fields;
}

/** A request as it goes on over HTTP/1.1, and whatever two other parsers read differently in it. */
export function misread({ request, content }: Seen, limits: HttpLimits): string | undefined {
  const { method, target, authority, bodyLength } = request;
  const edits = { requestId: () => 'an-id', baggage: undefined };
  const head = translatedRequestHead(request, edits);
  const chunks = content === '' ? '' : `${content.length.toString(16)}\r\n${content}\r\n`;
  const bytes = head + (bodyLength === undefined ? `${chunks}0\r\n\r\n` : content);
  const again = transcribeRequests([bytes], 'at-once', limits);
  const [first, second] = again.requests;
  const isSame =
    again.refused === undefined &&
    second === undefined &&
    first?.complete &&
    JSON.stringify([first.method, first.target, first.authority, contentOf(first)]) ===
      JSON.stringify([method, target, authority, content]);
  if (!isSame) return `our own parser misreads ${JSON.stringify(bytes)}`;
  if (!METHODS.includes(method) || request.upgradeOffer !== undefined) return undefined;
  const read = readByNode(bytes)?.map((each) => [each.method, each.target, each.body, each.complete]);
  return JSON.stringify(read) === JSON.stringify([[method, target, content, true]])
    ? undefined
    : `node:http reads ${JSON.stringify(bytes)} as ${JSON.stringify(read) ?? 'malformed'}`;
}

const POST = request('POST', '/x?y=z', ['x-a', 'b'], ['content-type', 'x/y']);
/** An entry for the dynamic table, and a head that refers to it. */
const INDEXED = Buffer.concat([block(POST), Buffer.from('400178017abebfbe', 'hex')]);

/** What mutation starts from. */
export const HTTP2_SEEDS: readonly Buffer[] = [
  [headers(1, request('GET', '/'))],
  [headers(1, POST, false), data(1, 'content', true)],
  [headers(1, [...POST, ['content-length', '7']], false), data(1, 'con'), data(1, 'tent', true)],
  [headers(1, POST, false), data(1, 'x'), headers(1, [['x-sum', '1']])],
  [frame(TYPE.headers, FLAG.endHeaders, 1, INDEXED), frame(TYPE.headers, FLAG.endHeaders | 1, 3, INDEXED)],
  [
    frame(TYPE.headers, 1, 1, block(POST).subarray(0, 9)),
    frame(TYPE.continuation, 4, 1, block(POST).subarray(9)),
  ],
  [
    headers(
      1,
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ],
      false,
    ),
    data(1, 'x'),
  ],
  [headers(1, [...request('CONNECT', '/'), [':protocol', 'websocket']], false), data(1, 'x')],
  [headers(1, [...request('GET', '/'), ['cookie', 'a=1'], ['cookie', 'b=2'], ['host', 'A.test']])],
  [headers(1, POST, false), reset(1), headers(3, POST), windowUpdate(0, 9), windowUpdate(1, 9)],
  [
    frame(TYPE.ping, 0, 0, Buffer.alloc(8)),
    settings([1, 0], [4, 9]),
    frame(TYPE.priority, 0, 5, Buffer.alloc(5)),
  ],
  [
    frame(TYPE.data, 9, 1, '\x02okPP'),
    frame(TYPE.goAway, 0, 0, Buffer.alloc(8)),
    frame(0xab, 0xff, 7, 'any'),
  ],
  [
    frame(
      TYPE.headers,
      0x2d,
      1,
      Buffer.concat([Buffer.from([1, 0, 0, 0, 3, 9]), block(POST), Buffer.alloc(1)]),
    ),
  ],
].map((frames) => Buffer.concat(frames));
