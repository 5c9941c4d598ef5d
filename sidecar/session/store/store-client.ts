/** What happens to the connection. */
export interface ConnectionEvents {
  /** Connected, and let in. */
  onReady(): void;
  /** The connection is gone, or could not be made. Another is made after a while. */
  onLost(cause: Error): void;
}

/** What is to be put in place of what. */
export interface Replacement {
  /** Replaced where it is there; absent: nothing is replaced but what is no pin. */
  readonly expected?: Buffer | undefined;
  readonly value: Buffer;
  readonly ttlMs: number;
}

/** A database of values under keys, with a connection that comes back by itself. Calls may take for ever. */
export interface StoreClient {
  /** There is a connection. Without one, calls fail at once. */
  readonly isReady: boolean;
  open(events: ConnectionEvents): void;
  /** Names the server that has this key: the others may work where it does not. */
  partOf(key: string): string;
  /** @returns undefined: there is none. What is there and is not a value of bytes comes as an empty one. */
  get(key: string): Promise<Buffer | undefined>;
  /**
   * Writes a value where there is none, or the same, or the expected one.
   *
   * @returns what is there instead; undefined: it is written
   */
  replace(key: string, replacement: Replacement): Promise<Buffer | undefined>;
  /** Has a value live for its whole ttl again, unless most of that is left. */
  touch(key: string, ttlMs: number): Promise<void>;
  /** Hangs up and connects again, after a while that grows with every failure. */
  reset(cause: Error): void;
  close(): void;
}
