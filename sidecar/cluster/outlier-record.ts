import { type AnswerCounts, OwnEndpointCounts } from './endpoint-counts.js';

/** What outlier detection has found of one endpoint. */
export class OutlierRecord {
  /** When it was ejected, on the coarse clock; undefined: it is not. */
  ejectedAtMs: number | undefined;
  /** By what the base ejection time is multiplied: one more with each ejection, one less with each good interval. */
  multiplier = 0;
  /** It has been out for some of this interval. */
  wasOut = false;
  /** Ejections ever. */
  ejections = 0;

  constructor(readonly answers: AnswerCounts = new OwnEndpointCounts()) {}

  startInterval(): void {
    this.answers.startInterval();
    this.wasOut = this.ejectedAtMs !== undefined;
  }

  /** As if it had never answered; what has been counted stays. */
  forget(): void {
    this.answers.endRow();
    this.ejectedAtMs = undefined;
    this.multiplier = 0;
    this.startInterval();
  }
}
