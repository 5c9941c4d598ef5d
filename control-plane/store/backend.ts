import type { Change, ConfigState } from './config-state.js';
import type { Presence } from './presence.js';

/** Where the configuration is kept. One process at a time writes to it, unless it is {@link shared}. */
export interface StoreBackend {
  /** For people: a directory, `memory`, `etcd://10.0.0.5:2379/roost`. Without secrets. */
  readonly name: string;
  /** Set where other control planes write to it, too. */
  readonly shared?: SharedStore;
  /** The state to start from. Called once. */
  load(): Promise<ConfigState>;
  /**
   * Resolves once the change is as durable as this store makes anything. Calls never overlap.
   *
   * @throws OvertakenError where another writer committed first, StoreUnavailableError where nothing was written,
   *   OutcomeUnknownError where that is not known
   */
  append(change: Change, state: ConfigState): Promise<void>;
  close(): Promise<void>;
}

/** What a store that several control planes write to can do besides. */
export interface SharedStore {
  /** Why nothing can be read or written at present; undefined: it can, as far as is known. */
  readonly problem: string | undefined;
  /** The other control planes. */
  readonly presence: Presence;
  /** Calls back whenever others may have written something. */
  follow(onNews: () => void): void;
  /**
   * What others have made of a state.
   *
   * @returns undefined where it is the newest there is
   * @throws StoreUnavailableError
   */
  newer(state: ConfigState): Promise<ConfigState | undefined>;
}

/** Keeps nothing beyond the process. */
export class MemoryBackend implements StoreBackend {
  readonly name: string = 'memory';

  constructor(private readonly initial: ConfigState) {}

  async load(): Promise<ConfigState> {
    return this.initial;
  }

  async append(_change: Change, _state: ConfigState): Promise<void> {}

  async close(): Promise<void> {}
}
