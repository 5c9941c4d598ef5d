import { UNUSABLE } from '../../../src/routing/endpoint-set.js';
import type { Held } from './memory.js';
import { ownerOf, type ReadRelease, type ReadSplit } from './reading.js';
import { isNamed, isUsable, leadsTo, podIndex, type Situation, serves } from './situation.js';

/** The rule of S4 or S8 that decides. `only`: the service's whole split is one release. */
export type Rule = 'label' | 'only' | 'lane' | 'held' | 'slot' | 'random';

/** Which release the document asks for. */
export interface Wanted {
  readonly rule: Rule;
  /** Undefined: chance decides, by weight. */
  readonly release: ReadRelease | undefined;
}

const SLOTS = 10_000n;

/** S4 and S8, rule by rule. */
export function whatIsWanted(situation: Situation): Wanted {
  const { read, route, hash } = situation;
  const held = heldRelease(situation);
  if (held && read.affinity.precedence === 'session') return { rule: 'held', release: held };
  if (isNamed(route)) {
    return { rule: route.label === undefined ? 'only' : 'label', release: route.split.releases[0] };
  }
  const inLane = releaseInLane(situation);
  if (inLane) return { rule: 'lane', release: inLane };
  if (held) return { rule: 'held', release: held };
  if (hash === undefined || read.affinity.version === 'none') return { rule: 'random', release: undefined };
  return { rule: 'slot', release: ownerOf(route.split, Number(hash % SLOTS)) };
}

/** S4.2: `persistent` holds a release; `balanced` only where a label made the hold; `none` never. */
export function heldRelease(situation: Situation): ReadRelease | undefined {
  const { held, read, route } = situation;
  if (held === undefined || held.release === 0) return undefined;
  const { version, precedence } = read.affinity;
  if (version === 'none' || (version === 'balanced' && !held.label)) return undefined;
  const here = leadsTo(held, route.split, situation);
  if (here || precedence === 'split' || !isNamed(route)) return here;
  return leadsTo(held, read.fallback.split, situation);
}

/** S8 */
function releaseInLane({ read, route, lane }: Situation): ReadRelease | undefined {
  if (lane === '' || read.affinity.lanes === 'ignore') return undefined;
  const inLane = (release: ReadRelease) => release.lane === lane;
  return route.split.releases.find(inLane) ?? read.releases.find(inLane);
}

/** S4.5: where a request may go. Empty: nowhere, 503. */
export function targetsOf(
  { rule, release: wanted }: Wanted,
  situation: Situation,
  without: readonly ReadRelease[],
): readonly ReadRelease[] {
  const { read, route } = situation;
  if (wanted === undefined || isSplitDown(rule, wanted, situation)) return [];
  if (serves(wanted, situation, without)) return [wanted];
  if (serves(read.stable, situation, without)) return [read.stable];
  return read.affinity.failover === 'any' ? anyOf(route.split, situation, without) : [];
}

/** Case 19: where the split weighs a stable release that is dead, what the split decides is 503. */
function isSplitDown(rule: Rule, wanted: ReadRelease, { read, route, sees }: Situation): boolean {
  const bySplit = rule === 'held' || rule === 'slot' || rule === 'random';
  if (!bySplit || wanted === read.stable || read.affinity.failover === 'any') return false;
  if (!open(route.split).includes(read.stable)) return false;
  return sees(read.stable).view.states.every((state) => state === UNUSABLE);
}

/** S4.5 `failover: any` with S2: a drained release gets nobody new while another serves. */
export function anyOf(
  split: ReadSplit,
  situation: Situation,
  without: readonly ReadRelease[],
): readonly ReadRelease[] {
  const serving = split.releases.filter((release) => serves(release, situation, without));
  const opened = open(split).filter((release) => serving.includes(release));
  return opened.length > 0 ? opened : serving;
}

/** S2: the releases that new sessions and chance may be sent to. */
export function open({ releases, slots }: ReadSplit): readonly ReadRelease[] {
  return releases.filter((_, i) => (slots[i] as number) > 0);
}

export interface Placed {
  readonly rule: Rule;
  readonly release: ReadRelease;
  /** The one that was right, where it had no usable pod. */
  readonly failedOverFrom: ReadRelease | undefined;
  /** The releases that it might have been sent to. */
  readonly targets: readonly ReadRelease[];
  readonly pod: number;
}

/** What the session holds after it has been placed (S4, S6). @returns `same` where nothing is to change */
export function heldAfter(situation: Situation, placed: Placed): Held | undefined | 'same' {
  const { held, read, route } = situation;
  const { rule, release, failedOverFrom, pod } = placed;
  if (rule === 'lane' || (isNamed(route) && rule !== 'held' && !route.pin)) return 'same';
  if (failedOverFrom && hasSomethingToKeep(situation) && !isLostForLong(failedOverFrom, situation))
    return 'same';
  const { version, endpoint } = read.affinity;
  const byLabel = rule === 'label' || (held?.label === true && heldRelease(situation) === placedFor(placed));
  const holdsRelease = version === 'persistent' || (version === 'balanced' && byLabel);
  if (!holdsRelease && endpoint !== 'persistent') return isEvictedLabel(situation) ? undefined : 'same';
  const next = { release: holdsRelease ? release.number : 0, pod, label: byLabel };
  return held !== undefined && isStillRight(held, next, situation, release) ? 'same' : next;
}

const placedFor = ({ failedOverFrom, release }: Placed) => failedOverFrom ?? release;

/** S4.5: `failoverRepin` is for sessions that hold something which this request's splits still know. */
function hasSomethingToKeep(situation: Situation): boolean {
  const { held, route, read } = situation;
  if (held === undefined) return false;
  if (leadsTo(held, route.split, situation)) return true;
  return isNamed(route) && leadsTo(held, read.fallback.split, situation) !== undefined;
}

function isLostForLong(release: ReadRelease, { sees, nowMs, read }: Situation): boolean {
  const since = sees(release).unusableSinceMs;
  return since !== undefined && nowMs - since >= read.affinity.failoverRepin;
}

/** S2 under `balanced`: a label's hold on a release that has left the split. */
function isEvictedLabel(situation: Situation): boolean {
  const { held, read } = situation;
  if (read.affinity.version !== 'balanced' || !held?.label || held.release === 0) return false;
  return heldRelease(situation) === undefined;
}

function isStillRight(held: Held, next: Held, { sees, read }: Situation, release: ReadRelease): boolean {
  if (held.release !== next.release) return false;
  if (read.affinity.version === 'balanced' && next.label && !held.label) return false;
  const { view } = sees(release);
  const index = podIndex(view, held.pod);
  // Where pods are not pinned, the pod only says which release the session is on.
  return read.affinity.endpoint === 'persistent' ? isUsable(view, index, true) : index !== -1;
}
