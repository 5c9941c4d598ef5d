import type { Field } from '../../src/http/field-line.js';
import { headerName } from '../../src/http/header-name.js';
import type { FieldChanges } from '../../src/routing/actions.js';
import { editedRequest, editedResponseFields, rewrittenTarget } from '../http/edited-fields.js';
import type { RequestEdits, RequestMessage, ResponseEdits, ResponseMessage } from '../http/message.js';
import { isTrailerName } from '../http1/trailers.js';
import {
  AUTHORITY,
  BAGGAGE,
  FORWARDED_FOR,
  FORWARDED_PROTO,
  GRPC_TIMEOUT,
  HOST,
  METHOD,
  NOT_FORWARDED,
  PATH,
  REQUEST_ID,
  VIA,
  verdictOf,
} from './field-rules.js';
import { HeaderField, INDEXED, type Indexing, NEVER_INDEXED, NOT_INDEXED } from './header-field.js';
import { Http2Request } from './request-message.js';
import { Http2Response } from './response-message.js';

/**
 * Heads as they go out over HTTP/2. Those that came over HTTP/2 keep the fields that they came with, and with them how
 * each may be indexed; a test proves that they say the same as those that came over another protocol.
 */

const TE = headerName('te');
const TRAILERS = new HeaderField('te', 'trailers');
const PROTO_HTTP = new HeaderField('x-forwarded-proto', 'http');
const CONNECT = new HeaderField(':method', 'CONNECT');
/** A cookie that is shorter can be guessed (RFC 7541 section 7.1.3). */
const SHORT_COOKIE = 20;

/** Fields that are another in nearly every message. */
const CHANGING: ReadonlySet<string> = new Set([
  ':path',
  'content-length',
  'date',
  'etag',
  'grpc-timeout',
  'if-none-match',
  'last-modified',
  'location',
  'traceparent',
  'tracestate',
  'x-request-id',
  'x-roost-via',
]);
const SECRET: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization']);

/** @param name in lower case */
function fieldOf(name: string, value: string): HeaderField {
  return new HeaderField(name, value, indexingOf(name, value));
}

function indexingOf(name: string, value: string): Indexing {
  if (SECRET.has(name)) return NEVER_INDEXED;
  if (CHANGING.has(name)) return NOT_INDEXED;
  return name === 'cookie' && value.length < SHORT_COOKIE ? NEVER_INDEXED : INDEXED;
}

/** Adds a field in whatever case; what is not a field is not written, because a message without it does less harm. */
function add(out: HeaderField[], name: string, value: string): void {
  const field = fieldOf(name.toLowerCase(), value.trim());
  const verdict = verdictOf(field);
  if (verdict < METHOD && verdict !== HOST) out.push(field);
}

/**
 * @param scheme of the upstream, for a request that did not come over HTTP/2
 * @param protocol what an extended CONNECT is to switch to; empty: it is none
 */
export function writtenRequest(
  request: RequestMessage,
  edits: RequestEdits,
  scheme: 'http' | 'https',
  protocol: string,
): HeaderField[] {
  if (request instanceof Http2Request && request.upgradeOffer === undefined)
    return forwardedRequest(request, edits);
  const { target, authority, fields } = editedRequest(request, edits);
  const out = [
    protocol === '' ? fieldOf(':method', request.method) : CONNECT,
    fieldOf(':scheme', scheme),
    fieldOf(':authority', authority),
    fieldOf(':path', target),
  ];
  if (protocol !== '') out.push(fieldOf(':protocol', protocol));
  for (const [name, value] of fields) if (!isOfHandshake(name, protocol)) add(out, name, value);
  if (/(?:^|,)\s*trailers\s*(?:$|,)/i.test(request.header(TE) ?? '')) out.push(TRAILERS);
  return out;
}

/** RFC 8441 section 5: the key of a WebSocket's handshake is HTTP/1.1's. */
function isOfHandshake(name: string, protocol: string): boolean {
  return protocol !== '' && name.toLowerCase() === 'sec-websocket-key';
}

