import type { MeshService } from '../../src/model/mesh-service.js';
import { AUTO_SALT, isRollingOut, rolloutAfter } from '../../src/model/rollout.js';
import type { Route } from '../../src/routing/table.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import type { LiveSessions, SessionsWanted } from '../load/session-survey.js';
import type { TranslateContext } from '../translate/policy.js';
import { type Carried, carriedOver } from './carry-over.js';
import { decisionTable } from './decision-table.js';
import { describeSources, SessionIndex, sessionsWanted } from './live-sessions.js';
import { pairRoutes, type RoutePair } from './route-pairs.js';
import type { CompiledService } from './sample-requests.js';
import {
  countsOf,
  keepsHash,
  type LiveCounts,
  planHashSpace,
  planLiveSessions,
  type SessionChange,
  type SourceOutcome,
  stickinessOf,
} from './session-plan.js';
import { identityOf, situationOf } from './situation.js';
import type { Outcome } from './tally.js';
import { TimeSlices } from './time-slices.js';

export interface ReleaseShare {
  readonly release: string;
  /** Share of new sessions, 0 to 1. */
  readonly before: number;
  readonly after: number;
}

/** What a change does to the sessions whose requests one route takes now, and one after the change. */
export interface RoutePlan extends Outcome, LiveCounts {
  /** Empty: no route would take these requests. */
  readonly route: string;
  /** Empty: no route takes them now. */
  readonly previousRoute: string;
  /** There are sessions that stick now. */
  readonly sticky: boolean;
  readonly shares: readonly ReleaseShare[];
  readonly note: string;
}

export interface PlannedChange {
  /** Undefined: the service is new. */
  readonly before: MeshService | undefined;
  readonly after: MeshService;
  readonly context: TranslateContext;
  /** The one that the change would make. */
  readonly revision: number;
  /** Asks sidecars which sessions they hold; absent: none is known. */
  survey?(wanted: SessionsWanted): Promise<LiveSessions>;
}

/** What a change would do, before it does it: decided session by session with the production decision. */
export async function planChange(change: PlannedChange): Promise<RoutePlan[]> {
  const { before, after, context, survey } = change;
  const rollout = rolloutPlanned(change);
  const then = { service: after, host: decisionTable(after, { ...context, rollout: () => rollout }) };
  if (before === undefined) {
    const routes = new Map(then.host.routes.map((route) => [route.name, route]));
    return [...routes.values()].map((next) => describe({ next }, NOTHING_MOVES, 'the service is new'));
  }
  const now = { service: before, host: decisionTable(before, context) };
  const live = (await survey?.(sessionsWanted(now.host))) ?? NO_SESSIONS;
  const planning = new Planning(now, then, new SessionIndex(live));
  const plans: RoutePlan[] = [];
  for (const pair of pairRoutes(now, then)) {
    if (planning.slices.isOver) await planning.slices.next();
    plans.push(await planPair(planning, pair));
  }
  return plans;
}

/** `salt: auto`: the change is planned with the sample that it would draw. */
function rolloutPlanned({ before, after, context, revision }: PlannedChange): number | undefined {
  return rolloutAfter(before && { service: before, rollout: context.rollout?.(before) }, after, revision);
}

/** The plan of a service that stays as it is. */
export function planNothing(service: MeshService, context: TranslateContext): RoutePlan[] {
  const { routes } = decisionTable(service, context);
  const byName = new Map(routes.map((route) => [route.name, route]));
  return [...byName.values()].map((route) => {
    const outcome = isSticky(route) ? { ...NOTHING_MOVES } : NOTHING_MOVES;
    return describe({ old: route, next: route }, outcome, '');
  });
}

const NO_SESSIONS: LiveSessions = { sessions: [], weight: 1, silent: 0 };
const NOTHING_MOVES: Outcome = { moves: [], movedRelease: 0, movedEndpoint: 0, lost: 0 };
const ALL_LOST: Outcome = { ...NOTHING_MOVES, lost: 1 };
const ALL_MOVE: Outcome = { ...NOTHING_MOVES, movedRelease: 1, movedEndpoint: 1 };

