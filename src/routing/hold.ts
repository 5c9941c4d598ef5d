import type { Pin } from './pins.js';
import type { Question } from './question.js';
import type { Affinity, Release, Route, Split } from './table.js';

/** S4 and S6: what a session's pin still holds it on. */

/** S4 rule 1: the release that a split names outright. */
export function namedBy({ releases }: Split): Release | undefined {
  return releases.length === 1 ? releases[0] : undefined;
}

/** Index of the endpoint that a pin names in this release, or -1. */
export function pinnedIn(release: Release, { pin, route: { affinity } }: Question): number {
  return pin && affinity ? release.cluster.endpoints.findByDigest(pin.endpoint, affinity.digests) : -1;
}

/** The release that the session's pin holds it on, if it may. */
export function releaseHeld(question: Question): Release | undefined {
  const { pin, route } = question;
  const { affinity, split } = route;
  if (pin === undefined || affinity === undefined || pin.release === 0 || affinity.version === 'none')
    return undefined;
  if (affinity.version === 'balanced' && !pin.label) return undefined;
  // Under `precedence: session` the session also outranks a route that names a release.
  return affinity.sessionFirst
    ? releaseBesideLabel(pin, affinity, question)
    : releaseOfPin(pin, split, affinity);
}

/** The pin leads somewhere: a session that has one has something to keep (S4 rule 5). */
export function holdsSomething(question: Question): boolean {
  const { pin, route } = question;
  const { affinity } = route;
  if (pin === undefined || affinity === undefined) return false;
  if (pin.release === 0 && affinity.endpoint !== 'persistent') return false;
  return releaseBesideLabel(pin, affinity, question) !== undefined;
}

/** S6: the release that the pinned endpoint belongs to now, if it is in the split; else the pin's, if that is. */
function releaseOfPin(pin: Pin, split: Split, { digests }: Affinity): Release | undefined {
  for (const release of split.releases) {
    if (release.cluster.endpoints.findByDigest(pin.endpoint, digests) >= 0) return release;
  }
  return split.releases.find(({ digest }) => digest === pin.release);
}

/** S6 where the route may be a label: the pin also counts in the split that the request would get without it. */
function releaseBesideLabel(pin: Pin, affinity: Affinity, question: Question): Release | undefined {
  const { split } = question.route;
  const inSplit = releaseOfPin(pin, split, affinity);
  if (inSplit || namedBy(split) === undefined) return inSplit;
  return releaseOfPin(pin, splitWithoutLabels(question), affinity);
}

/**
 * The split of the first route from this one on that takes the request and is no label; if all are labels, of
 * the last of them. Routes before this one have been passed over already.
 */
function splitWithoutLabels({ host, route, request, context }: Question): Split {
  let last = route.split;
  for (let i = host.routes.indexOf(route) + 1; i < host.routes.length; i++) {
    const { condition, split } = host.routes[i] as Route;
    if (condition !== undefined && !condition(request, context.random)) continue;
    if (condition === undefined || split.releases.length > 1) return split;
    last = split;
  }
  return last;
}
