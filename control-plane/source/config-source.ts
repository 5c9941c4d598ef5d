/**
 * Where configuration comes from besides the API: files today, Kubernetes objects next.
 *
 * A source writes documents through `ConfigStore.edit`, with a {@link SourceMark} on each, and endpoints that change
 * on their own through `LiveEndpoints`. It never touches the snapshot or a client. `openSources` constructs every
 * source; the rest of the control plane sees all of them as one {@link ConfigSource}.
 *
 * The order of calls is `start`, `watch`, `close`. `close` may come at any time and more than once.
 */
export interface ConfigSource {
  /**
   * What keeps the source's newest state out of force, a line for each problem that names the file or object and the
   * field. Empty: nothing. `roost status`, `/ready` and a metric show it.
   */
  readonly problems: readonly string[];
  /** What the source holds back for now on purpose, a line each. Empty: nothing. */
  readonly waiting: readonly string[];
  /**
   * Puts what the source says now in force. Resolves also when that is not valid or not there: {@link problems} then
   * says why. The control plane opens its ports only after every source has started.
   *
   * @throws an error of the store: a commit that fails is not a problem of the source
   */
  start(): Promise<void>;
  /** Follows the source from now on. Errors are logged and tried again, never thrown. */
  watch(): void;
  /** Stops following. Resolves when no edit of the source is under way any more. */
  close(): Promise<void>;
}

/** Several sources as one: they start in order, so that the first one's documents are there for the next. */
export class ConfigSources implements ConfigSource {
  constructor(private readonly sources: readonly ConfigSource[]) {}

  get problems(): readonly string[] {
    return this.sources.flatMap(({ problems }) => problems);
  }

  get waiting(): readonly string[] {
    return this.sources.flatMap(({ waiting }) => waiting);
  }

  async start(): Promise<void> {
    for (const source of this.sources) await source.start();
  }

  watch(): void {
    for (const source of this.sources) source.watch();
  }

  async close(): Promise<void> {
    await Promise.all(this.sources.map((source) => source.close()));
  }
}
