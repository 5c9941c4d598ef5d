import { readBaggage } from '../http/baggage.js';
import { headerName } from '../http/header-name.js';
import { type Endpoint, type EndpointSet, PINNED_ONLY, UNUSABLE } from './endpoint-set.js';
import { pickEndpoint } from './pick-endpoint.js';
import type { Pin } from './pins.js';
import type { RequestView } from './request-view.js';
import type { SessionKey } from './session-key.js';
import type { Affinity, Release, Route, Split, VirtualHost } from './table.js';

/**
 * The decision: route, then session, then release, then endpoint. Pure: what it needs from outside comes in
 * {@link DecisionContext}, and what follows from it (cookies, table entries) is the caller's to do. The
 * sidecar, `roost explain`, `roost plan` and the simulation all call this and nothing else. The rules are
 * SEMANTICS S1 to S6 and S8, cited below.
 */

export interface DecisionContext {
  readonly nowMs: number;
  /** A number in [0, 1). */
  random(): number;
  /** The pin of a session whose key travels in no cookie. */
  findPin(affinity: Affinity, hash: bigint): Pin | undefined;
}

/** Why a release was chosen. */
export type ReleaseReason = 'named' | 'lane' | 'pin' | 'slot' | 'random' | 'failover';
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
  /** The session is to be pinned to this release (digest, or 0) and to the endpoint that answers. */
  readonly pinTo: { readonly release: number; readonly label: boolean } | undefined;
}

/** No release that the request may go to has a usable endpoint. */
export interface NoEndpoint {
  readonly route: Route;
  readonly release: Release;
  readonly endpoint: undefined;
}

/** S1: the first route whose condition holds. Looks at no session. */
export function findRoute(host: VirtualHost, request: RequestView, random: () => number): Route | undefined {
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
  const pin = session && affinity && findPin(session, affinity, context);
  const wanted = chooseRelease(host, route, request, session, pin, context);
  const target = failOver(host, route, wanted, without, session, context);
  if (target === undefined) return { route, release: wanted.release, endpoint: undefined };
  const { endpoint, reason } = chooseEndpoint(route, target.release, target.pinned, session, context);
  if (endpoint === undefined) return { route, release: target.release, endpoint: undefined };
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
    pinTo:
      session && affinity && choosePin({ host, route, affinity, pin, wanted, target, endpoint, context }),
  };
}

/** Another endpoint of the same release for a retry (S4: retries stay inside the release). */
export function placeAgain(
  placement: Placement,
  tried: readonly Endpoint[],
  random: () => number,
): Endpoint | undefined {
  const { release, route, session } = placement;
  return pickEndpoint(endpointsOf(release), hashForEndpoint(route, release, session), tried, random);
}

function findPin(session: SessionKey, affinity: Affinity, context: DecisionContext): Pin | undefined {
  return session.cookie ? session.cookie.pin : context.findPin(affinity, session.hash);
}

/** Where a pin leads now: its endpoint's present release, or else its own release with the endpoint open. */
interface ResolvedPin {
  readonly release: Release;
  /** -1: the endpoint is gone. */
  readonly endpointIndex: number;
}

/** S6: valid if the release that the pinned endpoint belongs to now is in the split; else if its release is. */
function resolvePin(pin: Pin, split: Split, affinity: Affinity): ResolvedPin | undefined {
  for (const release of split.releases) {
    const endpointIndex = release.cluster.endpoints.findByDigest(pin.endpoint, affinity.digests);
    if (endpointIndex >= 0) return { release, endpointIndex };
  }
  const release = split.releases.find(({ digest }) => digest === pin.release);
  return release && { release, endpointIndex: -1 };
}

interface ChosenRelease {
  readonly release: Release;
  readonly reason: ReleaseReason;
  readonly slot: number | undefined;
  /** Index of the endpoint that the session's pin names in this release, or -1. */
  readonly pinned: number;
}

/** S4 and S8. */
function chooseRelease(
  host: VirtualHost,
  route: Route,
  request: RequestView,
  session: SessionKey | undefined,
  pin: Pin | undefined,
  context: DecisionContext,
): ChosenRelease {
  const { affinity, split } = route;
  const named = split.releases.length === 1 ? (split.releases[0] as Release) : undefined;
  const choose = (release: Release, reason: ReleaseReason, slot?: number): ChosenRelease => ({
    release,
    reason,
    slot,
    pinned: pin && affinity ? release.cluster.endpoints.findByDigest(pin.endpoint, affinity.digests) : -1,
  });
  const held = pin && affinity && releaseHeldBy(pin, affinity, route, host);
  if (held && affinity.sessionFirst) return choose(held, 'pin');
  if (named) return choose(named, 'named');
  const inLane = affinity?.followLanes === false ? undefined : releaseInLane(host, split, request);
  if (inLane) return choose(inLane, 'lane');
  if (held) return choose(held, 'pin');
  if (session === undefined || affinity === undefined || affinity.version === 'none') {
    return choose(releaseOfSlot(split, context.random() * split.total), 'random');
  }
  const slot = Number(session.hash % BigInt(split.total));
  return choose(releaseOfSlot(split, slot), 'slot', slot);
}

/** The release that a pin holds the session on, if it may. */
function releaseHeldBy(pin: Pin, affinity: Affinity, route: Route, host: VirtualHost): Release | undefined {
  if (pin.release === 0 || affinity.version === 'none') return undefined;
  if (affinity.version === 'balanced' && !pin.label) return undefined;
  const inSplit = resolvePin(pin, route.split, affinity);
  if (inSplit || !affinity.sessionFirst) return inSplit?.release;
  // Under `precedence: session` the session also outranks a route that names a release: the pin then counts
  // if the service's unconditional route still lists its release.
  const fallback = host.routes.find(({ condition }) => condition === undefined);
  return fallback && resolvePin(pin, fallback.split, affinity)?.release;
}

