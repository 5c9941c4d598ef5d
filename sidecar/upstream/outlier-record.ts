/** How one endpoint has answered lately, in plain numbers that every request touches. */
export class OutlierRecord {
  /** Since the last answer that was none. */
  errorsInARow = 0;
  /** Answers of this interval. */
  successes = 0;
  errors = 0;
  /** When it was ejected, on the coarse clock; undefined: it is not. */
  ejectedAtMs: number | undefined;
  /** By what the base ejection time is multiplied: one more with each ejection, one less with each good interval. */
  multiplier = 0;
  /** It has been out for some of this interval. */
  wasOut = false;
  /** Ejections ever. */
  ejections = 0;

  succeeded(): void {
    this.errorsInARow = 0;
    this.successes++;
  }

  startInterval(): void {
    this.successes = 0;
    this.errors = 0;
    this.wasOut = this.ejectedAtMs !== undefined;
  }

  /** As if it had never answered; what has been counted stays. */
  forget(): void {
    this.errorsInARow = 0;
    this.ejectedAtMs = undefined;
    this.multiplier = 0;
    this.startInterval();
  }
}
