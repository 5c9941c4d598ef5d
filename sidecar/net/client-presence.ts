/**
 * Whether the client of the request that is under way still waits for its answer. It is taken to be there until it ends
 * its side; from then on it may have left, unless it is seen to have its socket open.
 */
export class ClientPresence {
  /** Since when it may have left; 0: it has not ended its side, or was seen to be there since. */
  private doubtfulSinceMs = 0;

  /** A request has come. */
  begin(): void {
    this.doubtfulSinceMs = 0;
  }

  /** The client has ended its side. */
  ended(nowMs: number): void {
    this.doubtfulSinceMs ||= nowMs;
  }

  /** The client has its socket open. */
  seen(): void {
    this.doubtfulSinceMs = 0;
  }

  /** @param limitMs 0: none */
  isOverdue(nowMs: number, limitMs: number): boolean {
    return this.doubtfulSinceMs !== 0 && limitMs !== 0 && nowMs - this.doubtfulSinceMs >= limitMs;
  }
}
