import { type ServiceError, status } from '@grpc/grpc-js';
import { OUTCOME_TRAILER } from '../api/config-service.js';

/**
 * What a failed call came to: `unreached`, it never got to a control plane; `refused`, the answer is no; `unavailable`,
 * nothing was done, and another control plane may be able to; `unknown`, it may have been done.
 */
export type CallOutcome = 'unreached' | 'refused' | 'unavailable' | 'unknown';

/** The connection was never there, in grpc-js's words. */
const UNREACHED = /^No connection established|Waiting for LB pick|^Name resolution failed/;

/** A connection that broke, or an answer that did not come. */
const BROKEN: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
]);

export function outcomeOf({ code, details, metadata }: ServiceError): CallOutcome {
  const [told] = metadata?.get(OUTCOME_TRAILER) ?? [];
  if (told === 'unknown') return 'unknown';
  if (told !== undefined) return code === status.UNAVAILABLE ? 'unavailable' : 'refused';
  if (UNREACHED.test(details)) return 'unreached';
  return BROKEN.has(code) ? 'unknown' : 'refused';
}

/** Whether a control plane itself has said what became of the change. */
export function saysOutcome({ metadata }: ServiceError): boolean {
  return (metadata?.get(OUTCOME_TRAILER) ?? []).length > 0;
}
