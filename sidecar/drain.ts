import type { Listener } from './proxy/listener.js';

export interface DrainOptions {
  /**
   * How long new connections are still taken after drain has begun, until callers have learned to go elsewhere, and
   * how long idle ones are left to them: sidecars end theirs after 4 s without a request.
   */
  readonly graceMs: number;
  /** Bounds {@link Drain.finish}. */
  readonly timeoutMs: number;
}

/** Without a request for so long, a listener has nobody left who is about to send one. */
const QUIET_MS = 500;
const POLL_MS = 20;

/**
 * How a sidecar goes: nobody notices.
 *
 * ```
 *   begin ──► inbound: every response says Connection: close
 *     └─ grace over ──► inbound: refuses connections
 *          └─ requests done ──► inbound: idle connections ended
 *               └─ the app asks for nothing any more ──► outbound: the same, without grace ──► finished
 * ```
 * Outbound goes last: requests that are still being answered may need calls of their own, and the app may have some
 * to make on its way out.
 */
export class Drain {
  private inboundEnded: Promise<void> | undefined;
  private over = false;

  constructor(
    private readonly inbound: Listener,
    private readonly outbound: Listener,
    private readonly options: DrainOptions,
  ) {}

  get begun(): boolean {
    return this.inboundEnded !== undefined;
  }

  begin(): void {
    this.inboundEnded ??= this.endInbound();
  }

  /** Resolves when nothing is under way any more, or when time is up. */
  async finish(): Promise<void> {
    const timer = setTimeout(() => this.cancel(), this.options.timeoutMs);
    this.begin();
    await this.inboundEnded;
    await this.end(this.outbound);
    clearTimeout(timer);
  }

  /** Waits for nothing more. */
  cancel(): void {
    this.over = true;
  }

  private async endInbound(): Promise<void> {
    const { inbound, options } = this;
    inbound.announceEnd();
    // Nobody who has never called expects to be able to: a mere caller's sidecar keeps nobody waiting.
    const graceEndsAt = performance.now() + (inbound.accepted === 0 ? 0 : options.graceMs);
    await this.until(() => performance.now() >= graceEndsAt);
    await inbound.refuse();
    await this.untilQuiet(inbound);
    inbound.endIdle();
  }

  private async end(listener: Listener): Promise<void> {
    await this.untilQuiet(listener);
    listener.announceEnd();
    await listener.refuse();
    listener.endIdle();
    await this.until(() => listener.busyCount === 0);
  }

  /** No connection is left, or nobody has asked for anything for a while. */
  private async untilQuiet(listener: Listener): Promise<void> {
    let requests = -1;
    let quietSince = 0;
    await this.until(() => {
      if (listener.connectionCount === 0) return true;
      const now = performance.now();
      if (listener.busyCount > 0 || listener.requests !== requests) quietSince = now;
      requests = listener.requests;
      return now - quietSince >= QUIET_MS;
    });
  }

  private async until(condition: () => boolean): Promise<void> {
    while (!this.over && !condition()) await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
