import { ProtocolError } from '../http/protocol-error.js';
import { type HeaderBlock, ID } from './header-block.js';

/** How long a body is, and how that is known (RFC 9112 section 6.3). */
export type BodyKind = 'none' | 'length' | 'chunked' | 'until-close';

export interface Framing {
  readonly kind: BodyKind;
  /** Bytes of a body of kind `length`. */
  readonly length: number;
}

const NO_BODY: Framing = { kind: 'none', length: 0 };
const CHUNKED: Framing = { kind: 'chunked', length: 0 };
const UNTIL_CLOSE: Framing = { kind: 'until-close', length: 0 };

/** Bytes of the body; undefined: only its end will tell. */
export function bodyLengthOf({ kind, length }: Framing): number | undefined {
  return kind === 'chunked' || kind === 'until-close' ? undefined : length;
}

/**
 * Framing of a request. Everything that two parsers could read differently is refused: both headers at once,
 * either of them twice, a length that is not all digits, a coding other than `chunked`, chunks on HTTP/1.0.
 *
 * @throws ProtocolError
 */
export function requestFraming(headers: HeaderBlock, minorVersion: number): Framing {
  return declaredFraming(headers, minorVersion) ?? NO_BODY;
}

/**
 * Framing of a response to a request with this method.
 *
 * @throws ProtocolError
 */
export function responseFraming(
  headers: HeaderBlock,
  minorVersion: number,
  status: number,
  method: string,
): Framing {
  const declared = declaredFraming(headers, minorVersion);
  // RFC 9110 section 8.6, RFC 9112 section 6.1: what claims to be both interim and with a body is not to be trusted.
  if (status < 200 && declared !== undefined && declared.kind !== 'none')
    throw new ProtocolError('an interim response has no body');
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NO_BODY;
  return declared ?? UNTIL_CLOSE;
}

/** A 204 that declares a body all the same: whoever sent it may well send that body, too. */
export function hasStrayBody(headers: HeaderBlock, status: number): boolean {
  if (status !== 204) return false;
  return (
    headers.countOf(ID['transfer-encoding']) > 0 || Number(headers.known(ID['content-length']) ?? '0') > 0
  );
}

function declaredFraming(headers: HeaderBlock, minorVersion: number): Framing | undefined {
  const codings = headers.countOf(ID['transfer-encoding']);
  const lengths = headers.countOf(ID['content-length']);
  if (codings > 0) {
    if (lengths > 0) throw new ProtocolError('both Transfer-Encoding and Content-Length are given');
    if (minorVersion === 0) throw new ProtocolError('Transfer-Encoding is not part of HTTP/1.0');
    checkCoding(codings, headers.known(ID['transfer-encoding']) as string);
    return CHUNKED;
  }
  if (lengths === 0) return undefined;
  if (lengths > 1) throw new ProtocolError('Content-Length is given more than once');
  const length = parseContentLength(headers.known(ID['content-length']) as string);
  return length === 0 ? NO_BODY : { kind: 'length', length };
}

function checkCoding(count: number, value: string): void {
  if (count > 1) throw new ProtocolError('Transfer-Encoding is given more than once');
  if (value.toLowerCase() === 'chunked') return;
  // RFC 9112 section 6.1: a coding that is not understood is 501; anything that only resembles "chunked" is malformed.
  const status = /^[\w-]+$/.test(value) && !/chunked/i.test(value) ? 501 : 400;
  throw new ProtocolError('the Transfer-Encoding is not "chunked"', status);
}

/** RFC 9110 section 8.6: digits and nothing else; at most what a double counts exactly. */
function parseContentLength(value: string): number {
  if (!/^\d{1,16}$/.test(value)) throw new ProtocolError('the Content-Length is not a plain decimal number');
  const length = Number(value);
  if (!Number.isSafeInteger(length)) throw new ProtocolError('the Content-Length is too large');
  return length;
}
