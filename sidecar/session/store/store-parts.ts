import type { SessionStoreEvents, StoreCounts } from './session-store.js';
import type { StoreClient } from './store-client.js';
import type { StoreClock } from './store-clock.js';
import type { StoreHealth } from './store-health.js';

/** What the parts of a store share. */
export interface StoreParts {
  readonly client: StoreClient;
  readonly clock: StoreClock;
  readonly counts: StoreCounts;
  readonly health: StoreHealth;
  readonly events: SessionStoreEvents;
  /** A server works again, for lookups or for writes: perhaps for the others as well. */
  onWorksAgain(): void;
  onProbeFailed(failures: number, cause: Error): void;
}
