import { setImmediate as turn } from 'node:timers/promises';

/** Others get a turn after this long. */
const SLICE_MS = 8;

/** Does something with each of many items, a slice at a time: others run between two of them. */
export async function inTurns<T>(items: Iterable<T>, work: (item: T, index: number) => void): Promise<void> {
  let index = 0;
  let until = performance.now() + SLICE_MS;
  for (const item of items) {
    work(item, index++);
    if (performance.now() < until) continue;
    await turn();
    until = performance.now() + SLICE_MS;
  }
}
