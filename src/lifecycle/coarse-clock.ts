/**
 * A clock read by property, for deadlines that are checked on its ticks anyway: milliseconds that only grow,
 * as fresh as the last tick. One timer for all connections instead of one each.
 */
export class CoarseClock {
  nowMs: number;
  private readonly timer: NodeJS.Timeout;

  /** @param onTick called after every tick with the time */
  constructor(
    private readonly tickMs: number,
    private readonly onTick: (nowMs: number) => void,
  ) {
    this.nowMs = Math.floor(performance.now());
    this.timer = setInterval(() => this.tick(), this.tickMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    this.nowMs = Math.floor(performance.now());
    this.onTick(this.nowMs);
  }
}
