/** What the oracle has counted. */
export class Tally {
  /** Requests that were rightly not answered: nobody usable to go to. */
  unanswered = 0;
  readonly flips: Record<string, number> = {};
  readonly hops: Record<string, number> = {};
  unexplainedFlips = 0;
  unexplainedHops = 0;
  /** Decisions against the rules that moved no session: a first one, or a move that was due and not made. */
  misplaced = 0;

  /** @returns a problem where there was no cause */
  flip(cause: string | undefined): string | undefined {
    if (cause === undefined) {
      this.unexplainedFlips++;
      return 'an unexplained flip';
    }
    this.flips[cause] = (this.flips[cause] ?? 0) + 1;
    return undefined;
  }

  /** @returns a problem where there was no cause */
  hop(cause: string | undefined): string | undefined {
    if (cause === undefined) {
      this.unexplainedHops++;
      return 'an unexplained hop';
    }
    this.hops[cause] = (this.hops[cause] ?? 0) + 1;
    return undefined;
  }

  get unexplained(): number {
    return this.unexplainedFlips + this.unexplainedHops + this.misplaced;
  }
}
