import { fieldLines } from '../../src/http/field-line.js';
import type { RequestEdits, ResponseEdits } from '../http/message.js';
import { changedFields, changedRequestHead } from './changed-head.js';
import { DIGIT_ZERO } from './characters.js';
import { LEAVING } from './connection-options.js';
import { type HeaderBlock, ID, KNOWN_HEADERS, type KnownHeader } from './header-block.js';
import type { RequestHead } from './request-head.js';
import type { ResponseHead } from './response-head.js';

/**
 * Heads as they go on to the other side: fields that are for one hop only removed (RFC 9110 section 7.6.1), a few
 * changed or added, all others as they came, in their order and letter case.
 */

/** As it is, not at all, with a new value, or with the one way of writing it that nobody misreads. */
const KEEP = 0;
const REMOVE = 1;
const REPLACE = 2;
const RESPELL = 3;
type Action = typeof KEEP | typeof REMOVE | typeof REPLACE | typeof RESPELL;

function actions(table: Partial<Record<KnownHeader, Action>>): Uint8Array {
  return Uint8Array.from(KNOWN_HEADERS, (name) => table[name] ?? KEEP);
}

const HOP_BY_HOP = {
  connection: REMOVE,
  'keep-alive': REMOVE,
  'proxy-connection': REMOVE,
  te: REMOVE,
  upgrade: REMOVE,
  // A sidecar's word to the next one: nobody else's is passed on.
  'x-roost-app-refuses': REMOVE,
} as const;
/** Over tabs, capitals and leading zeros parsers differ, which is how one is told another length than the next. */
const FRAMING = { 'content-length': RESPELL, 'transfer-encoding': RESPELL } as const;

const REQUEST_ACTIONS = actions({
  ...HOP_BY_HOP,
  ...FRAMING,
  'proxy-authorization': REMOVE,
  // Only ever meant to turn a connection into HTTP/2, which is the hop's own business.
  'http2-settings': REMOVE,
  'x-forwarded-for': REPLACE,
  'x-roost-via': REMOVE,
});
const ABSOLUTE_FORM_ACTIONS = actions({ ...tableOf(REQUEST_ACTIONS), host: REPLACE });
/** A client of HTTP/1.0 waits for no 100, and its expectation is to be ignored (RFC 9110 section 10.1.1). */
const OLD_CLIENT_ACTIONS = actions({ ...tableOf(REQUEST_ACTIONS), expect: REMOVE });
const OLD_ABSOLUTE_FORM_ACTIONS = actions({ ...tableOf(ABSOLUTE_FORM_ACTIONS), expect: REMOVE });
const RESPONSE_ACTIONS = actions({ ...HOP_BY_HOP, ...FRAMING });
/** RFC 9110 section 8.6, RFC 9112 section 6.1: neither belongs on a 1xx or a 204. */
const BODYLESS_ACTIONS = actions({ ...HOP_BY_HOP, 'content-length': REMOVE, 'transfer-encoding': REMOVE });
/** For clients of HTTP/1.0, which know no chunks. */
const UNCHUNKED_ACTIONS = actions({
  ...HOP_BY_HOP,
  ...FRAMING,
  'transfer-encoding': REMOVE,
  trailer: REMOVE,
});

function tableOf(values: Uint8Array): Partial<Record<KnownHeader, Action>> {
  return Object.fromEntries(KNOWN_HEADERS.map((name, id) => [name, values[id] as Action]));
}

/** The head to send upstream, without the empty line at its end left out: ready for the body. */
export function forwardedRequestHead(request: RequestHead, edits: RequestEdits): string {
  const line = `${request.method} ${request.target} HTTP/1.1\r\n`;
  const text = carriedFields(request, requestActions(request), edits.baggage !== undefined);
  const head = `${line}${text}${addedToRequest(request, edits)}\r\n`;
  return edits.changes === undefined ? head : changedRequestHead(head, edits.changes, edits.baggage);
}

/**
 * The fields that go on, those that stay as they came in runs.
 *
 * @param table what happens to each known header; only requests have any to replace
 */
function carriedFields(
  message: RequestHead | ResponseHead,
  table: Uint8Array,
  dropsBaggage: boolean,
): string {
  const { headers } = message;
  const { nominated } = message.connection;
  let text = '';
  let runStart = 0;
  for (let i = 0; i < headers.count; i++) {
    const id = headers.idAt(i);
    let action = id === -1 ? KEEP : (table[id] as Action);
    if (nominated.length > 0 && nominated.includes(headers.nameAt(i).toLowerCase())) action = REMOVE;
    if (id === ID.baggage && dropsBaggage) action = REMOVE;
    if (action === RESPELL && isPlainFraming(headers, i)) action = KEEP;
    if (action === KEEP) continue;
    text += headers.lines(runStart, i);
    if (action === REPLACE) text += replacement(message as RequestHead, id, i);
    else if (action === RESPELL) text += plainFraming(headers, i);
    runStart = i + 1;
  }
  return text + headers.lines(runStart, headers.count);
}

