import { findRoute } from '../../src/routing/decide.js';
import { plainRequest, type RequestView } from '../../src/routing/request-view.js';
import type { Route, VirtualHost } from '../../src/routing/table.js';
import { type Alternative, type CompiledService, sampleRequests } from './sample-requests.js';

/** Requests that one route takes now, and one after the change. At least one of them is there. */
export interface RoutePair {
  /** Undefined: no route takes them (404). */
  readonly old: Route | undefined;
  readonly next: Route | undefined;
  /** One of them. */
  readonly request: RequestView;
  /** It is not known where these requests go on the other side of the change. */
  readonly isUnknown: boolean;
}

/**
 * Pairs routes by the requests that they take, whatever they are called: a route that is renamed, split up, merged,
 * moved or removed is found by what becomes of its requests.
 */
export function pairRoutes(now: CompiledService, then: CompiledService): RoutePair[] {
  const { requests, opaque } = sampleRequests([now, then]);
  const pairs = requests.map(
    (request): RoutePair => ({
      old: routeOf(now.host, request),
      next: routeOf(then.host, request),
      request,
      isUnknown: false,
    }),
  );
  return inOrder(distinct([...pairs, ...pairsByText(opaque[0] ?? [], opaque[1] ?? [])]), then.host);
}

function routeOf(host: VirtualHost, request: RequestView): Route | undefined {
  return findRoute(host, request, () => 0);
}

/** Of the rest, the same condition takes the same requests; which ones another condition takes is not known. */
function pairsByText(old: readonly Alternative[], next: readonly Alternative[]): RoutePair[] {
  const request = plainRequest({});
  const partnerOf = ({ match }: Alternative, others: readonly Alternative[]) =>
    others.find((other) => JSON.stringify(other.match) === JSON.stringify(match))?.route;
  const before = old.map((each): RoutePair => {
    const partner = partnerOf(each, next);
    return { old: each.route, next: partner, request, isUnknown: partner === undefined };
  });
  const after = next
    .filter((each) => partnerOf(each, old) === undefined)
    .map((each): RoutePair => ({ old: undefined, next: each.route, request, isUnknown: true }));
  return [...before, ...after];
}

/** One for each two names: the alternatives of a route differ in nothing that places a session. */
function distinct(pairs: readonly RoutePair[]): RoutePair[] {
  const byNames = new Map<string, RoutePair>();
  for (const pair of pairs) {
    const names = JSON.stringify([pair.old?.name, pair.next?.name, pair.isUnknown]);
    if ((pair.old ?? pair.next) !== undefined && !byNames.has(names)) byNames.set(names, pair);
  }
  return [...byNames.values()];
}

/** As the routes will be; those that keep their name first, then those whose requests no route will take. */
function inOrder(pairs: readonly RoutePair[], then: VirtualHost): RoutePair[] {
  const rank = ({ old, next }: RoutePair) =>
    next === undefined ? then.routes.length : then.routes.indexOf(next) + (old?.name === next.name ? 0 : 0.5);
  return [...pairs].sort((a, b) => rank(a) - rank(b));
}
