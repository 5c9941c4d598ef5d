import { type CellRange, clearCell, giveBackSlot, takeSlot } from '../shared-memory/cells.js';

/** How an endpoint has answered lately; outlier detection judges by it. */
export interface AnswerCounts {
  /** Since the last answer that was none. */
  readonly errorsInARow: number;
  /** Answers of this interval. */
  readonly successes: number;
  readonly errors: number;
  succeeded(): void;
  /** @returns errors in a row, this one included */
  failed(): number;
  /** Errors in a row are counted anew. */
  endRow(): void;
  startInterval(): void;
}

/** What a sidecar counts of one endpoint and judges it by, in all of its workers together. */
export interface EndpointCounts extends AnswerCounts {
  /** Attempts in flight. */
  readonly requests: number;
  /** Connections open, those being made included. */
  readonly connections: number;
  /** It has been sent something. */
  readonly isUsed: boolean;
  use(): void;
  /** @returns whether there was a place left, of `most` */
  takeRequest(most: number): boolean;
  giveBackRequest(): void;
  takeConnection(most: number): boolean;
  giveBackConnection(): void;
  /** Connections refused since the last that was made. */
  readonly refusals: number;
  /** How often a connection was made after others were refused. */
  readonly recoveries: number;
  refused(): void;
  connected(): void;
}

/** Plain numbers: of the one thread that there is. */
export class OwnEndpointCounts implements EndpointCounts {
  requests = 0;
  connections = 0;
  isUsed = false;
  refusals = 0;
  recoveries = 0;
  errorsInARow = 0;
  successes = 0;
  errors = 0;

  use(): void {
    this.isUsed = true;
  }

  takeRequest(most: number): boolean {
    if (this.requests >= most) return false;
    this.requests++;
    return true;
  }

  giveBackRequest(): void {
    this.requests--;
  }

  takeConnection(most: number): boolean {
    if (this.connections >= most) return false;
    this.connections++;
    return true;
  }

  giveBackConnection(): void {
    this.connections--;
  }

  refused(): void {
    this.refusals++;
  }

  connected(): void {
    if (this.refusals === 0) return;
    this.refusals = 0;
    this.recoveries++;
  }

  succeeded(): void {
    this.errorsInARow = 0;
    this.successes++;
  }

  failed(): number {
    this.errors++;
    return ++this.errorsInARow;
  }

  endRow(): void {
    this.errorsInARow = 0;
  }

  startInterval(): void {
    this.successes = 0;
    this.errors = 0;
  }
}

const REQUESTS = 0;
const CONNECTIONS = 1;
const USED = 2;
const REFUSALS = 3;
const IN_A_ROW = 4;
const SUCCESSES = 5;
const ERRORS = 6;
const RECOVERIES = 7;

/** The same in memory that all workers share. */
export class SharedEndpointCounts implements EndpointCounts {
  private readonly cells: Int32Array;
  private readonly at: number;

  constructor({ cells, at }: CellRange) {
    this.cells = cells;
    this.at = at;
  }

  get requests(): number {
    return Atomics.load(this.cells, this.at + REQUESTS);
  }

  get connections(): number {
    return Atomics.load(this.cells, this.at + CONNECTIONS);
  }

  get isUsed(): boolean {
    return Atomics.load(this.cells, this.at + USED) !== 0;
  }

  get refusals(): number {
    return Atomics.load(this.cells, this.at + REFUSALS);
  }

  get recoveries(): number {
    return Atomics.load(this.cells, this.at + RECOVERIES);
  }

  get errorsInARow(): number {
    return Atomics.load(this.cells, this.at + IN_A_ROW);
  }

  get successes(): number {
    return Atomics.load(this.cells, this.at + SUCCESSES);
  }

  get errors(): number {
    return Atomics.load(this.cells, this.at + ERRORS);
  }

  use(): void {
    Atomics.store(this.cells, this.at + USED, 1);
  }

  takeRequest(most: number): boolean {
    return takeSlot(this.cells, this.at + REQUESTS, most);
  }

  giveBackRequest(): void {
    giveBackSlot(this.cells, this.at + REQUESTS);
  }

  takeConnection(most: number): boolean {
    return takeSlot(this.cells, this.at + CONNECTIONS, most);
  }

  giveBackConnection(): void {
    giveBackSlot(this.cells, this.at + CONNECTIONS);
  }

  refused(): void {
    Atomics.add(this.cells, this.at + REFUSALS, 1);
  }

  connected(): void {
    if (this.refusals === 0) return;
    Atomics.store(this.cells, this.at + REFUSALS, 0);
    Atomics.add(this.cells, this.at + RECOVERIES, 1);
  }

  succeeded(): void {
    clearCell(this.cells, this.at + IN_A_ROW);
    Atomics.add(this.cells, this.at + SUCCESSES, 1);
  }

  failed(): number {
    Atomics.add(this.cells, this.at + ERRORS, 1);
    return Atomics.add(this.cells, this.at + IN_A_ROW, 1) + 1;
  }

  endRow(): void {
    clearCell(this.cells, this.at + IN_A_ROW);
  }

  startInterval(): void {
    Atomics.store(this.cells, this.at + SUCCESSES, 0);
    Atomics.store(this.cells, this.at + ERRORS, 0);
  }
}
