/**
 * A clock read by property, for deadlines that are checked on its ticks anyway: milliseconds that only grow,
 * as fresh as the last tick. One timer for all connections instead of one each.
 */
export class CoarseClock {
  nowMs: number;
  /** Called after every tick with the time. */
  onTick: (nowMs: number) => void = () => {};
  private readonly timer: NodeJS.Timeout;

  /** @param aheadMs by how much it is ahead of this thread's `performance.now()`, which starts at 0 in each */
  constructor(
    tickMs: number,
    private readonly aheadMs = 0,
  ) {
    this.nowMs = this.read();
    this.timer = setInterval(() => this.tick(), tickMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    this.nowMs = this.read();
    this.onTick(this.nowMs);
  }

  private read(): number {
    return Math.floor(performance.now() + this.aheadMs);
  }
}