function requestActions({ absoluteForm, minorVersion }: RequestHead): Uint8Array {
  if (minorVersion === 0) return absoluteForm ? OLD_ABSOLUTE_FORM_ACTIONS : OLD_CLIENT_ACTIONS;
  return absoluteForm ? ABSOLUTE_FORM_ACTIONS : REQUEST_ACTIONS;
}

function replacement(request: RequestHead, id: number, field: number): string {
  const { headers } = request;
  if (id === ID.host) return `${headers.nameAt(field)}: ${request.targetAuthority}\r\n`;
  // Of several X-Forwarded-For, the last is the one to add to.
  if (hasLater(headers, field, id)) return headers.lines(field, field + 1);
  const before = headers.valueAt(field);
  return `${headers.nameAt(field)}: ${before === '' ? '' : `${before}, `}${request.sourceIp}\r\n`;
}

/** `Name: chunked`, or `Name: ` and a number without leading zeros. */
function isPlainFraming(headers: HeaderBlock, field: number): boolean {
  if (!headers.isPlainlySpaced(field)) return false;
  const value = headers.valueAt(field);
  return value === 'chunked' || value === '0' || (value.charCodeAt(0) > DIGIT_ZERO && value < ':');
}

function plainFraming(headers: HeaderBlock, field: number): string {
  const value = headers.valueAt(field);
  const isLength = headers.idAt(field) === ID['content-length'];
  return `${headers.nameAt(field)}: ${isLength ? Number(value) : value.toLowerCase()}\r\n`;
}

function hasLater(headers: HeaderBlock, field: number, id: number): boolean {
  for (let i = field + 1; i < headers.count; i++) if (headers.idAt(i) === id) return true;
  return false;
}

function addedToRequest(request: RequestHead, edits: RequestEdits): string {
  const { headers } = request;
  let added = '';
  // An HTTP/1.0 request may come without, and may not go on without.
  if (headers.countOf(ID.host) === 0) added += `Host: ${request.targetAuthority}\r\n`;
  if (headers.countOf(ID['x-forwarded-for']) === 0) added += `x-forwarded-for: ${request.sourceIp}\r\n`;
  if (headers.countOf(ID['x-forwarded-proto']) === 0) added += 'x-forwarded-proto: http\r\n';
  if (headers.countOf(ID['x-request-id']) === 0) {
    request.givenId ||= edits.requestId();
    added += `x-request-id: ${request.givenId}\r\n`;
  }
  if (edits.via !== undefined) added += `x-roost-via: ${edits.via}\r\n`;
  if (edits.baggage !== undefined) added += `baggage: ${edits.baggage}\r\n`;
  const protocol = edits.offersNothing ? undefined : request.upgradeOffer;
  if (protocol !== undefined) added += `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`;
  return added;
}

/** What this connection makes of the response, whatever the policy changes in it. */
export interface ResponseFraming {
  /** The client's connection ends after this response. */
  readonly close: boolean;
  /** Said with it: whoever answers is about to stop. */
  readonly leaving?: boolean;
  /** The client speaks HTTP/1.0. */
  readonly toOldClient: boolean;
}

/** The head to send downstream, ready for the body. */
export function forwardedResponseHead(
  response: ResponseHead,
  edits: ResponseEdits,
  framing: ResponseFraming,
): string {
  const { headers, status } = response;
  const line = `HTTP/1.1 ${response.statusAndReason}\r\n`;
  let text = carriedFields(response, responseActions(response, framing), false);
  if (edits.changes !== undefined) text = changedFields(text, edits.changes);
  text = line + text + fieldLines(edits.added);
  if (status === 101) text += `Connection: Upgrade\r\nUpgrade: ${headers.known(ID.upgrade)}\r\n`;
  else if (status >= 200) {
    if (framing.close)
      text += framing.leaving ? `Connection: close, ${LEAVING}\r\n` : 'Connection: close\r\n';
    else if (framing.toOldClient) text += 'Connection: keep-alive\r\n';
  }
  return `${text}\r\n`;
}

function responseActions({ status }: ResponseHead, { toOldClient }: ResponseFraming): Uint8Array {
  if (status < 200 || status === 204) return BODYLESS_ACTIONS;
  return toOldClient ? UNCHUNKED_ACTIONS : RESPONSE_ACTIONS;
}
