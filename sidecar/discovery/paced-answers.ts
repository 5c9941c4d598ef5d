import { BackOff } from '../../src/lifecycle/back-off.js';

/** How long the answer to a repetition waits; that server says nothing new before it has come. */
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 5000;

/**
 * When the responses of one type are answered: at once, but for a response that is refused for the same reasons as
 * the one before. Its answer waits, longer each time: there are servers that answer a refusal with what was refused,
 * at once and for ever (go-control-plane's, in state of the world).
 */
export class PacedAnswers {
  private readonly backOff = new BackOff(FIRST_WAIT_MS, MAX_WAIT_MS);
  private refusal = '';
  private waiting: { readonly dueMs: number; readonly send: () => void } | undefined;

  /** Whether this is what the response before was refused for. */
  isRepeated(refusal: string): boolean {
    return refusal !== '' && refusal === this.refusal;
  }

  /** @param refusal what was refused, in which version, and why; empty: nothing was */
  answer(refusal: string, nowMs: number, send: () => void): void {
    if (this.isRepeated(refusal)) {
      this.waiting = { dueMs: nowMs + this.backOff.next(), send };
      return;
    }
    this.refusal = refusal;
    this.backOff.reset();
    send();
  }

  /**
   * Sends the answer that waits.
   *
   * @param nowMs not before it is due; unset: due or not
   * @returns whether one was sent
   */
  sendWaiting(nowMs = Number.POSITIVE_INFINITY): boolean {
    const { waiting } = this;
    if (waiting === undefined || waiting.dueMs > nowMs) return false;
    this.waiting = undefined;
    waiting.send();
    return true;
  }

  /** The stream is over, and its server may be another one next. */
  forget(): void {
    this.waiting = undefined;
    this.refusal = '';
  }
}
