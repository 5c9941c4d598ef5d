import type { Logger } from '../../../src/telemetry/logger.js';

/** What can be wrong with a store, each without the others. */
export type StorePart = 'connection' | 'lookups' | 'writes';

/** What is logged of a cause: a store's error messages are short, and say no key and no value. */
const LONGEST_CAUSE = 200;

/** Since when something is wrong with the store. An episode, however many parts it has, is two lines in the log. */
export class StoreHealth {
  private readonly broken = new Set<StorePart>();
  private sinceMs: number | undefined;

  /** @param store what it is called in the log */
  constructor(
    private readonly store: string,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    private readonly nowMs: () => number,
    private readonly onMended: () => void = () => {},
  ) {}

  get brokenSinceMs(): number | undefined {
    return this.sinceMs;
  }

  broke(part: StorePart, cause: Error): void {
    this.broken.add(part);
    if (this.sinceMs !== undefined) return;
    this.sinceMs = this.nowMs();
    this.log.warn(
      { store: this.store, failed: part, cause: cause.message.slice(0, LONGEST_CAUSE) },
      'the session store fails: sessions go on by what this sidecar knows',
    );
  }

  mended(part: StorePart): void {
    if (!this.broken.delete(part) || this.broken.size > 0 || this.sinceMs === undefined) return;
    const lastedMs = Math.round(this.nowMs() - this.sinceMs);
    this.sinceMs = undefined;
    this.log.info({ store: this.store, lastedMs }, 'the session store works again');
    this.onMended();
  }
}
