/**
 * Text beyond ASCII. What comes from a socket is a byte string: a JavaScript string of latin-1, one character for each
 * byte. Configuration is text. The two meet as bytes of UTF-8, and these are what is compared and hashed.
 */

const BEYOND_ASCII = /[\u0080-\uffff]/;

/** The UTF-8 bytes of a text, as a byte string. ASCII stays as it is. */
export function utf8Bytes(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** The text that a byte string is in UTF-8; U+FFFD stands for bytes that are no UTF-8. */
export function utf8Text(bytes: string): string {
  return BEYOND_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** In lower case as far as ASCII goes: the bytes of other letters are no letters. */
export function lowerAscii(bytes: string): string {
  return BEYOND_ASCII.test(bytes)
    ? bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    : bytes.toLowerCase();
}

/**
 * The part of a byte string between two positions without the spaces and tabs around it (RFC 9110 section 5.6.3).
 * `String.trim` takes away bytes of letters as well: 0xA0, the second byte of "à", is a space to it.
 */
export function trimBlanks(bytes: string, from = 0, to = bytes.length): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(bytes.charCodeAt(start))) start++;
  while (end > start && isBlank(bytes.charCodeAt(end - 1))) end--;
  return bytes.slice(start, end);
}

export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Every `%XX` as the byte that it stands for; what only looks like one is left as it is. */
export function percentDecode(bytes: string): string {
  if (!bytes.includes('%')) return bytes;
  return bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** What is not visible ASCII, and "#", which ends the target of a request. */
const NOT_IN_URL = /[^\x21\x22\x24-\x7e]/g;

/**
 * A text as it stands in the path or the query of a request: what cannot stand there is percent-encoded, as clients
 * do it. What is encoded already stays as it is.
 */
export function urlText(text: string): string {
  return utf8Bytes(text).replace(NOT_IN_URL, percentEncode);
}

/** The hexadecimal digits of every `%XX` in upper case: the other ones mean the same (RFC 3986 section 6.2.2.1). */
export function upperEscapes(bytes: string): string {
  return bytes.includes('%') ? bytes.replace(/%[0-9A-Fa-f]{2}/g, (encoded) => encoded.toUpperCase()) : bytes;
}

/** A byte as `%XX`. */
export function percentEncode(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
