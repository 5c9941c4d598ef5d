import type { ListenerFigures } from '../net/listener.js';

/** A listener, or those of all workers together, as far as drain needs them. */
export interface DrainedListener {
  figures(): ListenerFigures | Promise<ListenerFigures>;
  /** From now on every response is its connection's last, and says so. */
  announceEnd(): void | Promise<void>;
  /** Takes no new connections. */
  refuse(): Promise<void>;
  /** Ends connections that have no request. */
  endIdle(): void | Promise<void>;
  /** Undoes {@link announceEnd} and {@link refuse}. @throws ListenError where another process has the port by now */
  serveAgain(): Promise<void>;
}

export interface DrainOptions {
  /**
   * How long new connections are still taken after drain has begun, until callers have learned to go elsewhere, and
   * how long idle ones are left to them: sidecars end theirs after 4 s without a request.
   */
  readonly graceMs: number;
  /** Bounds {@link Drain.finish}. */
  readonly timeoutMs: number;
}

/** One way from `begin` to the end of inbound. */
interface InboundEnd {
  /** Goes no further than its next step. */
  revoked: boolean;
  /** It goes no further. */
  reached: Promise<void>;
}

/** Without a request for so long, a listener has no client left that is about to send one. */
const QUIET_MS = 500;
const POLL_MS = 20;

/**
 * How a sidecar goes without a client noticing.
 *
 * ```
 *   begin ──► inbound: every response says Connection: close
 *     └─ grace over ──► inbound: refuses connections
 *          └─ requests done ──► inbound: idle connections ended
 *               └─ the app asks for nothing any more ──► outbound: the same, without grace ──► finished
 * ```
 * Outbound goes last: requests that are still being answered may need calls of their own, and the app may have some
 * to make on its way out. Until {@link finish}, {@link revoke} leads back from everywhere to where it began.
 */
export class Drain {
  private inboundEnd: InboundEnd | undefined;
  private revoking: Promise<void> | undefined;
  private finishing = false;
  private over = false;
  private giveUp: () => void = () => {};
  private readonly givenUp = new Promise<void>((resolve) => {
    this.giveUp = resolve;
  });

  constructor(
    private readonly inbound: DrainedListener,
    private readonly outbound: DrainedListener,
    private readonly options: DrainOptions,
  ) {}

  get begun(): boolean {
    return this.inboundEnd !== undefined;
  }

  begin(): void {
    if (this.inboundEnd !== undefined) return;
    const end: InboundEnd = { revoked: false, reached: Promise.resolve() };
    this.inboundEnd = end;
    end.reached = this.endInbound(end);
  }

  /**
   * Takes {@link begin} back: the inbound listener serves as before.
   *
   * @returns false: the process is about to end, and nothing leads back
   * @throws ListenError where its port is lost; drain then stays as far as it has come
   */
  async revoke(): Promise<boolean> {
    if (this.finishing) return false;
    this.revoking ??= this.revert().finally(() => {
      this.revoking = undefined;
    });
    await this.revoking;
    return !this.finishing;
  }

  private async revert(): Promise<void> {
    const { inboundEnd } = this;
    if (inboundEnd === undefined) return;
    inboundEnd.revoked = true;
    await inboundEnd.reached;
    if (this.finishing) return;
    await this.inbound.serveAgain();
    this.inboundEnd = undefined;
  }

  /** Resolves when nothing is under way any more, or when time is up. */
  async finish(): Promise<void> {
    this.finishing = true;
    const timer = setTimeout(() => this.cancel(), this.options.timeoutMs);
    await Promise.race([this.endAll(), this.givenUp]);
    clearTimeout(timer);
  }

  /** Waits for nothing more. */
  cancel(): void {
    this.over = true;
    this.giveUp();
  }

  private async endAll(): Promise<void> {
    if (this.revoking !== undefined) await this.revoking.catch(() => {});
    // One that was to be taken back, and could not be, stopped half-way.
    if (this.inboundEnd?.revoked) this.inboundEnd = undefined;
    this.begin();
    await this.inboundEnd?.reached;
    await this.end(this.outbound);
  }

  private async endInbound(end: InboundEnd): Promise<void> {
    const { inbound, options } = this;
    const revoked = () => end.revoked;
    await inbound.announceEnd();
    const { accepted } = await inbound.figures();
    // A client that has never called does not expect an answer: the sidecar of a mere caller does not wait.
    const graceEndsAt = performance.now() + (accepted === 0 ? 0 : options.graceMs);
    await this.until(() => end.revoked || performance.now() >= graceEndsAt);
    if (end.revoked) return;
    await inbound.refuse();
    await this.untilQuiet(inbound, revoked);
    if (!end.revoked) await inbound.endIdle();
  }

  private async end(listener: DrainedListener): Promise<void> {
    await this.untilQuiet(listener);
    await listener.announceEnd();
    await listener.refuse();
    await listener.endIdle();
    await this.until(async () => (await listener.figures()).busy === 0);
  }

  /** No connection is left, or no client has asked for anything for a while. */
  private async untilQuiet(listener: DrainedListener, revoked = () => false): Promise<void> {
    let lastRequests = -1;
    let quietSince = 0;
    await this.until(async () => {
      const { connections, busy, requests } = await listener.figures();
      if (connections === 0 || revoked()) return true;
      const now = performance.now();
      if (busy > 0 || requests !== lastRequests) quietSince = now;
      lastRequests = requests;
      return now - quietSince >= QUIET_MS;
    });
  }

  private async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!this.over && !(await condition())) await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
