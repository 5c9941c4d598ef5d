import type { PinRecords } from '../../../src/sessions/pin-records.js';
import type { SharedSession } from '../../../src/sessions/shared-pin.js';
import type { DurationHistogram } from '../../../src/telemetry/duration-histogram.js';
import type { RedisOptions } from './redis-options.js';

/** What `--session-store` and the flags beside it say. Plain data: it can be sent to a worker thread. */
export interface SessionStoreOptions extends RedisOptions {
  /** How long a lookup may take; after that the session counts as unknown. */
  readonly timeoutMs: number;
}

/** What a store has done so far. Numbers of sessions, but for `errors`. */
export interface StoreCounts {
  /** Sessions that a request wanted to know. Each ends as a hit, a miss, a timeout, an error or skipped. */
  lookups: number;
  hits: number;
  misses: number;
  /** Lookups without an answer within the deadline. */
  timeouts: number;
  /** Lookups and writes that failed. */
  errors: number;
  /** Lookups that were not made, because the store is known to be broken or has too many lookups to answer. */
  skipped: number;
  written: number;
  /** Sessions that were not written: the queue was full, or the ttl was over before the store took them. */
  dropped: number;
  /** Writes for which the store had a pin that wins. */
  conflicts: number;
  /** Values in the store that are no pins of the session; they count as unknown and are overwritten. */
  damaged: number;
}

/**
 * Keeps the pins of sessions outside of the mesh, for all sidecars of all callers. The pins are those of one service,
 * written with its {@link PinRecords}. Nothing here waits longer than the deadline, whatever the store does.
 */
export interface SessionStore {
  /**
   * Looks a session up; never rejects. A pin that was found keeps living in the store.
   *
   * @param key see {@link SharedSession.hash}
   * @returns undefined: unknown, no answer within the deadline, or (at once) the store is known to be broken
   */
  find(records: PinRecords, service: string, key: bigint, ttlMs: number): Promise<SharedSession | undefined>;
  /** Writes sessions behind the request. To write a session again as it is keeps it alive. */
  write(records: PinRecords, service: string, sessions: readonly SharedSession[], ttlMs: number): void;
  /** Resolves once the first connection stands, or has failed, or has taken too long. Never rejects. */
  readonly settled: Promise<void>;
  /** Since when it has not worked, in milliseconds since 1970; undefined: it works. */
  readonly brokenSinceMs: number | undefined;
  readonly counts: Readonly<StoreCounts>;
  /** Sessions that wait to be written. */
  readonly pending: number;
  /** How long lookups took that were answered within the deadline. */
  readonly lookupTimes: DurationHistogram;
  /** Writes what waits, for a second at most, and hangs up. */
  close(): Promise<void>;
}

export interface SessionStoreEvents {
  /** The store has a pin that wins over the one that was written: it is the session's now. */
  onConflict(service: string, session: SharedSession): void;
  /** The pin that was written took the place of another one, which some sidecar may have looked up by then. */
  onReplaced?(service: string, session: SharedSession): void;
  /** The store works again, and sessions were dropped meanwhile: what is known here may be written once more. */
  onGap?(): void;
}
