import type { StoreClock } from './store-clock.js';

/** The store has not answered, or not in time. */
export class NoAnswerError extends Error {}

export function noAnswer(ms: number): NoAnswerError {
  return new NoAnswerError(`no answer within ${ms} ms`);
}

/** Whether another connection may lead to a better place: this one is dead, or leads to a replica. */
export function isCuredByReconnecting(cause: Error): boolean {
  return cause instanceof NoAnswerError || /\bREADONLY\b/.test(cause.message);
}

/** Rejects with {@link NoAnswerError} where something takes longer than it may. */
export function within<T>(ms: number, clock: StoreClock, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(noAnswer(ms)));
    promise.then(resolve, reject).finally(cancel);
  });
}
