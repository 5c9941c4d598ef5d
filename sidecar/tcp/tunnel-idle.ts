import type { HttpLimits } from '../http/limits.js';

/** How long a tunnel has carried nothing, and whether that is too long. */
export class TunnelIdle {
  private halfEnded = false;
  private lastMs: number;

  constructor(
    private readonly limits: HttpLimits,
    nowMs: number,
  ) {
    this.lastMs = nowMs;
  }

  /** Bytes have gone through, either way. */
  carried(nowMs: number): void {
    this.lastMs = nowMs;
  }

  /** One side has sent its end: what is left is an answer, as that to a request is. */
  ended(): void {
    this.halfEnded = true;
  }

  /** 0: for ever. */
  get limitMs(): number {
    const { tunnelIdleTimeoutMs, streamIdleTimeoutMs } = this.limits;
    return this.halfEnded && streamIdleTimeoutMs !== 0 ? streamIdleTimeoutMs : tunnelIdleTimeoutMs;
  }

  isOver(nowMs: number): boolean {
    const { limitMs } = this;
    return limitMs !== 0 && nowMs - this.lastMs >= limitMs;
  }
}