/** S8: the release that carries the request's lane; of several, one of the split first. */
function releaseInLane(host: VirtualHost, split: Split, request: RequestView): Release | undefined {
  if (!host.service.releases.some(({ lane }) => lane !== '')) return undefined;
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

interface Target {
  readonly release: Release;
  readonly pinned: number;
}

/** S4 rule 5. */
function failOver(
  host: VirtualHost,
  route: Route,
  wanted: ChosenRelease,
  without: readonly Release[],
  session: SessionKey | undefined,
  context: DecisionContext,
): Target | undefined {
  const sticky = route.affinity?.endpoint === 'persistent';
  if (serves(wanted.release, sticky ? wanted.pinned : -1, without)) return wanted;
  const { stable } = host.service;
  if (stable && serves(stable, -1, without)) return { release: stable, pinned: -1 };
  if (route.affinity?.failoverAny) {
    const others = route.split.releases.filter((release) => serves(release, -1, without));
    const pick = session
      ? Number(session.hash % BigInt(others.length || 1))
      : Math.floor(context.random() * others.length);
    const release = others[pick];
    if (release) return { release, pinned: -1 };
  }
  // Nowhere to go. In a panic nobody's checks count: the session stays where it belongs, or else goes to stable.
  if (servesAtLast(wanted.release, without)) return wanted;
  return stable && servesAtLast(stable, without) ? { release: stable, pinned: -1 } : undefined;
}

function servesAtLast(release: Release, without: readonly Release[]): boolean {
  return release.cluster.lastResort !== undefined && !without.includes(release);
}

/** The endpoints that count: those in force, or in a panic that has left none, the last resort. */
function endpointsOf({ cluster }: Release): EndpointSet {
  return cluster.endpoints.usableCount > 0 ? cluster.endpoints : (cluster.lastResort ?? cluster.endpoints);
}

function serves(release: Release, pinnedIndex: number, without: readonly Release[]): boolean {
  if (without.includes(release)) return false;
  const { endpoints } = release.cluster;
  return (
    endpoints.usableCount > 0 || (pinnedIndex >= 0 && endpoints.usabilityAt(pinnedIndex) === PINNED_ONLY)
  );
}

/** S5. */
function chooseEndpoint(
  route: Route,
  release: Release,
  pinnedIndex: number,
  session: SessionKey | undefined,
  context: DecisionContext,
): { endpoint: Endpoint | undefined; reason: EndpointReason } {
  const endpoints = endpointsOf(release);
  const sticks = route.affinity?.endpoint === 'persistent' && pinnedIndex >= 0;
  if (sticks && endpoints.usabilityAt(pinnedIndex) !== UNUSABLE)
    return { endpoint: endpoints.at(pinnedIndex), reason: 'pin' };
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
  const { kind } = release.cluster.endpoints.loadBalancer;
  const sticky = route.affinity !== undefined && route.affinity.endpoint !== 'none';
  return sticky || kind === 'ring-hash' || kind === 'maglev' ? session.hash : undefined;
}

interface PinQuestion {
  readonly host: VirtualHost;
  readonly route: Route;
  readonly affinity: Affinity;
  readonly pin: Pin | undefined;
  readonly wanted: ChosenRelease;
  readonly target: Target;
  readonly endpoint: Endpoint;
  readonly context: DecisionContext;
}

/** S4 and S6: whether the session gets a new pin, and to what. */
function choosePin(question: PinQuestion): Placement['pinTo'] {
  const { host, route, affinity, pin, wanted, target, endpoint, context } = question;
  const named = wanted.reason === 'named';
  // S8: a lane changes no pin. `pin: false` on a route that names a release: neither does the route.
  if (wanted.reason === 'lane' || (named && !route.pins)) return undefined;
  const failedOver = target.release !== wanted.release;
  if (failedOver && pin !== undefined && !mayRepin(wanted.release, affinity, context)) return undefined;
  // A label is a condition: an unconditional route that lists one release is the whole service's split.
  const label = named && route.condition !== undefined;
  const holdsRelease =
    affinity.version === 'persistent' ||
    (affinity.version === 'balanced' && (label || wanted.reason === 'pin'));
  const holdsEndpoint = affinity.endpoint === 'persistent';
  if (!holdsRelease && !holdsEndpoint && !isEvictedLabel(pin, affinity, route, host)) return undefined;
  const release = holdsRelease ? target.release.digest : 0;
  const releaseRight = pin?.release === release && (pin.label || !label || affinity.version !== 'balanced');
  const pinned = failedOver ? -1 : wanted.pinned;
  const endpointRight =
    pinned >= 0 && (!holdsEndpoint || target.release.cluster.endpoints.at(pinned) === endpoint);
  if (releaseRight && endpointRight) return undefined;
  return { release, label: label || (wanted.reason === 'pin' && pin?.label === true) };
}

/** Under `balanced`, a label's pin to a release that has left the split is taken back, so that it cannot revive. */
function isEvictedLabel(pin: Pin | undefined, affinity: Affinity, route: Route, host: VirtualHost): boolean {
  if (pin === undefined || !pin.label || pin.release === 0 || affinity.version !== 'balanced') return false;
  return releaseHeldBy(pin, affinity, route, host) === undefined;
}

/** S4 rule 5: a pinned session follows its failover only once its release has been gone for a while. */
function mayRepin(lost: Release, affinity: Affinity, context: DecisionContext): boolean {
  const since = lost.cluster.unusableSinceMs;
  return since !== undefined && context.nowMs - since >= affinity.failoverRepinMs;
}
