import type { StoreClock } from './store-clock.js';

/** The store has not answered, or not in time. */
export class NoAnswerError extends Error {}

export function noAnswer(ms: number): NoAnswerError {
  return new NoAnswerError(`no answer within ${ms} ms`);
}

/**
 * After how many failed probes the client connects again. A connection that leads to a replica, or was made without a
 * password, is of no use; one without answers may be dead, or the server slow. Infinity: the connection is not to blame.
 */
export function probesBeforeReset(cause: Error): number {
  if (/\b(READONLY|NOAUTH)\b/.test(cause.message)) return 1;
  return cause instanceof NoAnswerError ? 3 : Number.POSITIVE_INFINITY;
}

/** Rejects with {@link NoAnswerError} where something takes longer than it may. */
export function within<T>(ms: number, clock: StoreClock, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(noAnswer(ms)));
    promise.then(resolve, reject).finally(cancel);
  });
}
