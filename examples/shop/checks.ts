import type { Journey, Place, Placements, Round } from './traffic.js';

/**
 * Measured numbers against what SEMANTICS promises: no flips (another release), no hops (another pod of the same
 * release), and the split that the operator asked for. Pure.
 */
export interface Check {
  /** What was measured. */
  readonly name: string;
  readonly measured: string;
  /** What it has to be. */
  readonly promised: string;
  readonly ok: boolean;
}

const SIGMAS = 4;

/**
 * A share of independent picks. The pick follows a hash of the session, so the bound is the binomial one: `sigmas`
 * standard deviations either way.
 */
export function checkShare(
  name: string,
  count: number,
  total: number,
  share: number,
  sigmas: number = SIGMAS,
): Check {
  const margin = sigmas * Math.sqrt((share * (1 - share)) / Math.max(1, total));
  const measured = count / total;
  return {
    name,
    measured: `${percent(measured)} (${format(count)} of ${format(total)})`,
    promised: `${percent(share)} ± ${(100 * margin).toFixed(1)} points`,
    ok: total > 0 && Math.abs(measured - share) <= margin,
  };
}

/** Something that must not happen at all. */
export function checkNone(name: string, count: number, total: number): Check {
  return {
    name,
    measured: `${format(count)} of ${format(total)}`,
    promised: 'none',
    ok: count === 0 && total > 0,
  };
}

/** Something that must be so everywhere. */
export function checkAll(name: string, count: number, total: number): Check {
  return {
    name,
    measured: `${format(count)} of ${format(total)}`,
    promised: 'all',
    ok: count === total && total > 0,
  };
}

/** How many known sessions flipped or hopped. A session without an answer counts as neither. */
export function compare(
  before: Placements,
  after: Placements,
): { flips: number; hops: number; seen: number } {
  let [flips, hops, seen] = [0, 0, 0];
  for (const [session, now] of after) {
    const then = before.get(session);
    if (then === undefined) continue;
    seen++;
    if (then.release !== now.release) flips++;
    else if (then.pod !== now.pod) hops++;
  }
  return { flips, hops, seen };
}

/** In these rounds, no known session reached another release or pod than before. */
export function checkNoneMoved(who: string, before: Placements, ...rounds: readonly Placements[]): Check[] {
  const compared = rounds.map((after) => compare(before, after));
  const sum = (key: 'flips' | 'hops' | 'seen') => compared.reduce((total, each) => total + each[key], 0);
  return [
    checkNone(`${who}: calls to another release`, sum('flips'), sum('seen')),
    checkNone(`${who}: calls to another pod of it`, sum('hops'), sum('seen')),
  ];
}

/** Every request was answered with 200. */
export function checkNoFailures(...rounds: readonly Round[]): Check {
  const failures = rounds.flatMap((round) => round.failures);
  const requests = rounds.reduce((total, round) => total + round.requests, 0);
  const check = checkNone('failed requests', failures.length, requests);
  return failures.length === 0 ? check : { ...check, measured: `${check.measured}: ${failures[0]}` };
}

/** The loss of a pod: its sessions move once, within their release; no others move. */
export function checkPodLoss(lost: string, before: Placements, rounds: readonly Placements[]): Check[] {
  const journeys = [...before].map(([session, start]) => ({
    start,
    path: [start, ...rounds.flatMap((places) => places.get(session) ?? [])],
  }));
  const orphans = journeys.filter(({ start }) => start.pod === lost);
  const others = journeys.filter(({ start }) => start.pod !== lost);
  const once = orphans.filter(({ path }) => movesIn(path) === 1 && path.at(-1)?.pod !== lost);
  const flipped = orphans.filter(({ start, path }) => path.some(({ release }) => release !== start.release));
  return [
    checkAll(`sessions of the dead pod: moved exactly once`, once.length, orphans.length),
    checkNone('sessions of the dead pod: went to another release', flipped.length, orphans.length),
    checkNone(
      'sessions of other pods: moved',
      others.filter(({ path }) => movesIn(path) > 0).length,
      others.length,
    ),
  ];
}

function movesIn(path: readonly Place[]): number {
  return path.filter((place, i) => i > 0 && place.pod !== path[i - 1]?.pod).length;
}

/** Browsers: one cookie each, with the first response, and every request to the same pod of a release. */
export function checkBrowsers(journeys: readonly Journey[], release: string): Check[] {
  const stayed = journeys.filter(
    ({ places }) => places.every((place) => place.release === release) && movesIn(places) === 0,
  );
  const once = journeys.filter(
    ({ cookiesSet }) => cookiesSet[0] === 1 && cookiesSet.slice(1).every((n) => n === 0),
  );
  return [
    checkAll(`browsers: stay on their pod of ${release}, by cookie`, stayed.length, journeys.length),
    checkAll('browsers: were sent one cookie, once', once.length, journeys.length),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export function format(count: number): string {
  return count.toLocaleString('en-US');
}
