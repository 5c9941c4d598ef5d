import type { HeaderName } from '../../src/http/header-name.js';
import type { ResponseMessage, VisitField } from '../http/message.js';
import { NOT_FORWARDED, verdictOf } from './field-rules.js';
import type { HeaderField } from './header-field.js';
import type { ResponseFields } from './message-head.js';

/** What a response is the answer to, as far as that changes its meaning. */
export interface Asked {
  /** The method is HEAD: there is no content, whatever the length. */
  readonly isHead: boolean;
  /** An extended CONNECT: what the protocol is switched to by a status of 2xx. Empty: it was none. */
  readonly protocol: string;
  /** More fields that HTTP/1.1 has in an answer that switches. */
  readonly switching?: readonly (readonly [name: string, value: string])[];
}

/** A response that came over HTTP/2, as every codec understands it. */
export class Http2Response implements ResponseMessage {
  readonly status: number;
  readonly isInterim: boolean;
  readonly bodyLength: number | undefined;
  readonly keepAlive = true;
  readonly switchesTo: string | undefined;
  /** It is known to have no content, and does not say so itself. */
  private readonly isSilentlyEmpty: boolean;

  /** @param endStream it has no content */
  constructor(
    readonly head: ResponseFields,
    endStream: boolean,
    private readonly asked: Asked,
  ) {
    const { status, contentLength } = head;
    const switches = asked.protocol !== '' && status >= 200 && status < 300;
    this.status = switches ? 101 : status;
    this.switchesTo = switches ? asked.protocol : undefined;
    this.isInterim = status < 200;
    const mayHaveNone = switches || asked.isHead || status < 200 || status === 204 || status === 304;
    const hasNone = endStream || mayHaveNone;
    this.isSilentlyEmpty = endStream && !mayHaveNone && contentLength === -1;
    this.bodyLength = hasNone ? 0 : contentLength === -1 ? undefined : contentLength;
  }

  header(name: HeaderName): string | undefined {
    const { fields, pseudoCount } = this.head;
    let value: string | undefined;
    for (let i = pseudoCount; i < fields.length; i++) {
      const field = fields[i] as HeaderField;
      if (field.name !== name.lower) continue;
      value = value === undefined ? field.value : value + name.separator + field.value;
    }
    return value;
  }

  headerValues(name: HeaderName): readonly string[] {
    const { fields, pseudoCount } = this.head;
    return fields.slice(pseudoCount).flatMap((field) => (field.name === name.lower ? [field.value] : []));
  }

  eachField(visit: VisitField): void {
    const { fields, pseudoCount } = this.head;
    for (let i = pseudoCount; i < fields.length; i++) {
      const field = fields[i] as HeaderField;
      if (verdictOf(field) !== NOT_FORWARDED) visit(field.name, field.value);
    }
    // Without a length, a client of HTTP/1.1 would wait for the end of the connection.
    if (this.isSilentlyEmpty) visit('content-length', '0');
    if (this.switchesTo === undefined) return;
    for (const [name, value] of this.asked.switching ?? []) visit(name, value);
  }
}