/** What all routes of a change are planned with. */
class Planning {
  readonly slices = new TimeSlices();
  private readonly outcomes = new Map<string, Promise<unknown>>();

  constructor(
    readonly now: CompiledService,
    readonly later: CompiledService,
    readonly index: SessionIndex,
  ) {}

  /** Many routes of a service place sessions alike: what was decided for one of them is not decided again. */
  once<T>(situation: string, decide: () => Promise<T>): Promise<T> {
    const known = this.outcomes.get(situation) as Promise<T> | undefined;
    const outcome = known ?? decide();
    this.outcomes.set(situation, outcome);
    return outcome;
  }
}

async function planPair(planning: Planning, pair: RoutePair): Promise<RoutePlan> {
  const { old, next, isUnknown, request } = pair;
  if (old !== undefined && !isSticky(old)) {
    const note = isSticky(next)
      ? 'sessions begin to stick with this change'
      : 'sessions do not stick here: every request is placed by weight';
    return describe(pair, NOTHING_MOVES, note);
  }
  const { index } = planning;
  const all = () => countsOf(old === undefined ? [] : index.of(old), index.live.weight);
  if (isUnknown) {
    const side = old === undefined ? 'takes these requests now' : 'would take these requests';
    const note = `its conditions do not tell which route ${side}: all sessions are counted`;
    return describe(pair, ALL_MOVE, note, all());
  }
  if (old === undefined) return describe(pair, NOTHING_MOVES, 'no route takes these requests now (404)');
  if (next === undefined) return describe(pair, ALL_LOST, 'no route would take these requests (404)', all());
  if (next.actions?.redirect !== undefined)
    return describe(pair, ALL_LOST, 'these requests would be answered by a redirect', all());
  return planSessions(planning, { now: planning.now, later: planning.later, old, next, request });
}

function describe(
  { old, next }: Partial<RoutePair>,
  outcome: Outcome,
  note: string,
  counts: LiveCounts = countsOf([], 1),
): RoutePlan {
  return {
    route: next?.name ?? '',
    previousRoute: old?.name ?? '',
    sticky: outcome !== NOTHING_MOVES,
    shares: sharesOf(old, next),
    ...outcome,
    ...counts,
    note,
  };
}

function isSticky(route: Route | undefined): boolean {
  const { release, endpoint } = stickinessOf(route);
  return release || endpoint;
}

/**
 * Where every session has a pin, those that sidecars hold are the sessions that there are. Else the hash space is
 * decided as today's configuration places it, and where that depends on a session's source, the worst counts.
 */
async function planSessions(planning: Planning, change: SessionChange): Promise<RoutePlan> {
  const { index, slices } = planning;
  const { old, next } = change;
  const { silent } = index.live;
  const situation = situationOf(change);
  const whose = identityOf(old.affinity, next.affinity);
  const held = await planning.once(`${situation} ${whose}`, () => planLiveSessions(change, index, slices));
  const carried = carriedOver(old.affinity, next.affinity);
  if (held !== undefined && pinsAll(old))
    return describe(change, held.outcome, noteOn({ change, carried, counted: held, silent }), held.counts);
  const bySource: SourceOutcome[] = [];
  for (const each of carried)
    bySource.push(
      await planning.once(`${situation} ${JSON.stringify(each.kept)}`, () =>
        planHashSpace(change, each, slices),
      ),
    );
  const worst = bySource.reduce((a, b) => (harmOf(b.outcome) > harmOf(a.outcome) ? b : a));
  const note = noteOn({ change, carried, counted: worst, silent });
  return describe(change, worst.outcome, note, held?.counts);
}

/** How much of what sticks a change moves or loses. */
function harmOf({ movedRelease, movedEndpoint, lost }: Outcome): number {
  return Math.max(movedRelease, movedEndpoint) + lost;
}

