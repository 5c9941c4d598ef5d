import { percentDecode, percentEncode, utf8Bytes } from './byte-text.js';

/**
 * The one reader of query parameters, for conditions and session keys alike: the value as it stands in the URL. A
 * parameter is `name=value` between ampersands; without an "=", its value is empty. Of several with the name, the
 * first counts, as in Envoy.
 *
 * @param name as apps read it, or as it stands in the URL
 * @returns undefined where there is none.
 */
export function readParameter(query: string, name: string): string | undefined {
  const mayBeEncoded = query.includes('%') || query.includes('+');
  let equals = -1;
  for (let from = 0; from <= query.length; ) {
    let end = query.indexOf('&', from);
    if (end === -1) end = query.length;
    // Looked for once: a query of nothing but ampersands would otherwise cost time by the square of its length.
    if (equals < from) equals = query.indexOf('=', from);
    if (equals === -1) equals = query.length;
    const nameEnd = Math.min(equals, end);
    if (isNamed(query, from, nameEnd, name, mayBeEncoded))
      return query.slice(Math.min(nameEnd + 1, end), end);
    from = end + 1;
  }
  return undefined;
}

function isNamed(query: string, from: number, end: number, name: string, mayBeEncoded: boolean): boolean {
  if (end - from === name.length && query.startsWith(name, from)) return true;
  return mayBeEncoded && end - from >= name.length && decodeParameter(query.slice(from, end)) === name;
}

/** A parameter's name as configuration has it, as {@link readParameter} takes it: bytes, without percent-encoding. */
export function parameterName(text: string): string {
  return percentDecode(utf8Bytes(text));
}

/** A name or value as apps read it (`application/x-www-form-urlencoded`): "+" is a space, `%XX` a byte. */
export function decodeParameter(written: string): string {
  return percentDecode(written.includes('+') ? written.replaceAll('+', ' ') : written);
}

/** What `decodeParameter` makes this of: what RFC 3986 section 2.3 calls unreserved as it is, all else encoded. */
export function encodeParameter(bytes: string): string {
  return bytes.replace(/[^A-Za-z0-9\-._~]/g, percentEncode);
}
