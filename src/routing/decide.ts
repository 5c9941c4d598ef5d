import { readBaggage } from '../http/baggage.js';
import { headerName } from '../http/header-name.js';
import { type Endpoint, UNUSABLE } from './endpoint-set.js';
import { endpointsOf, failOver } from './failover.js';
import { keepsEndpoint, namedBy, pinnedIn, provenPin, releaseAskedFor, releaseHeld } from './hold.js';
import { choosePin, type NewPin } from './new-pin.js';
import { pickEndpoint } from './pick-endpoint.js';
import type { Pin } from './pins.js';
import type { ChosenRelease, DecisionContext, Question, ReleaseReason, Target } from './question.js';
import type { Release } from './release.js';
import type { RequestView } from './request-view.js';
import type { SessionKey } from './session-key.js';
import type { Affinity, Route, Split, VirtualHost } from './table.js';

export type { DecisionContext, ReleaseReason } from './question.js';

/**
 * The decision: route, then session, then release, then endpoint. Pure: what it needs from outside comes in
 * {@link DecisionContext}, and what follows from it (cookies, table entries) is the caller's to do. The
 * sidecar, `roost explain`, `roost plan` and the simulation all call this and nothing else. The rules are
 * SEMANTICS S1 to S6 and S8, cited below.
 */

/** Why an endpoint was chosen. */
export type EndpointReason = 'pin' | 'hash' | 'load-balancer';

/** Where a request goes. */
export interface Placement {
  readonly route: Route;
  readonly release: Release;
  readonly releaseReason: ReleaseReason;
  readonly endpoint: Endpoint;
  readonly endpointReason: EndpointReason;
  /** Undefined: the request belongs to no session. */
  readonly session: SessionKey | undefined;
  /** Which slot of the split the session owns; undefined where the slot did not matter. */
  readonly slot: number | undefined;
  /** The pin that the session came with, valid or not. */
  readonly pin: Pin | undefined;
  /** The release that would have been right, had it had a usable endpoint. */
  readonly failedOverFrom: Release | undefined;
  /**
   * The session is to be pinned to this, and to the endpoint that answers; without one, a session that the response
   * begins, where a cookie of the app's own is a key.
   */
  readonly pinTo: NewPin | undefined;
}

/** No release that the request may go to has a usable endpoint. */
export interface NoEndpoint {
  readonly route: Route;
  readonly release: Release;
  readonly endpoint: undefined;
}

/** S1: the first route whose condition holds. Looks at no session. */
export function findRoute(host: VirtualHost, request: RequestView, random: () => number): Route | undefined {
  if (host.guards !== undefined) return host.guards.find(host.routes, request, random);
  for (const route of host.routes) {
    if (route.condition === undefined || route.condition(request, random)) return route;
  }
  return undefined;
}

const BAGGAGE = headerName('baggage');
/** The W3C baggage member that carries a lane from call to call. */
export const LANE_MEMBER = 'roost-lane';

/**
 * S3 to S6: places a request of this route.
 *
 * @param without releases to treat as if they had no usable endpoint, because all of theirs have just refused
 *   this very request
 */
export function place(
  host: VirtualHost,
  route: Route,
  request: RequestView,
  context: DecisionContext,
  without: readonly Release[] = [],
): Placement | NoEndpoint {
  const { affinity } = route;
  const session = affinity?.keys.find(request);
  const pin = session && affinity && findPin(session, affinity, host, context);
  const asked = route.stateful?.addressIn(request);
  const question: Question = { host, route, request, context, without, session, pin, asked };
  const wanted = chooseRelease(question);
  const target = failOver(wanted, question);
  if (target === undefined) return { route, release: wanted.release, endpoint: undefined };
  const { endpoint, reason } = chooseEndpoint(target, question);
  const refused = route.stateful?.strict && asked !== undefined && endpoint?.address !== asked;
  if (endpoint === undefined || refused) return { route, release: target.release, endpoint: undefined };
  const failedOverFrom = target.release === wanted.release ? undefined : wanted.release;
  return {
    route,
    release: target.release,
    releaseReason: failedOverFrom ? 'failover' : wanted.reason,
    endpoint,
    endpointReason: reason,
    session,
    slot: wanted.slot,
    pin,
    failedOverFrom,
    pinTo: choosePin(question, wanted, target, endpoint),
  };
}

