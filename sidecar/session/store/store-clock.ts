/** Time, as the store's parts see it: tests have their own. */
export interface StoreClock {
  /** Milliseconds since 1970, of a clock that does not jump. */
  nowMs(): number;
  /** @returns what calls it off */
  after(ms: number, then: () => void): () => void;
}

/**
 * Timers fire after what has come in on sockets is read: after a pause of this process, an answer that is there counts,
 * and the pause is not taken for the store's.
 */
export const STORE_CLOCK: StoreClock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  after: (ms, then) => {
    let reading: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      reading = setImmediate(then);
    }, ms);
    return () => {
      clearTimeout(timer);
      clearImmediate(reading);
    };
  },
};
