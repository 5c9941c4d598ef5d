import { DEFAULT_LIMITS, type HttpLimits } from '../../../sidecar/http/limits.js';
import { ProtocolError } from '../../../sidecar/http/protocol-error.js';
import { HeadCollector } from '../../../sidecar/http1/head-collector.js';
import { RequestHead } from '../../../sidecar/http1/request-head.js';
import { ResponseHead } from '../../../sidecar/http1/response-head.js';

export const SOURCE_IP = '192.0.2.7';

/** Lines as a head: each with its end, and the empty line behind them. */
export function headOf(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A request head that arrives in one piece. @throws ProtocolError */
export function parseRequest(text: string, limits: HttpLimits = DEFAULT_LIMITS): RequestHead {
  const request = new RequestHead(limits.maxFields, SOURCE_IP);
  request.parse(collected(text, limits, true));
  return request;
}

/** A response head that arrives in one piece. @throws ProtocolError */
export function parseResponse(
  text: string,
  method = 'GET',
  limits: HttpLimits = DEFAULT_LIMITS,
): ResponseHead {
  const response = new ResponseHead(limits.maxFields);
  response.parse(collected(text, limits, false), method);
  return response;
}

function collected(text: string, limits: HttpLimits, ofRequest: boolean): string {
  const heads = new HeadCollector(limits.maxHeadBytes, ofRequest);
  const end = heads.collect(Buffer.from(text, 'latin1'), 0);
  if (end === -1) throw new Error('the head has no end');
  return heads.text;
}

/**
 * What happens to a message: `ok`, or the status that its sender gets.
 *
 * @throws whatever is thrown that is no ProtocolError
 */
export function verdict(parse: () => unknown): 'ok' | ProtocolError['status'] {
  try {
    parse();
    return 'ok';
  } catch (error) {
    if (error instanceof ProtocolError) return error.status;
    throw error;
  }
}

/** Text with its control characters made visible, for titles. */
export function shown(text: string): string {
  const escaped = JSON.stringify(text).replace(/[\x7f-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
  return escaped.length > 100 ? `${escaped.slice(0, 97)}…"` : escaped;
}
