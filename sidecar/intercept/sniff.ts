/** Longest start of a request line that is looked at. */
const SNIFF_BYTES = 32;

/** A method, and as much as there is of a path, of `*`, or of an `http://` URL; `CONNECT` may have anything. */
const REQUEST_LINE_START =
  /^(?:CONNECT .*|[A-Z][A-Za-z-]*(?: (?:[/*].*|[Hh](?:[Tt](?:[Tt](?:[Pp].*)?)?)?)?)?)$/s;

/**
 * Whether the first bytes of a connection are those of an HTTP/1 request: a method in capitals, a space, and the
 * start of a target. Where the piece is too short to tell, it is taken for HTTP, whose parser then refuses what
 * is not.
 */
export function looksLikeHttp1(piece: Buffer, start: number): boolean {
  const text = piece.toString('latin1', start, Math.min(piece.length, start + SNIFF_BYTES));
  return !text.startsWith('PRI * HTTP/2') && REQUEST_LINE_START.test(text);
}
