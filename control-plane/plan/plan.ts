import { setImmediate } from 'node:timers/promises';
import type { MeshService } from '../../src/model/mesh-service.js';
import type { Route } from '../../src/routing/table.js';
import type { TranslateContext } from '../translate/policy.js';
import { type CarryOver, carryOver } from './carry-over.js';
import { decisionTable } from './decision-table.js';
import { pairRoutes, type RoutePair } from './route-pairs.js';
import type { CompiledService } from './sample-requests.js';
import { cutSessionSpace, type Piece, pinAfter, placeSession, sampleSessionSpace } from './session-space.js';
import { type Outcome, Tally } from './tally.js';

export interface ReleaseShare {
  readonly release: string;
  /** Share of new sessions, 0 to 1. */
  readonly before: number;
  readonly after: number;
}

/** What a change does to the sessions whose requests one route takes now, and one after the change. */
export interface RoutePlan extends Outcome {
  /** Empty: no route would take these requests. */
  readonly route: string;
  /** Empty: no route takes them now. */
  readonly previousRoute: string;
  /** There are sessions that stick now. */
  readonly sticky: boolean;
  readonly shares: readonly ReleaseShare[];
  readonly note: string;
}

/** What a change would do, before it does it: decided session by session with the production decision. */
export async function planChange(
  before: MeshService | undefined,
  after: MeshService,
  context: TranslateContext,
): Promise<RoutePlan[]> {
  const then = { service: after, host: decisionTable(after, context) };
  if (before === undefined) {
    const routes = new Map(then.host.routes.map((route) => [route.name, route]));
    return [...routes.values()].map((next) => describe({ next }, NOTHING_MOVES, 'the service is new'));
  }
  const now = { service: before, host: decisionTable(before, context) };
  const plans: RoutePlan[] = [];
  for (const pair of pairRoutes(now, then)) plans.push(await planPair(now, then, pair));
  return plans;
}

const NOTHING_MOVES: Outcome = { moves: [], movedRelease: 0, movedEndpoint: 0, lost: 0, pins: [] };
const ALL_LOST: Outcome = { ...NOTHING_MOVES, lost: 1 };
const ALL_MOVE: Outcome = { ...NOTHING_MOVES, movedRelease: 1, movedEndpoint: 1 };

async function planPair(now: CompiledService, then: CompiledService, pair: RoutePair): Promise<RoutePlan> {
  const { old, next, isUnknown } = pair;
  if (old !== undefined && !isSticky(old)) {
    const note = isSticky(next)
      ? 'sessions begin to stick with this change'
      : 'sessions do not stick here: every request is placed by weight';
    return describe(pair, NOTHING_MOVES, note);
  }
  if (isUnknown) {
    const side = old === undefined ? 'takes these requests now' : 'would take these requests';
    return describe(
      pair,
      ALL_MOVE,
      `its conditions do not tell which route ${side}: all sessions are counted`,
    );
  }
  if (old === undefined) return describe(pair, NOTHING_MOVES, 'no route takes these requests now (404)');
  if (next === undefined) return describe(pair, ALL_LOST, 'no route would take these requests (404)');
  if (next.actions?.redirect !== undefined)
    return describe(pair, ALL_LOST, 'these requests would be answered by a redirect');
  return planSessions(now, then, { ...pair, old, next });
}

function describe({ old, next }: Partial<RoutePair>, outcome: Outcome, note: string): RoutePlan {
  return {
    route: next?.name ?? '',
    previousRoute: old?.name ?? '',
    sticky: outcome !== NOTHING_MOVES,
    shares: sharesOf(old, next),
    ...outcome,
    note,
  };
}

interface Sticks {
  readonly release: boolean;
  readonly endpoint: boolean;
}

function stickinessOf(route: Route | undefined): Sticks {
  const { version = 'none', endpoint = 'none' } = route?.affinity ?? {};
  return { release: version !== 'none', endpoint: endpoint !== 'none' };
}

function isSticky(route: Route | undefined): boolean {
  const { release, endpoint } = stickinessOf(route);
  return release || endpoint;
}

/** Pieces that are decided without letting anything else run: some ten milliseconds. */
const SLICE = 4096;

/** Decides every session on both routes. */
async function planSessions(
  now: CompiledService,
  then: CompiledService,
  { old, next, request }: RoutePair & { readonly old: Route; readonly next: Route },
): Promise<RoutePlan> {
  const [before, after] = [stickinessOf(old), stickinessOf(next)];
  // Where chance decides before and after, a change of weights moves as many requests as the weights move by.
  const tally = new Tally({ ...before, release: before.release || !after.release });
  const kept = carryOver(old.affinity, next.affinity);
  const space = kept.hash ? cutSessionSpace([old, next]) : sampleSessionSpace();
  const others = kept.hash ? space : sampleSessionSpace('other');
  const chances = chancesOf([...(before.release ? [] : [old]), ...(after.release ? [] : [next])]);
  for (const [i, { hash, share }] of space.pieces.entries()) {
    if (i % SLICE === SLICE - 1) await setImmediate();
    const later = (others.pieces[i] as Piece).hash;
    for (const { chance, probability } of chances) {
      const was = placeSession(now.host, old, request, { hash, pin: undefined, chance });
      const pin = kept.pin && was !== undefined ? pinAfter(was) : undefined;
      tally.add(
        share * probability,
        was,
        placeSession(then.host, next, request, { hash: later, pin, chance }),
      );
    }
  }
  const outcome = tally.result();
  return describe({ old, next }, outcome, noteOn({ outcome, kept, before, after, isExact: space.isExact }));
}

interface Findings {
  readonly outcome: Outcome;
  readonly kept: CarryOver;
  readonly before: Sticks;
  readonly after: Sticks;
  readonly isExact: boolean;
}

function noteOn({ outcome: { lost }, kept, before, after, isExact }: Findings): string {
  const over = [
    ...(before.release && !after.release ? ['release'] : []),
    ...(before.endpoint && !after.endpoint ? ['pod'] : []),
  ];
  return [
    ...(over.length > 0 ? [`sessions would no longer stick to their ${over.join(' and ')}`] : []),
    ...(over.length === 0 && !(kept.hash && kept.pin) ? [noteOnKept(kept)] : []),
    ...(lost > 0 ? [`${(lost * 100).toFixed(1)} % of sessions would have no endpoint`] : []),
    ...(isExact ? [] : ['shares are estimated from a sample, to within half a point']),
  ].join('; ');
}

function noteOnKept({ hash, pin }: CarryOver): string {
  if (hash) return 'what sessions are pinned to is forgotten: their scope is another';
  return pin
    ? 'sessions are hashed anew, with another salt, and keep what their cookies pin'
    : 'sessions begin anew: their key, salt or cookie is another';
}

interface Chance {
  /** A number in [0, 1) that stands for all that lead to the same releases. */
  readonly chance: number;
  readonly probability: number;
}

/** Cuts [0, 1) into what leads to the same releases wherever chance decides. */
function chancesOf(routes: readonly Route[]): Chance[] {
  const ends = routes.flatMap(({ split }) => split.ends.map((end) => end / split.total));
  const sorted = [...new Set([...ends, 1])].sort((a, b) => a - b);
  return sorted
    .map((end, i) => {
      const start = sorted[i - 1] ?? 0;
      return { chance: (start + end) / 2, probability: end - start };
    })
    .filter(({ probability }) => probability > 0);
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
