import { type Pin, releaseDigest } from './pins.js';
import type { Question } from './question.js';
import type { Release } from './release.js';
import type { Affinity, Route, Split, VirtualHost } from './table.js';

/** S4 and S6: what a session's pin still holds it on. */

/** S4 rule 1: the release that a split names outright. */
export function namedBy({ releases }: Split): Release | undefined {
  return releases.length === 1 ? releases[0] : undefined;
}

/** A session keeps its endpoint on this route, for as long as that may be used. */
export function keepsEndpoint({ affinity, stateful }: Route): boolean {
  return affinity?.endpoint === 'persistent' || stateful !== undefined;
}

/** Index of the endpoint that a pin, or the client itself, names in this release, or -1. */
export function pinnedIn(release: Release, { pin, asked, route: { affinity } }: Question): number {
  if (asked !== undefined) return release.cluster.endpoints.findByAddress(asked);
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

/**
 * The release of the endpoint that the client asks for, where only chance would choose one: without this, a stateful
 * session ends at the next request of a split (envoyproxy/envoy#24741).
 */
export function releaseAskedFor({ asked, route }: Question): Release | undefined {
  if (asked === undefined || (route.affinity !== undefined && route.affinity.version !== 'none'))
    return undefined;
  return route.split.releases.find(({ cluster }) => cluster.endpoints.findByAddress(asked) >= 0);
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
  return split.releases.find((release) => releaseDigest(release, pin.label) === pin.release);
}

/**
 * A pin as a client has sent it. A label's that calls its release as other kinds of pin do is an older sidecar's,
 * which its endpoint proves, or another kind of pin that the client has rewritten: without that proof it holds what
 * the client's own pin holds, and no more.
 */
export function provenPin(pin: Pin, { service: { releases } }: VirtualHost, { digests }: Affinity): Pin {
  if (!pin.label || !releases.some(({ digest }) => digest === pin.release)) return pin;
  const isProven = releases.some(({ cluster }) => cluster.endpoints.findByDigest(pin.endpoint, digests) >= 0);
  return isProven ? pin : { ...pin, label: false };
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
export function splitWithoutLabels({
  host,
  route,
  request,
  context,
}: Pick<Question, 'host' | 'route' | 'request' | 'context'>): Split {
  let last = route.split;
  for (let i = host.routes.indexOf(route) + 1; i < host.routes.length; i++) {
    const { condition, split } = host.routes[i] as Route;
    if (condition !== undefined && !condition(request, context.random)) continue;
    if (condition === undefined || split.releases.length > 1) return split;
    last = split;
  }
  return last;
}
