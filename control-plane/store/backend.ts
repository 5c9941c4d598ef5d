import type { Change, ConfigState } from './config-state.js';

/** Where the configuration is kept. One process at a time writes to it. */
export interface StoreBackend {
  /** The state to start from. Called once. */
  load(): Promise<ConfigState>;
  /** Resolves once the change is as durable as this store makes anything. Calls never overlap. */
  append(change: Change, state: ConfigState): Promise<void>;
  close(): Promise<void>;
}

/** Keeps nothing beyond the process. */
export class MemoryBackend implements StoreBackend {
  constructor(private readonly initial: ConfigState) {}

  async load(): Promise<ConfigState> {
    return this.initial;
  }

  async append(): Promise<void> {}

  async close(): Promise<void> {}
}
