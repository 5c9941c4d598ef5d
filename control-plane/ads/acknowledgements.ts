/** A response that the client refused. */
export interface Rejection {
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Revision of the configuration that the refused response was made from. */
  readonly revision: number;
}

/** How many unanswered responses of one type are remembered; older ones count as answered. */
const MAX_OUTSTANDING = 1000;

/** What one client has said about the responses of one type. */
export class Acknowledgements {
  /** Revision of each response that has no answer yet, by nonce, oldest first. */
  private readonly outstanding = new Map<string, number>();
  private lastNonce = '';
  private lastRejection: Rejection | undefined;

  /** Nonce of the newest response; empty before the first. */
  get newestNonce(): string {
    return this.lastNonce;
  }

  /** The newest response's refusal; undefined once a later one was accepted. */
  get rejection(): Rejection | undefined {
    return this.lastRejection;
  }

  get unanswered(): number {
    return this.outstanding.size;
  }

  sent(nonce: string, revision: number): void {
    this.lastNonce = nonce;
    this.outstanding.set(nonce, revision);
    if (this.outstanding.size > MAX_OUTSTANDING) {
      const [oldest] = this.outstanding.keys();
      this.outstanding.delete(oldest as string);
    }
  }

  /**
   * The client answered a response. It answers in order, so everything before it counts as answered, too.
   *
   * @param refusal the request's `error_detail`, which alone tells an ACK from a NACK
   */
  answered(nonce: string, refusal: string | undefined, atMs: number): void {
    const revision = this.outstanding.get(nonce);
    if (revision === undefined) return;
    for (const older of [...this.outstanding.keys()]) {
      this.outstanding.delete(older);
      if (older === nonce) break;
    }
    this.lastRejection = refusal === undefined ? undefined : { message: refusal, atMs, revision };
  }

  /** Whether every response made from this revision or an earlier one has its answer. */
  settled(revision: number): boolean {
    for (const unanswered of this.outstanding.values()) if (unanswered <= revision) return false;
    return true;
  }
}
