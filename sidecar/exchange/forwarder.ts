import type { Field } from '../../src/http/field-line.js';
import type { FieldChanges } from '../../src/routing/actions.js';
import type { Timeouts } from '../../src/routing/table.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { LocalAnswer } from '../http/local-answer.js';
import type { RequestEdits, ResponseMessage } from '../http/message.js';
import type { UpstreamFailure } from '../http/upstream-failure.js';
import type { Exchange } from './exchange.js';

/** Where an attempt goes. */
export interface AttemptTarget {
  readonly endpoint: UpstreamEndpoint;
  /** Before the attempt, in milliseconds; 0: at once. */
  readonly delayMs: number;
  /** Use no pooled connection: one was just found dead. */
  readonly fresh: boolean;
}

/** What happens next: an attempt, an answer of our own, or something else after a while. */
export type Step =
  | { readonly target: AttemptTarget }
  | { readonly reply: LocalAnswer }
  | { readonly waitMs: number; readonly afterwards: () => Step };

/** A forwarder's own say on time: the listener's idle time is all there is. */
export const NO_TIMEOUTS: Timeouts = { requestMs: 0, perTryMs: 0, idleMs: 0 };

/**
 * What makes an outbound exchange differ from an inbound one: where requests go, what a failure leads to, what
 * is added to heads. One object for each exchange.
 */
export interface Forwarder {
  readonly timeouts: Timeouts;
  /** The first attempt. Called once, when the head has arrived. */
  begin(exchange: Exchange): Step;
  /** An attempt failed before any of its response went downstream. */
  afterFailure(exchange: Exchange, failure: UpstreamFailure): Step;
  /** A response has come. @returns what to do instead of forwarding it */
  afterResponse(exchange: Exchange, response: ResponseMessage): Step | undefined;
  requestEdits(exchange: Exchange): RequestEdits;
  /** Header fields to add to the response. */
  addedFields(exchange: Exchange, response: ResponseMessage): readonly Field[];
  /** What is changed in the fields of the response; undefined: nothing. */
  readonly responseChanges: FieldChanges | undefined;
  /** The exchange is over, however it ended. */
  finished(exchange: Exchange): void;
}
