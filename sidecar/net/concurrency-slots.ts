import { type CellRange, giveBackSlot, takeSlot } from '../shared-memory/cells.js';

/** Things of which there may be only so many at a time: requests in flight, connections. */
export interface ConcurrencySlots {
  readonly taken: number;
  /** @returns whether there was one left, of `most` */
  take(most: number): boolean;
  giveBack(): void;
}

/** Counted by one thread. */
export class OwnSlots implements ConcurrencySlots {
  taken = 0;

  take(most: number): boolean {
    if (this.taken >= most) return false;
    this.taken++;
    return true;
  }

  giveBack(): void {
    this.taken--;
  }
}

/** Counted by all workers of a sidecar together: never more than `most` are taken, whichever worker takes them. */
export class SharedSlots implements ConcurrencySlots {
  private readonly cells: Int32Array;
  private readonly at: number;

  constructor({ cells, at }: CellRange) {
    this.cells = cells;
    this.at = at;
  }

  get taken(): number {
    return Atomics.load(this.cells, this.at);
  }

  take(most: number): boolean {
    return takeSlot(this.cells, this.at, most);
  }

  giveBack(): void {
    giveBackSlot(this.cells, this.at);
  }
}
