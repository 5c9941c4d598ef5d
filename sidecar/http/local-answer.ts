import {
  type LocalReply,
  RETRY_AFTER_SECONDS,
  replyBody,
  replyStatus,
} from '../../src/http/error-catalogue.js';
import type { Field } from '../../src/http/field-line.js';
import type { RedirectAnswer } from '../../src/routing/actions.js';

/** What the sidecar answers itself: something went wrong, or the route sends the caller elsewhere. */
export type LocalAnswer = LocalReply | RedirectAnswer;

/** An answer as a codec writes it. */
export interface WholeAnswer {
  readonly status: number;
  /** With a `content-length`, where the status may have one. */
  readonly fields: readonly Field[];
  /** Latin-1: one character, one byte. Also where the request was HEAD, whose answer has none. */
  readonly body: string;
}

export function answerStatus(answer: LocalAnswer): number {
  return 'code' in answer ? replyStatus(answer) : answer.status;
}

/** An answer of the sidecar's own, whole. */
export function wholeAnswer(answer: LocalAnswer): WholeAnswer {
  return 'code' in answer ? errorAnswer(answer) : redirectAnswer(answer);
}

function errorAnswer(reply: LocalReply): WholeAnswer {
  const status = replyStatus(reply);
  const bodyless = status === 204 || status === 304;
  const body = bodyless ? '' : Buffer.from(replyBody(reply), 'utf8').toString('latin1');
  const retryAfter = RETRY_AFTER_SECONDS[reply.code];
  const fields: Field[] = [
    ['x-roost-error', reply.code],
    ['content-type', 'text/plain; charset=utf-8'],
  ];
  // RFC 9110 section 8.6: not on a 204, and of a 304 it would tell another response's length.
  if (!bodyless) fields.push(['content-length', String(body.length)]);
  if (retryAfter !== undefined) fields.push(['retry-after', String(retryAfter)]);
  if (reply.field !== undefined) fields.push(reply.field);
  return { status, fields, body };
}

function redirectAnswer({ status, location, fields }: RedirectAnswer): WholeAnswer {
  return { status, fields: [['location', location], ['content-length', '0'], ...fields], body: '' };
}
