import { xxh64 } from '../hashing/xxh64.js';
import { type EndpointSet, PINNED_ONLY, UNUSABLE } from './endpoint-set.js';
import { keepsEndpoint, pinnedIn } from './hold.js';
import type { ChosenRelease, Question, Target } from './question.js';
import type { Release } from './release.js';
import type { Split } from './table.js';

/** S4 rule 5: the chosen release if it can serve the request, else where that goes instead. */
export function failOver(wanted: ChosenRelease, question: Question): Target | undefined {
  if (isSplitDown(wanted, question)) return undefined;
  if (serves(wanted.release, wanted.pinned, question)) return wanted;
  const { host, route } = question;
  const { stable } = host.service;
  const target = stable && targetOn(stable, question);
  if (target) return target;
  const chosen = route.affinity?.failoverAny ? chooseAny(question) : undefined;
  return (chosen && targetOn(chosen, question)) ?? lastResort(wanted, question);
}

/**
 * S4 rule 5, case 19: a split without its stable release is down as a whole, unless `failover: any`. A release that
 * a route or a lane names outright is no matter of the split.
 */
function isSplitDown({ release, reason }: ChosenRelease, { host, route }: Question): boolean {
  const { stable } = host.service;
  if (stable === undefined || release === stable || reason === 'named' || reason === 'lane') return false;
  return isDown(stable) && slotsOf(route.split, stable) > 0 && route.affinity?.failoverAny !== true;
}

/** Not one of its endpoints may be used, not even by its pinned sessions, and there is no panic. */
function isDown({ cluster: { endpoints, lastResort } }: Release): boolean {
  if (endpoints.usableCount > 0 || lastResort !== undefined) return false;
  return endpoints.endpoints.every((_, i) => endpoints.usabilityAt(i) === UNUSABLE);
}

/** Nowhere to go. In a panic checks do not count: the session stays where it belongs, or else goes to `stable`. */
function lastResort(wanted: ChosenRelease, question: Question): Target | undefined {
  const { stable } = question.host.service;
  const mayServe = ({ cluster }: Release) => cluster.lastResort !== undefined;
  if (mayServe(wanted.release) && !question.without.includes(wanted.release)) return wanted;
  if (stable === undefined || !mayServe(stable) || question.without.includes(stable)) return undefined;
  return { release: stable, pinned: pinnedIn(stable, question) };
}

/** The endpoints that count: those in force, or where none of them is usable, in a panic, the last resort. */
export function endpointsOf({ cluster }: Release): EndpointSet {
  return cluster.endpoints.usableCount > 0 ? cluster.endpoints : (cluster.lastResort ?? cluster.endpoints);
}

function targetOn(release: Release, question: Question): Target | undefined {
  const pinned = pinnedIn(release, question);
  return serves(release, pinned, question) ? { release, pinned } : undefined;
}

/** S5: a release with nothing but draining endpoints still serves the sessions that are pinned to one. */
function serves(release: Release, pinned: number, { route, without }: Question): boolean {
  if (without.includes(release)) return false;
  const { endpoints } = release.cluster;
  if (endpoints.usableCount > 0) return true;
  return pinned >= 0 && keepsEndpoint(route) && endpoints.usabilityAt(pinned) === PINNED_ONLY;
}

/**
 * `failover: any`: a drained release only where there is no other. Rendezvous hashing: a session keeps to the
 * same release for as long as that serves, whatever becomes of the others.
 */
function chooseAny(question: Question): Release | undefined {
  const { route, session, context } = question;
  const serving = route.split.releases.filter((release) => targetOn(release, question) !== undefined);
  const open = serving.filter((release) => slotsOf(route.split, release) > 0);
  const candidates = open.length > 0 ? open : serving;
  if (session === undefined) return candidates[Math.floor(context.random() * candidates.length)];
  const score = ({ name }: Release) => xxh64(name, session.hash);
  return candidates.reduce<Release | undefined>(
    (best, release) => (best && score(best) >= score(release) ? best : release),
    undefined,
  );
}

function slotsOf({ releases, ends }: Split, release: Release): number {
  const index = releases.indexOf(release);
  return index === -1 ? 0 : (ends[index] as number) - (ends[index - 1] ?? 0);
}
