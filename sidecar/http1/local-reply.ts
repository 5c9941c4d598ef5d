import { STATUS_CODES } from 'node:http';
import {
  type LocalReply,
  RETRY_AFTER_SECONDS,
  replyBody,
  replyStatus,
} from '../../src/http/error-catalogue.js';
import { fieldLine } from '../../src/http/field-line.js';
import type { RedirectAnswer } from '../../src/routing/actions.js';

/** What the sidecar answers itself: something went wrong, or the route sends the caller elsewhere. */
export type LocalAnswer = LocalReply | RedirectAnswer;

export function answerStatus(answer: LocalAnswer): number {
  return 'code' in answer ? replyStatus(answer) : answer.status;
}

/** An answer of the sidecar's own, whole. */
export function localAnswerText(answer: LocalAnswer, options: ReplyOptions): string {
  return 'code' in answer ? localReplyText(answer, options) : redirectText(answer, options);
}

/** An error, whole. */
export function localReplyText(reply: LocalReply, options: ReplyOptions): string {
  const status = replyStatus(reply);
  const text = replyBody(reply);
  const retryAfter = RETRY_AFTER_SECONDS[reply.code];
  const bodyless = status === 204 || status === 304;
  const lines = [
    statusLine(status),
    `x-roost-error: ${reply.code}`,
    'content-type: text/plain; charset=utf-8',
    // RFC 9110 section 8.6: not on a 204, and of a 304 it would tell another response's length.
    ...(bodyless ? [] : [`content-length: ${Buffer.byteLength(text)}`]),
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
    ...(reply.line ? [reply.line] : []),
    ...(options.close ? ['connection: close'] : []),
  ];
  // The writer takes latin-1: the body's UTF-8 bytes, one character each.
  const body = options.head || bodyless ? '' : Buffer.from(text, 'utf8').toString('latin1');
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** No error, and without a body. */
function redirectText({ status, location, lines }: RedirectAnswer, { close }: ReplyOptions): string {
  const connection = close ? 'connection: close\r\n' : '';
  return `${statusLine(status)}\r\n${fieldLine('location', location)}content-length: 0\r\n${lines}${connection}\r\n`;
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`;
}

interface ReplyOptions {
  readonly close: boolean;
  /** The request was HEAD: the answer has no body. */
  readonly head: boolean;
}
