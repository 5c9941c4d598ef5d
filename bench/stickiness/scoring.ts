/** Where a session's call was answered: `v1` and `v1-2`; undefined: it failed. */
export type Placed = { readonly release: string; readonly pod: string } | undefined;

/** Where the sessions of one round of calls were answered, by session. */
export type Round = ReadonlyMap<string, Placed>;

export interface Moves {
  /** Sessions that came to another release. */
  readonly flips: number;
  /** Sessions that came to another pod of their release. */
  readonly hops: number;
  /** Calls that were not answered. */
  readonly failed: number;
}

/** What became of the sessions of one round in the next. A session without an answer in either has not moved. */
export function movesBetween(before: Round, after: Round): Moves {
  let [flips, hops, failed] = [0, 0, 0];
  for (const [session, now] of after) {
    const then = before.get(session);
    if (now === undefined) failed++;
    else if (then !== undefined && then.release !== now.release) flips++;
    else if (then !== undefined && then.pod !== now.pod) hops++;
  }
  return { flips, hops, failed };
}

/** Sessions that a round has at a release. */
export function sessionsAt(round: Round, release: string): string[] {
  return [...round].filter(([, placed]) => placed?.release === release).map(([session]) => session);
}

/** The share of a round's answers that a release gave, 0 to 1. */
export function shareOf(round: Round, release: string): number {
  const answered = [...round.values()].filter((placed) => placed !== undefined);
  return answered.length === 0
    ? 0
    : answered.filter((placed) => placed?.release === release).length / answered.length;
}
