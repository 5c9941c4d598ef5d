/** A body has this long to bring the bytes that it owes for as long. */
const WINDOW_MS = 10_000;

/**
 * Whether a request's body keeps coming, fast enough not to be one that is only there to hold its connection (slow
 * loris). What counts is window after window of 10 s: bytes of the first do not make up for a lack in the second.
 */
export class BodyRate {
  private windowStartMs = 0;
  private bytes = 0;
  private begun = false;

  /** @param minBytesPerSecond 0: however few */
  constructor(private readonly minBytesPerSecond: number) {}

  /** @param expects the client sends nothing until it is told to (RFC 9110 section 10.1.1): no time runs until then */
  start(nowMs: number, expects: boolean): void {
    this.windowStartMs = nowMs;
    this.bytes = 0;
    this.begun = !expects;
  }

  /** Counts bytes that came. */
  add(bytes: number): void {
    this.bytes += bytes;
  }

  /** @param held the client is not being read: it could send no more if it wanted to */
  isTooSlow(nowMs: number, held: boolean): boolean {
    if (this.minBytesPerSecond === 0) return false;
    if (held || !this.begun) {
      this.begun ||= this.bytes > 0;
      this.startWindow(nowMs);
      return false;
    }
    if (nowMs - this.windowStartMs < WINDOW_MS) return false;
    const tooSlow = this.bytes * 1000 < this.minBytesPerSecond * WINDOW_MS;
    this.startWindow(nowMs);
    return tooSlow;
  }

  private startWindow(nowMs: number): void {
    this.windowStartMs = nowMs;
    this.bytes = 0;
  }
}
