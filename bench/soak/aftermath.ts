/** What a client leaves behind. */
interface Left<Session> {
  readonly session: Session;
  readonly sentAtMs: number;
  readonly leftAtMs: number;
}

/** A request that nobody waits for any more is retried for so long at most. */
export const AFTERMATH_MS = 5000;

/**
 * Sessions whose clients have left without an answer. To the sidecar such a client is one that may still want its
 * answer: the request goes on, and may move the session's pin without a word to anybody. That is over when everything
 * has been answered that was sent within {@link AFTERMATH_MS} of the client's leave, however slow the machine is.
 */
export class Aftermath<Session> {
  /** In the order in which they left. */
  private readonly waiting: Left<Session>[] = [];

  add(session: Session, sentAtMs: number, leftAtMs: number): void {
    this.waiting.push({ session, sentAtMs, leftAtMs });
  }

  /**
   * Sessions that may call again.
   *
   * @param answeredUpToMs nothing that was sent before then is under way
   */
  over(answeredUpToMs: number): Left<Session>[] {
    const first = this.waiting.findIndex(({ leftAtMs }) => leftAtMs + AFTERMATH_MS >= answeredUpToMs);
    return this.waiting.splice(0, first === -1 ? this.waiting.length : first);
  }
}