function pinsAll({ affinity }: Route): boolean {
  return affinity?.version === 'persistent' || affinity?.endpoint === 'persistent';
}

interface Findings {
  readonly change: SessionChange;
  readonly carried: readonly Carried[];
  /** Whose figures are given. */
  readonly counted: { readonly outcome: Outcome; readonly isExact?: boolean };
  readonly silent: number;
}

function noteOn({ change, carried, counted, silent }: Findings): string {
  const { old, next } = change;
  const [before, after] = [stickinessOf(old), stickinessOf(next)];
  const { lost } = counted.outcome;
  const over = [
    ...(before.release && !after.release ? ['release'] : []),
    ...(before.endpoint && !after.endpoint ? ['pod'] : []),
  ];
  return [
    ...(over.length > 0 ? [`sessions would no longer stick to their ${over.join(' and ')}`] : []),
    ...(over.length === 0 ? carried.flatMap((each) => noteOnKept(each, change, carried.length > 1)) : []),
    ...(beginsRollout(change) ? ['a new sample of sessions is drawn (salt: auto)'] : []),
    ...carried.flatMap((each) => noteOnEarlier(each, change.old, change.next)),
    ...(lost > 0 ? [`${percent(lost)} of sessions would have no endpoint`] : []),
    ...(silent > 0
      ? [`${silent} ${silent === 1 ? 'sidecar has' : 'sidecars have'} not said what they hold`]
      : []),
    ...(counted.isExact === false ? ['shares are estimated from a sample, to within a point'] : []),
  ].join('; ');
}

/** S4 rule 4. */
function beginsRollout({ now, later, next }: SessionChange): boolean {
  const isAuto = later.service.spec.affinity?.salt === AUTO_SALT && next.affinity?.salt !== '';
  return isAuto && !isRollingOut(now.service.spec);
}

/** @param several other sessions fare differently, so that it is to be said which ones these are */
function noteOnKept({ kept, sources }: Carried, change: SessionChange, several: boolean): string[] {
  if (kept.key && kept.pin && keepsHash(change, kept)) return [];
  const whose = several ? `sessions by ${describeSources(sources)}` : 'sessions';
  if (kept.hash) return [`what ${whose} are pinned to is forgotten: their scope is another`];
  return [
    kept.pin
      ? `${whose} are hashed again, with another salt, and keep their pins`
      : `${whose} begin again: their key or cookie is another`,
  ];
}

/** A request may have a source that now goes before its session's own. */
function noteOnEarlier({ sources }: Carried, { affinity: old }: Route, { affinity: next }: Route): string[] {
  if (old === undefined || next === undefined) return [];
  const earlier = sources.flatMap((source) => {
    const place = next.keys.placeOf(source);
    const wasEarlier = (other: KeySourceConfig) => {
      const before = old.keys.placeOf(other);
      return before !== -1 && before < old.keys.placeOf(source);
    };
    return next.keys.sources.slice(0, Math.max(0, place)).filter((other) => !wasEarlier(other));
  });
  if (earlier.length === 0) return [];
  const named = describeSources([...new Set(earlier)]);
  return [
    `sessions by ${describeSources(sources)} whose requests have ${named}, too, begin again and are not counted`,
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function sharesOf(old: Route | undefined, next: Route | undefined): ReleaseShare[] {
  const share = (route: Route | undefined, name: string) => {
    const index = route?.split.releases.findIndex((release) => release.name === name) ?? -1;
    if (route === undefined || index === -1) return 0;
    const { ends, total } = route.split;
    return ((ends[index] as number) - (ends[index - 1] ?? 0)) / total;
  };
  const releases = [...(old?.split.releases ?? []), ...(next?.split.releases ?? [])];
  return [...new Set(releases.map(({ name }) => name))].map((release) => ({
    release,
    before: share(old, release),
    after: share(next, release),
  }));
}
