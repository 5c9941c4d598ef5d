import { type ConcurrencySlots, OwnSlots, SharedSlots } from '../net/concurrency-slots.js';
import type { CellRange } from '../shared-memory/cells.js';
import { RetryReserve } from './retry-reserve.js';

/** What a cluster's endpoints have in hand together, in all workers of the sidecar. */
export interface ClusterCounts {
  /** Attempts in flight. */
  readonly requests: ConcurrencySlots;
  /** Connections open, those being made included. */
  readonly connections: ConcurrencySlots;
  /** Attempts whose connection is being made. */
  readonly pending: ConcurrencySlots;
  /** Requests whose last attempt was a retry and is not answered yet. */
  readonly retries: ConcurrencySlots;
  readonly retryReserve: RetryReserve;
  /** Copies of requests under way. */
  readonly copies: ConcurrencySlots;
  /** Something has been sent there. */
  readonly isUsed: boolean;
  use(): void;
}

export class OwnClusterCounts implements ClusterCounts {
  readonly requests = new OwnSlots();
  readonly connections = new OwnSlots();
  readonly pending = new OwnSlots();
  readonly retries = new OwnSlots();
  readonly retryReserve = new RetryReserve({ cells: new Int32Array(1), at: 0 });
  readonly copies = new OwnSlots();
  isUsed = false;

  use(): void {
    this.isUsed = true;
  }
}

const USED = 5;
const RESERVE = 6;

export class SharedClusterCounts implements ClusterCounts {
  readonly requests: ConcurrencySlots;
  readonly connections: ConcurrencySlots;
  readonly pending: ConcurrencySlots;
  readonly retries: ConcurrencySlots;
  readonly retryReserve: RetryReserve;
  readonly copies: ConcurrencySlots;

  constructor(private readonly range: CellRange) {
    const placesAt = (offset: number) => new SharedSlots({ cells: range.cells, at: range.at + offset });
    this.requests = placesAt(0);
    this.connections = placesAt(1);
    this.pending = placesAt(2);
    this.retries = placesAt(3);
    this.copies = placesAt(4);
    this.retryReserve = new RetryReserve({ cells: range.cells, at: range.at + RESERVE });
  }

  get isUsed(): boolean {
    return Atomics.load(this.range.cells, this.range.at + USED) !== 0;
  }

  use(): void {
    Atomics.store(this.range.cells, this.range.at + USED, 1);
  }
}
