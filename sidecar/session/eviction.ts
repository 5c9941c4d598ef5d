/** What decides which entry of a full bucket gives way, by slot. */
export interface EvictionFacts {
  /** Whose they are: 16 bits for the caller, 16 for its service. */
  readonly owners: Uint32Array;
  readonly lastUsed: Uint32Array;
  /** Whether a session has not come again since it was pinned. */
  cameOnce(slot: number): boolean;
}

/** Sessions that came once may have this share of a full bucket: who sends keys without end displaces such only. */
const ONCE_SHARE = 1 / 4;

/**
 * The entry that gives way to a newcomer: of the caller that has most of the bucket, and of its services the one that
 * has most. Among those it is the one used longest ago, of sessions that came once, or where these are few, of all.
 *
 * @param slots of the full bucket
 * @param owner the newcomer's
 */
export function slotToEvict(slots: readonly number[], owner: number, facts: EvictionFacts): number {
  const { owners, lastUsed } = facts;
  const ofCaller = heaviest(slots, (slot) => callerIn(owners[slot] as number), callerIn(owner));
  const ofService = heaviest(ofCaller, (slot) => owners[slot] as number, owner);
  const once = ofService.filter((slot) => facts.cameOnce(slot));
  const candidates = once.length >= ofService.length * ONCE_SHARE ? once : ofService;
  return candidates.reduce((oldest, slot) =>
    (lastUsed[slot] as number) < (lastUsed[oldest] as number) ? slot : oldest,
  );
}

function callerIn(owner: number): number {
  return owner >>> 16;
}

/**
 * The slots of the group that has most of them, a newcomer counted in: its own where others have as many; of several
 * others, all of theirs.
 */
function heaviest(
  slots: readonly number[],
  groupOf: (slot: number) => number,
  newcomer: number,
): readonly number[] {
  const counts = new Map([[newcomer, 1]]);
  for (const slot of slots) counts.set(groupOf(slot), (counts.get(groupOf(slot)) ?? 0) + 1);
  const most = Math.max(...slots.map((slot) => counts.get(groupOf(slot)) as number));
  const own = slots.filter((slot) => groupOf(slot) === newcomer);
  if (own.length > 0 && counts.get(newcomer) === most) return own;
  return slots.filter((slot) => counts.get(groupOf(slot)) === most);
}
