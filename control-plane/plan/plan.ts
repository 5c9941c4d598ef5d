import type { MeshService } from '../../src/model/mesh-service.js';
import type { Route, VirtualHost } from '../../src/routing/table.js';
import type { TranslateContext } from '../translate/policy.js';
import { decisionTable } from './decision-table.js';
import { cutSessionSpace, pinAfter, placeSession } from './session-space.js';

/** Sessions that a change would move, from one release to another. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** Of all sessions on the route, 0 to 1. */
  readonly share: number;
}

export interface ReleaseShare {
  readonly release: string;
  /** Share of new sessions, 0 to 1. */
  readonly before: number;
  readonly after: number;
}

/** What a change does to the sessions of one route. */
export interface RoutePlan {
  readonly route: string;
  /** Sessions stick here at all. */
  readonly sticky: boolean;
  readonly shares: readonly ReleaseShare[];
  readonly moves: readonly Move[];
  /** Share of sessions that would be answered by another release. */
  readonly movedRelease: number;
  /** Share that would be answered by another pod, those that change release included; 0 where pods do not stick. */
  readonly movedEndpoint: number;
  /** Live pins by release and endpoint that lead elsewhere afterwards, as shares of those that do now. */
  readonly pins: readonly PinFate[];
  readonly note: string;
}

export interface PinFate {
  readonly release: string;
  readonly endpoint: string;
  /** Of the pins on this endpoint, the share that would move. */
  readonly moved: number;
}

/** What a change would do, before it does it: decided session by session with the production decision. */
export function planChange(
  before: MeshService | undefined,
  after: MeshService,
  context: TranslateContext,
): RoutePlan[] {
  const now = before && decisionTable(before, context);
  const then = decisionTable(after, context);
  const names = [...new Set(then.routes.map(({ name }) => name))];
  return names.map((name) => {
    const [old, next] = [routeNamed(now, name), routeNamed(then, name) as Route];
    if (now === undefined || old === undefined) return newRoute(next);
    return planRoute(now, old, then, next);
  });
}

function routeNamed(host: VirtualHost | undefined, name: string): Route | undefined {
  return host?.routes.find((route) => route.name === name);
}

function newRoute(route: Route): RoutePlan {
  const note = 'the route is new: sessions come to it from the routes that took them so far';
  return {
    route: route.name,
    sticky: route.affinity !== undefined,
    shares: sharesOf(undefined, route),
    moves: [],
    movedRelease: 0,
    movedEndpoint: 0,
    pins: [],
    note,
  };
}

function planRoute(now: VirtualHost, old: Route, then: VirtualHost, next: Route): RoutePlan {
  const shares = sharesOf(old, next);
  const base = { route: next.name, shares };
  const sticks = (route: Route) =>
    route.affinity !== undefined && (route.affinity.version !== 'none' || route.affinity.endpoint !== 'none');
  if (!sticks(old) || !sticks(next)) {
    const note =
      next.actions?.redirect !== undefined
        ? 'requests are sent elsewhere by a redirect'
        : sticks(next)
          ? 'sessions begin to stick with this change'
          : 'sessions do not stick here: every request is placed by weight';
    return { ...base, sticky: false, moves: [], movedRelease: 0, movedEndpoint: 0, pins: [], note };
  }
  const tally = new Tally(next.affinity?.endpoint !== 'none');
  const { pieces, exact } = cutSessionSpace([old, next]);
  for (const { hash, share } of pieces) {
    const was = placeSession(now, old, hash, undefined);
    const pin = was && pinAfter(was, undefined);
    tally.add(share, was, placeSession(then, next, hash, pin));
  }
  return { ...base, sticky: true, ...tally.result(), note: tally.note(exact) };
}

type Place = ReturnType<typeof placeSession>;

/** Adds up what happens to each piece of the session space. */
class Tally {
  private readonly moves = new Map<string, Move>();
  private readonly pins = new Map<
    string,
    { release: string; endpoint: string; all: number; moved: number }
  >();
  private release = 0;
  private endpoint = 0;
  private lost = 0;

  constructor(private readonly endpointsStick: boolean) {}

  add(share: number, was: Place, is: Place): void {
    if (was === undefined || is === undefined) {
      if (is === undefined) this.lost += share;
      return;
    }
    const [from, to] = [was.release.name, is.release.name];
    const samePod = was.endpoint.address === is.endpoint.address;
    // A pod that changes its release takes its sessions along: they stay where they are, under another name.
    const movesRelease = from !== to && !samePod;
    if (movesRelease) {
      this.release += share;
      const key = `${from}\n${to}`;
      this.moves.set(key, { from, to, share: (this.moves.get(key)?.share ?? 0) + share });
    }
    const movesPod = this.endpointsStick && !samePod;
    if (movesPod) this.endpoint += share;
    this.countPin(from, was.endpoint.address, share, movesRelease || movesPod);
  }

  result() {
    return {
      moves: [...this.moves.values()].sort((a, b) => b.share - a.share),
      movedRelease: this.release,
      movedEndpoint: this.endpoint,
      pins: [...this.pins.values()].map(({ release, endpoint, all, moved }) => ({
        release,
        endpoint,
        moved: moved / all,
      })),
    };
  }

  note(exact: boolean): string {
    const lost =
      this.lost > 0 ? [`${(this.lost * 100).toFixed(1)} % of sessions would have no endpoint`] : [];
    return [...lost, ...(exact ? [] : ['shares are estimated from a sample, to within 0.1 points'])].join(
      '; ',
    );
  }

  private countPin(release: string, endpoint: string, share: number, moved: boolean): void {
    const entry = this.pins.get(endpoint) ?? { release, endpoint, all: 0, moved: 0 };
    entry.all += share;
    if (moved) entry.moved += share;
    this.pins.set(endpoint, entry);
  }
}

function sharesOf(old: Route | undefined, next: Route): ReleaseShare[] {
  const share = (route: Route | undefined, name: string) => {
    const index = route?.split.releases.findIndex((release) => release.name === name) ?? -1;
    if (route === undefined || index === -1) return 0;
    const { ends, total } = route.split;
    return ((ends[index] as number) - (ends[index - 1] ?? 0)) / total;
  };
  const names = new Set([...(old?.split.releases ?? []), ...next.split.releases].map(({ name }) => name));
  return [...names].map((release) => ({ release, before: share(old, release), after: share(next, release) }));
}
