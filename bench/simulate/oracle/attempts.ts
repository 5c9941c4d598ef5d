import type { Pod } from '../world/pods.js';
import type { ConsistentHash } from './consistent-hash.js';
import { open, type Placed, targetsOf, type Wanted, whatIsWanted } from './expectation.js';
import type { ReadRelease } from './reading.js';
import { isUsable, pinnedPod, type Situation, serves } from './situation.js';

/** One try of a request at one pod, as it was made. */
export interface Attempt {
  readonly release: string;
  readonly pod: Pod;
  /** The release that chance had picked, where it had no usable pod. Believed only where chance decides. */
  readonly failedOverFrom: string | undefined;
}

/** What became of a request. All attempts but an answered last one were refused. */
export interface Outcome {
  readonly attempts: readonly Attempt[];
  readonly answered: boolean;
  /** The response set the session's cookie. */
  readonly setsCookie: boolean;
}

/** Where a request ended up, or what is wrong with how it got there. */
export type Followed =
  | {
      readonly placed: Placed | undefined;
      /** What was wanted before any pod refused. */
      readonly first: Wanted;
    }
  | { readonly problem: string };

/**
 * Follows a request from attempt to attempt and compares each with what SEMANTICS asks for: the release by S4, the
 * pod by S5, another pod of the same release after a refusal, and failover once all of them have refused.
 */
export function follow(situation: Situation, outcome: Outcome, hashing: ConsistentHash): Followed {
  const tried: Pod[] = [];
  const without: ReadRelease[] = [];
  let wanted = whatIsWanted(situation);
  let first = wanted;
  let release: ReadRelease | undefined;
  let targets: readonly ReadRelease[] = [];
  for (const attempt of outcome.attempts) {
    if (release === undefined) {
      wanted = chanceAsClaimed(wanted, attempt, situation);
      if (tried.length === 0) first = wanted;
      targets = targetsOf(wanted, situation, without);
      release = targets.find(({ name }) => name === attempt.release);
      if (release === undefined)
        return { problem: `${attempt.release}, not ${names(targets)} (${wanted.rule})` };
    }
    const problem = checkPod(situation, release, attempt, tried, hashing);
    if (problem !== undefined) return { problem };
    tried.push(attempt.pod);
    if (outcome.answered && attempt === outcome.attempts.at(-1)) {
      return { first, placed: placedAt(wanted, release, targets, attempt.pod) };
    }
    const { view } = situation.sees(release);
    const left = view.version.pods.some((pod, i) => isUsable(view, i, false) && !tried.includes(pod));
    if (!left) {
      without.push(release);
      release = undefined;
    }
  }
  const problem = checkNowhere(situation, wanted, without, release);
  return problem === undefined ? { first, placed: undefined } : { problem };
}

function placedAt(
  { rule, release: wanted }: Wanted,
  release: ReadRelease,
  targets: readonly ReadRelease[],
  { id }: Pod,
): Placed {
  return { rule, release, targets, pod: id, failedOverFrom: wanted === release ? undefined : wanted };
}

/** S4.2 `none`: any release with a weight; the code says which it drew, and that must be possible. */
function chanceAsClaimed(wanted: Wanted, attempt: Attempt, situation: Situation): Wanted {
  if (wanted.release !== undefined) return wanted;
  const drawn = attempt.failedOverFrom ?? attempt.release;
  const release = open(situation.route.split).find(({ name }) => name === drawn);
  return { rule: wanted.rule, release };
}

function checkPod(
  situation: Situation,
  release: ReadRelease,
  { pod }: Attempt,
  tried: readonly Pod[],
  hashing: ConsistentHash,
): string | undefined {
  const { view } = situation.sees(release);
  const index = view.version.pods.indexOf(pod);
  const pinned = pinnedPod(situation, view);
  if (pinned !== undefined && !tried.includes(pinned))
    return pinned === pod ? undefined : `${pod.address}, not the pinned ${pinned.address}`;
  const usable = (i: number) => isUsable(view, i, false) && !tried.includes(view.version.pods[i] as Pod);
  if (index === -1 || !usable(index)) return `${pod.address}, which is not usable`;
  if (situation.hash === undefined || situation.read.hashes !== 'ring') return undefined;
  const expected = hashing.pick(situation.hash, view, usable);
  return expected === pod ? undefined : `${pod.address}, not ${expected?.address} (hash)`;
}

/** S4.5: no answer is right only where there was nowhere left to go. */
function checkNowhere(
  situation: Situation,
  wanted: Wanted,
  without: readonly ReadRelease[],
  release: ReadRelease | undefined,
): string | undefined {
  if (release !== undefined) return `gave up with pods of ${release.name} left`;
  const candidates = wanted.release === undefined ? open(situation.route.split) : [wanted.release];
  const { rule } = wanted;
  const dead = candidates.filter(
    (each) => targetsOf({ rule, release: each }, situation, without).length === 0,
  );
  if (dead.length > 0) return undefined;
  const somewhere = candidates.filter((candidate) => serves(candidate, situation, without));
  return `no answer, with usable pods in ${names(somewhere.length > 0 ? somewhere : candidates)}`;
}

function names(releases: readonly ReadRelease[]): string {
  return releases.map(({ name }) => name).join(' or ') || 'nowhere';
}
