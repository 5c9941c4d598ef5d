/** Longest start of a request line that is looked at. */
const SNIFF_BYTES = 32;

/**
 * Whether the first bytes of a connection are those of an HTTP/1 request: a method in capitals, a space, and the
 * first character of a target. Where the piece is too short to tell, it is taken for HTTP, whose parser then
 * refuses what is not.
 */
export function looksLikeHttp1(piece: Buffer, start: number): boolean {
  const text = piece.toString('latin1', start, Math.min(piece.length, start + SNIFF_BYTES));
  if (text.startsWith('PRI * HTTP/2')) return false;
  return /^[A-Z]+(?: (?:[/*]|https?:|[\w.[-].*:)|$)/i.test(text) && /^[A-Z]/.test(text);
}