/** Another endpoint of the same release for a retry (S4: retries stay inside the release). */
export function placeAgain(
  placement: Placement,
  tried: readonly Endpoint[],
  random: () => number,
): Endpoint | undefined {
  const { release, route, session } = placement;
  if (route.stateful?.strict && placement.endpointReason === 'pin') return undefined;
  return pickEndpoint(endpointsOf(release), hashForEndpoint(route, release, session), tried, random);
}

function findPin(
  { cookie, pinHash }: SessionKey,
  affinity: Affinity,
  host: VirtualHost,
  context: DecisionContext,
): Pin | undefined {
  if (cookie === undefined) return context.findPin(affinity, pinHash);
  return cookie.pin && provenPin(cookie.pin, host, affinity);
}

/** S4 and S8. */
function chooseRelease(question: Question): ChosenRelease {
  const { host, route, request, session, context, without } = question;
  const { affinity, split } = route;
  const held = releaseHeld(question);
  const choose = (release: Release, reason: ReleaseReason, slot?: number): ChosenRelease => ({
    release,
    reason,
    slot,
    pinned: pinnedIn(release, question),
    held,
  });
  const named = namedBy(split);
  if (held && affinity?.sessionFirst) return choose(held, 'pin');
  if (named) return choose(named, 'named');
  const inLane = affinity?.followLanes === false ? undefined : releaseInLane(host, split, request);
  if (inLane) return choose(inLane, 'lane');
  const kept = held ?? releaseAskedFor(question);
  if (kept) return choose(kept, 'pin');
  if (session === undefined || affinity === undefined || affinity.version === 'none') {
    // S4: evaluated once per request. After refusals, chance has spoken already.
    return choose(without[0] ?? releaseOfSlot(split, context.random() * split.total), 'random');
  }
  const slot = Number(session.hash % BigInt(split.total));
  return choose(releaseOfSlot(split, slot), 'slot', slot);
}

/** S8: the release that carries the request's lane; of several, one of the split first. */
function releaseInLane(host: VirtualHost, split: Split, request: RequestView): Release | undefined {
  if (!host.service.hasLanes) return undefined;
  const baggage = request.header(BAGGAGE);
  const wanted = baggage === undefined ? undefined : readBaggage(baggage, LANE_MEMBER);
  if (wanted === undefined || wanted === '') return undefined;
  const carriesIt = ({ lane }: Release) => lane === wanted;
  return split.releases.find(carriesIt) ?? host.service.releases.find(carriesIt);
}

function releaseOfSlot(split: Split, slot: number): Release {
  const index = split.ends.findIndex((end) => slot < end);
  return split.releases[index] as Release;
}

/** S5. */
function chooseEndpoint(
  { release, pinned }: Target,
  { route, session, context }: Question,
): { endpoint: Endpoint | undefined; reason: EndpointReason } {
  const endpoints = endpointsOf(release);
  if (keepsEndpoint(route) && pinned >= 0 && endpoints.usabilityAt(pinned) !== UNUSABLE)
    return { endpoint: endpoints.at(pinned), reason: 'pin' };
  const hash = hashForEndpoint(route, release, session);
  return {
    endpoint: pickEndpoint(endpoints, hash, [], context.random),
    reason: hash === undefined ? 'load-balancer' : 'hash',
  };
}

/** The hash that the endpoint pick follows; undefined: it follows the load. */
function hashForEndpoint(
  route: Route,
  release: Release,
  session: SessionKey | undefined,
): bigint | undefined {
  if (session === undefined) return undefined;
  const { affinity } = route;
  const { kind } = release.cluster.endpoints;
  const sticky = affinity !== undefined && affinity.endpoint !== 'none';
  if (!sticky && kind !== 'ring-hash' && kind !== 'maglev') return undefined;
  return affinity?.saltReleaseOnly === true ? session.pinHash : session.hash;
}
