const FREE = 0;
const HELD = 1;
/** Held, and a thread waits for it. */
const CONTENDED = 2;

/** A thread holds a lock for microseconds. It is looked at again after this. */
const WAIT_MS = 2500;
/**
 * Held for so many waits, it is held by a thread that has died in the middle of a change. One is not enough: a process
 * that was stopped and goes on finds the wait over before the holder has had a turn.
 */
const MOST_WAITS = 2;

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
  let inVain = 0;
  while (Atomics.exchange(cells, at, CONTENDED) !== FREE) {
    if (inVain === MOST_WAITS) throw new Error('a worker has died while it held a lock');
    if (Atomics.wait(cells, at, CONTENDED, WAIT_MS) === 'timed-out') inVain++;
  }
}

export function unlock(cells: Int32Array, at: number): void {
  if (Atomics.exchange(cells, at, FREE) === CONTENDED) Atomics.notify(cells, at, 1);
}
