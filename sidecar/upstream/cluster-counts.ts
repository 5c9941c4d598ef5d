import type { CellRange } from '../shared-memory/cells.js';
import { OwnPlaces, type Places, SharedPlaces } from './places.js';
import { RetryReserve } from './retry-reserve.js';

/** What a cluster's endpoints have in hand together, in all workers of the sidecar. */
export interface ClusterCounts {
  /** Attempts in flight. */
  readonly requests: Places;
  /** Connections open, those being made included. */
  readonly connections: Places;
  /** Attempts whose connection is being made. */
  readonly pending: Places;
  /** Requests whose last attempt was a retry and is not answered yet. */
  readonly retries: Places;
  readonly retryReserve: RetryReserve;
  /** Copies of requests under way. */
  readonly copies: Places;
  /** Something has been sent there. */
  readonly isUsed: boolean;
  use(): void;
}

export class OwnClusterCounts implements ClusterCounts {
  readonly requests = new OwnPlaces();
  readonly connections = new OwnPlaces();
  readonly pending = new OwnPlaces();
  readonly retries = new OwnPlaces();
  readonly retryReserve = new RetryReserve({ cells: new Int32Array(1), at: 0 });
  readonly copies = new OwnPlaces();
  isUsed = false;

  use(): void {
    this.isUsed = true;
  }
}

const USED = 5;
const RESERVE = 6;

export class SharedClusterCounts implements ClusterCounts {
  readonly requests: Places;
  readonly connections: Places;
  readonly pending: Places;
  readonly retries: Places;
  readonly retryReserve: RetryReserve;
  readonly copies: Places;

  constructor(private readonly range: CellRange) {
    const placesAt = (offset: number) => new SharedPlaces({ cells: range.cells, at: range.at + offset });
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
