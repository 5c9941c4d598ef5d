import {
  ERROR_CATALOGUE,
  type LocalReply,
  RETRY_AFTER_SECONDS,
  replyBody,
} from '../../src/http/error-catalogue.js';

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

/**
 * An answer of the sidecar's own, whole.
 *
 * @param options.head the request was HEAD: the answer has no body
 */
export function localReplyText(
  reply: LocalReply,
  options: { readonly close: boolean; readonly head: boolean },
): string {
  const { status } = ERROR_CATALOGUE[reply.code];
  const body = replyBody(reply);
  const retryAfter = RETRY_AFTER_SECONDS[reply.code];
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ''}`,
    `x-roost-error: ${reply.code}`,
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
    ...(options.close ? ['connection: close'] : []),
  ];
  // The writer takes latin-1: the body's UTF-8 bytes, one character each.
  const bytes = options.head ? '' : Buffer.from(body, 'utf8').toString('latin1');
  return `${lines.join('\r\n')}\r\n\r\n${bytes}`;
}
