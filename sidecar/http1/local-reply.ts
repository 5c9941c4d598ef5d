import { STATUS_CODES } from 'node:http';
import { fieldLines } from '../../src/http/field-line.js';
import { type LocalAnswer, wholeAnswer } from '../http/local-answer.js';

interface ReplyOptions {
  /** The client's connection ends with it. */
  readonly close: boolean;
  /** The request was HEAD: the answer has no body. */
  readonly head: boolean;
}

/** An answer of the sidecar's own as HTTP/1.1 has it, whole. */
export function localAnswerText(answer: LocalAnswer, { close, head }: ReplyOptions): string {
  const { status, fields, body } = wholeAnswer(answer);
  const connection = close ? 'connection: close\r\n' : '';
  return `${statusLine(status)}\r\n${fieldLines(fields)}${connection}\r\n${head ? '' : body}`;
}

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`;
}