/** A request that came over HTTP/2. */
function forwardedRequest(request: Http2Request, edits: RequestEdits): HeaderField[] {
  const { fields, pseudoCount } = request.head;
  const { changes, baggage, grpcTimeout } = edits;
  const out = forwardedPseudo(request, edits);
  const seen = { forwardedFor: -1, proto: false, id: false };
  for (let i = pseudoCount; i < fields.length; i++) {
    const field = fields[i] as HeaderField;
    switch (verdictOf(field)) {
      case HOST:
      case NOT_FORWARDED:
      case VIA:
        continue;
      case BAGGAGE:
        if (baggage !== undefined) continue;
        break;
      case GRPC_TIMEOUT:
        if (grpcTimeout !== undefined) continue;
        break;
      case FORWARDED_FOR:
        // Of several, the last is the one to add to.
        seen.forwardedFor = out.length;
        break;
      case FORWARDED_PROTO:
        seen.proto = true;
        break;
      case REQUEST_ID:
        seen.id = true;
        break;
      default:
    }
    out.push(field);
  }
  addCallers(out, seen.forwardedFor, request.sourceIp);
  if (!seen.proto) out.push(PROTO_HTTP);
  if (!seen.id) {
    request.givenId ||= edits.requestId();
    add(out, 'x-request-id', request.givenId);
  }
  if (edits.via !== undefined) add(out, 'x-roost-via', edits.via);
  if (baggage !== undefined) add(out, 'baggage', baggage);
  if (grpcTimeout !== undefined) add(out, 'grpc-timeout', grpcTimeout);
  if (changes?.fields === undefined) return out;
  const changed = changedFields(out, changes.fields);
  // No route takes a lane away (S8).
  if (baggage !== undefined && changes.fields.dropped.has('baggage')) add(changed, 'baggage', baggage);
  return changed;
}

function forwardedPseudo(request: Http2Request, { changes }: RequestEdits): HeaderField[] {
  const { fields, pseudoCount, authority } = request.head;
  const out: HeaderField[] = [];
  let named = false;
  for (let i = 0; i < pseudoCount; i++) {
    const field = fields[i] as HeaderField;
    const verdict = verdictOf(field);
    if (verdict === PATH && changes?.path !== undefined)
      out.push(fieldOf(':path', rewrittenTarget(field.value, changes.path)));
    else if (verdict !== AUTHORITY) out.push(field);
    else {
      named = true;
      out.push(changes?.host ? fieldOf(':authority', changes.host) : field);
    }
  }
  if (!named) out.push(fieldOf(':authority', changes?.host || authority));
  return out;
}

function addCallers(out: HeaderField[], last: number, sourceIp: string): void {
  const before = out[last]?.value ?? '';
  const callers = fieldOf('x-forwarded-for', before === '' ? sourceIp : `${before}, ${sourceIp}`);
  if (last === -1) out.push(callers);
  else out[last] = callers;
}

/** Pseudo-header fields stay. */
function changedFields(fields: readonly HeaderField[], { dropped, added }: FieldChanges): HeaderField[] {
  const out = fields.filter(({ name }) => !dropped.has(name));
  for (const [name, value] of added) add(out, name, value);
  return out;
}

const STATUSES = new Map<number, HeaderField>();

function statusField(status: number): HeaderField {
  let field = STATUSES.get(status);
  if (field === undefined) {
    field = new HeaderField(':status', String(status));
    STATUSES.set(status, field);
  }
  return field;
}

/** @param edits undefined: of a response that goes on as it came. A 101 becomes the 200 of an extended CONNECT. */
export function writtenResponse(response: ResponseMessage, edits: ResponseEdits | undefined): HeaderField[] {
  if (response instanceof Http2Response && response.switchesTo === undefined)
    return forwardedResponse(response, edits);
  const { switchesTo } = response;
  const out = [statusField(switchesTo === undefined ? response.status : 200)];
  const fields = editedResponseFields(response, edits ?? { added: [], changes: undefined });
  const isInterim = response.status < 200;
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    const isFraming = lower === 'content-length' && (isInterim || response.status === 204);
    if (!isFraming && lower !== 'sec-websocket-accept') add(out, name, value);
  }
  return out;
}

function forwardedResponse(response: Http2Response, edits: ResponseEdits | undefined): HeaderField[] {
  const { fields } = response.head;
  const out: HeaderField[] = [];
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as HeaderField;
    if (verdictOf(field) !== NOT_FORWARDED) out.push(field);
  }
  if (edits === undefined) return out;
  const changed = edits.changes === undefined ? out : changedFields(out, edits.changes);
  for (const [name, value] of edits.added) add(changed, name, value);
  return changed;
}

/** An answer of the sidecar's own. */
export function answerFields(status: number, fields: readonly Field[]): HeaderField[] {
  const out = [statusField(status)];
  for (const [name, value] of fields) add(out, name, value);
  return out;
}

/** Trailers that came over any protocol, as they go on. */
export function writtenTrailers(trailers: readonly Field[]): HeaderField[] {
  const out: HeaderField[] = [];
  for (const [name, value] of trailers) add(out, name, value);
  return out;
}

/** Trailers that came over HTTP/2, without those that may not be there (RFC 9110 section 6.5.1). */
export function neutralTrailers(trailers: readonly HeaderField[]): Field[] {
  const fields: Field[] = [];
  for (const { name, value } of trailers) if (isTrailerName(name)) fields.push([name, value]);
  return fields;
}
