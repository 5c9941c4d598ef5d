import type { Field } from '../../src/http/field-line.js';
import type { FieldChanges } from '../../src/routing/actions.js';
import type { Timeouts } from '../../src/routing/table.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { DownstreamStream } from '../http/downstream-stream.js';
import type { LocalAnswer } from '../http/local-answer.js';
import type { RequestEdits, ResponseMessage } from '../http/message.js';
import type { UpstreamFailure } from '../http/upstream-failure.js';
import type { Outcome } from './outcome.js';
import type { ReplayBuffer } from './replay-buffer.js';

/** What policies and records see of an exchange. */
export interface Call {
  readonly downstream: DownstreamStream;
  readonly method: string;
  /** Precise, for durations: milliseconds of `performance.now()`. */
  readonly startedAt: number;
  readonly outcome: Outcome;
  /** Attempts made, the present one included. */
  readonly attempts: number;
  /** `IP:PORT` that the present attempt went to. */
  readonly upstreamAddress: string;
  /** The whole request can be sent once more. */
  readonly canReplay: boolean;
  /** What it waits for has come before its time. */
  wake(): void;
  /** Has something done when all of the request has been read. @param then what is kept of it may be intact or not */
  whenWhole(then: (kept: ReplayBuffer, trailers: readonly Field[]) => void): void;
  /** Has something done when it is known whether the protocol is switched, while the request is still kept. */
  whenDecided(then: (switches: boolean) => void): void;
}

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
  begin(call: Call): Step;
  /** An attempt failed before any of its response went downstream. */
  afterFailure(call: Call, failure: UpstreamFailure): Step;
  /** A response has come. @returns what to do instead of forwarding it */
  afterResponse(call: Call, response: ResponseMessage): Step | undefined;
  requestEdits(call: Call): RequestEdits;
  /** Header fields to add to the response. */
  addedFields(call: Call, response: ResponseMessage): readonly Field[];
  /** What is changed in the fields of the response; undefined: nothing. */
  readonly responseChanges: FieldChanges | undefined;
  /** The exchange is over, however it ended. */
  finished(call: Call): void;
}
