/** Files that never come to rest are read all the same after this. */
const LONGEST_WAIT_MS = 10_000;

/**
 * Tells when files that change have come to rest: a file that is being written is not read half way. Pure bookkeeping
 * over signatures, which are equal as long as nothing changes.
 */
export class QuietFiles {
  private seen: string | undefined;
  private seenAtMs = 0;
  private readSignature: string | undefined;
  private restlessSinceMs: number | undefined;

  constructor(private readonly quietMs: number) {}

  /** @returns whether the files differ from those that were read last, and it is time to read them */
  look(signature: string, nowMs: number): boolean {
    if (signature !== this.seen) {
      this.seen = signature;
      this.seenAtMs = nowMs;
    }
    if (signature === this.readSignature) {
      this.restlessSinceMs = undefined;
      return false;
    }
    this.restlessSinceMs ??= nowMs;
    return nowMs - this.seenAtMs >= this.quietMs || nowMs - this.restlessSinceMs >= LONGEST_WAIT_MS;
  }

  /** Files have been read while they had this signature; undefined: they are to be read again. */
  read(signature: string | undefined): void {
    this.readSignature = signature;
    this.restlessSinceMs = undefined;
  }

  /** Something has changed and has not been read yet. */
  get isRestless(): boolean {
    return this.restlessSinceMs !== undefined;
  }
}
