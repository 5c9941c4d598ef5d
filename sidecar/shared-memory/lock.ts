const FREE = 0;
const HELD = 1;
/** Held, and somebody waits for it. */
const CONTENDED = 2;

/**
 * Whoever holds a lock does so for microseconds. One that is held for this long is held by a thread that has died in
 * the middle of a change.
 */
const MAX_WAIT_MS = 5000;

/**
 * Takes a lock: a cell of shared memory. Held for as short as a change takes, without anything that could fail or wait
 * in between, and never two at a time by one thread.
 *
 * A mutex on a futex, as U. Drepper has it in "Futexes Are Tricky": without contention, one atomic operation each way.
 *
 * @throws Error where the holder has died; what the lock guards may be half changed then, and the process has to end
 */
export function lock(cells: Int32Array, at: number): void {
  if (Atomics.compareExchange(cells, at, FREE, HELD) === FREE) return;
  while (Atomics.exchange(cells, at, CONTENDED) !== FREE) {
    if (Atomics.wait(cells, at, CONTENDED, MAX_WAIT_MS) === 'timed-out')
      throw new Error('a worker has died while it held a lock');
  }
}

export function unlock(cells: Int32Array, at: number): void {
  if (Atomics.exchange(cells, at, FREE) === CONTENDED) Atomics.notify(cells, at, 1);
}
