/**
 * A message read the plain way, for tests that look at what really went over a connection. It shares nothing with
 * the codec that it helps to test, and understands only what is well-formed.
 */
export interface PlainMessage {
  /** `GET / HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly line: string;
  /** Field lines as they were written. */
  readonly fields: readonly string[];
  /** Content, without chunk framing. */
  readonly body: string;
  readonly trailers: readonly string[];
  /** Bytes that the message takes. */
  readonly length: number;
}

/** Which messages have no body whatever they declare. */
export type Expecting = 'request' | 'response' | 'response to HEAD';

/**
 * The message that a text starts with; undefined while it is not complete.
 *
 * @param ended no more will come: a response without a length is complete
 */
export function readMessage(text: string, expecting: Expecting, ended: boolean): PlainMessage | undefined {
  const endOfHead = text.indexOf('\r\n\r\n');
  if (endOfHead === -1) return undefined;
  const [line = '', ...fields] = text.slice(0, endOfHead).split('\r\n');
  const bodyStart = endOfHead + 4;
  const whole = (body: string, length: number, trailers: readonly string[] = []) => ({
    line,
    fields,
    body,
    trailers,
    length,
  });
  const bodyless = expecting === 'response to HEAD' || /^HTTP\/1\.1 (1\d\d|204|304)/.test(line);
  if (bodyless) return whole('', bodyStart);
  if (fieldOf(fields, 'transfer-encoding') !== undefined) {
    const chunks = readChunks(text, bodyStart);
    return chunks && whole(chunks.body, chunks.end, chunks.trailers);
  }
  const length = fieldOf(fields, 'content-length');
  if (length === undefined) {
    if (expecting === 'request') return whole('', bodyStart);
    return ended ? whole(text.slice(bodyStart), text.length) : undefined;
  }
  const end = bodyStart + Number(length);
  return text.length < end ? undefined : whole(text.slice(bodyStart, end), end);
}

function readChunks(text: string, start: number) {
  let body = '';
  for (let at = start; ; ) {
    const endOfLine = text.indexOf('\r\n', at);
    if (endOfLine === -1) return undefined;
    const size = Number.parseInt(text.slice(at, endOfLine), 16);
    if (Number.isNaN(size)) throw new Error(`no chunk size: ${JSON.stringify(text.slice(at, at + 20))}`);
    at = endOfLine + 2;
    if (size === 0) {
      if (text.startsWith('\r\n', at)) return { body, trailers: [], end: at + 2 };
      const end = text.indexOf('\r\n\r\n', at);
      return end === -1 ? undefined : { body, trailers: text.slice(at, end).split('\r\n'), end: end + 4 };
    }
    if (text.length < at + size + 2) return undefined;
    body += text.slice(at, at + size);
    at += size + 2;
  }
}

/** Value of the first field with this name. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  const found = fields.find((field) => field.slice(0, field.indexOf(':')).toLowerCase() === name);
  return found?.slice(found.indexOf(':') + 1).trim();
}
