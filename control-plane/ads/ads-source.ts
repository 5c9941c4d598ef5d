import type { ChangeLog } from '../snapshot/change-log.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { AdsFigures } from './ads-figures.js';
import { Interests } from './interests.js';
import { NameSets } from './name-set.js';
import { PushFront } from './push-front.js';
import { Nonces } from './responses.js';
import { SharedAnswers } from './shared-answers.js';

/**
 * What every stream reads from, and where it says how far it is.
 *
 * @typeParam Client the streams; nothing else about them is known here
 */
export interface AdsSource<Client = unknown> {
  readonly snapshot: Snapshot;
  readonly changes: ChangeLog;
  readonly figures: AdsFigures;
  readonly nonces: Nonces;
  /** What clients are subscribed to; those that want the same share it. */
  readonly names: NameSets;
  readonly answers: SharedAnswers;
  readonly interests: Interests<Client>;
  readonly front: PushFront<Client>;
  nowMs(): number;
}

/** A source for one server. */
export function newAdsSource<Client>(
  snapshot: Snapshot,
  changes: ChangeLog,
  nowMs: () => number = Date.now,
): AdsSource<Client> {
  return {
    snapshot,
    changes,
    figures: new AdsFigures(),
    nonces: new Nonces(),
    names: new NameSets(),
    answers: new SharedAnswers(),
    interests: new Interests(),
    front: new PushFront(),
    nowMs,
  };
}

/**
 * Begins a round of pushes: moves the front to the present snapshot.
 *
 * @returns the clients to visit: those that a change concerns, and those that were not at the front before
 */
export function beginRound<Client extends { stepAside(): void }>({
  snapshot,
  changes,
  front,
  interests,
}: AdsSource<Client>): ReadonlySet<Client> {
  const { sequence } = front.position;
  if (sequence !== snapshot.sequence)
    for (const stream of interests.concernedBy(changes.since(sequence))) stream.stepAside();
  front.moveTo(snapshot);
  return front.apart;
}
