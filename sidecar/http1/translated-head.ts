import { type Field, fieldLine, fieldLines } from '../../src/http/field-line.js';
import { editedRequest, editedResponseFields } from '../http/edited-fields.js';
import type { RequestEdits, RequestMessage, ResponseEdits, ResponseMessage } from '../http/message.js';
import { LEAVING } from './connection-options.js';
import type { ResponseFraming } from './forwarded-head.js';
import { statusLine } from './local-reply.js';

/** Heads of HTTP/1.1 for messages that came over another protocol. Ready for the body. */

export function translatedRequestHead(request: RequestMessage, edits: RequestEdits): string {
  const { target, authority, fields } = editedRequest(request, edits);
  const offer = edits.offersNothing ? undefined : request.upgradeOffer;
  return (
    `${request.method} ${target} HTTP/1.1\r\n${fieldLine('Host', authority)}${framedLines(fields, request.bodyLength)}` +
    `${offer === undefined ? '' : `Connection: Upgrade\r\n${fieldLine('Upgrade', offer)}`}\r\n`
  );
}

export function translatedResponseHead(
  response: ResponseMessage,
  edits: ResponseEdits,
  { close, leaving, toOldClient }: ResponseFraming,
): string {
  const { status, switchesTo } = response;
  const fields = editedResponseFields(response, edits);
  // RFC 9110 section 8.6, RFC 9112 section 6.1: no framing on a 1xx or a 204; and no chunks for HTTP/1.0.
  const unframed = status < 200 || status === 204;
  const lines = unframed
    ? fieldLines(fields.filter(([name]) => name.toLowerCase() !== 'content-length'))
    : toOldClient
      ? fieldLines(fields)
      : framedLines(fields, response.bodyLength);
  const connection = close
    ? `Connection: close${leaving ? `, ${LEAVING}` : ''}\r\n`
    : toOldClient
      ? 'Connection: keep-alive\r\n'
      : '';
  const upgrade =
    switchesTo === undefined ? '' : `Connection: Upgrade\r\n${fieldLine('Upgrade', switchesTo)}`;
  return `${statusLine(status)}\r\n${lines}${status < 200 ? upgrade : connection}\r\n`;
}

/** A body without a length goes in chunks (RFC 9112 section 7.1). */
function framedLines(fields: readonly Field[], bodyLength: number | undefined): string {
  return fieldLines(fields) + (bodyLength === undefined ? 'transfer-encoding: chunked\r\n' : '');
}
