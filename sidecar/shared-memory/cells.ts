/**
 * Counts in memory that several threads share: 32-bit cells of a `SharedArrayBuffer`, changed by atomic operations
 * alone.
 */

/** Takes one of so many places, unless all are taken. Of two threads that want the last one, exactly one gets it. */
export function takeSlot(cells: Int32Array, at: number, most: number): boolean {
  if (most === Number.POSITIVE_INFINITY) {
    Atomics.add(cells, at, 1);
    return true;
  }
  for (let taken = Atomics.load(cells, at); taken < most; ) {
    const found = Atomics.compareExchange(cells, at, taken, taken + 1);
    if (found === taken) return true;
    taken = found;
  }
  return false;
}

export function giveBackSlot(cells: Int32Array, at: number): void {
  Atomics.sub(cells, at, 1);
}

/** Sets a cell to 0. Written only where it is something else: a write takes the memory away from every other core. */
export function clearCell(cells: Int32Array, at: number): void {
  if (Atomics.load(cells, at) !== 0) Atomics.store(cells, at, 0);
}

/** Cells that belong together, somewhere in shared memory. */
export interface CellRange {
  readonly cells: Int32Array;
  readonly at: number;
}

/** Cells of a range: 64 bytes, so that no two ranges are on one cache line. */
export const RANGE_CELLS = 16;
/** Ranges that share a buffer, whose memory is given back when none of them is in use any more. */
const RANGES_A_BUFFER = 64;

/** Hands out ranges of zeros. What is not referred to any more is collected like any other memory. */
export class CellSource {
  private cells = new Int32Array(new SharedArrayBuffer(0));
  private at = 0;

  next(): CellRange {
    if (this.at === this.cells.length) {
      this.cells = new Int32Array(new SharedArrayBuffer(RANGES_A_BUFFER * RANGE_CELLS * 4));
      this.at = 0;
    }
    const range = { cells: this.cells, at: this.at };
    this.at += RANGE_CELLS;
    return range;
  }
}
