import { PREFACE } from '../http2/frame.js';

/** Longest start of a request line that is looked at. */
const SNIFF_BYTES = 32;

/** RFC 9113 section 3.4: what a client of HTTP/2 sends first. */
export const HTTP2_PREFACE = PREFACE.toString('latin1');

/** A method, and as much as there is of a path, of `*`, or of an `http://` URL; `CONNECT` may have anything. */
const REQUEST_LINE_START =
  /^(?:CONNECT .*|[A-Z][A-Za-z-]*(?: (?:[/*].*|[Hh](?:[Tt](?:[Tt](?:[Pp].*)?)?)?)?)?)$/s;

/** RFC 8446 section 5.1: a handshake record, version 3.x. */
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 3;

/** What the first bytes of a connection are the beginning of. */
export type Protocol = 'http1' | 'http2' | 'tls' | 'opaque';

/**
 * Tells the protocol of a connection by its first bytes. Where there are too few to tell, they are taken for HTTP/1,
 * whose parser then refuses what is not.
 *
 * @returns 'more' where they may be the beginning of HTTP/2's preface, which begins like a request of HTTP/1
 */
export function sniff(bytes: Buffer): Protocol | 'more' {
  if (bytes[0] === TLS_HANDSHAKE && (bytes.length === 1 || bytes[1] === TLS_MAJOR)) return 'tls';
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, SNIFF_BYTES));
  if (text.startsWith(HTTP2_PREFACE)) return 'http2';
  if (HTTP2_PREFACE.startsWith(text)) return 'more';
  return REQUEST_LINE_START.test(text) && !text.startsWith('PRI * HTTP/2') ? 'http1' : 'opaque';
}
