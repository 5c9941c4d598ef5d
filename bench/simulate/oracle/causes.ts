import { PINNED_ONLY, UNUSABLE } from '../../../src/routing/endpoint-set.js';
import type { Placed } from './expectation.js';
import { HOW, type Last } from './memory.js';
import { has } from './reading.js';
import type { SeenViews } from './seen-views.js';
import { podIndex, type Situation } from './situation.js';

/** A session's move from one request to the next. */
export interface Move {
  readonly situation: Situation;
  readonly last: Last;
  readonly placed: Placed;
  readonly how: number;
  /** Why it is not placed with the pin of its last request. */
  readonly loss: string | undefined;
  /** {@link SeenViews.serving} of now. */
  readonly serving: number;
}

/**
 * Why a session may have come to another release since its last request. This asks nothing about how a decision is
 * made: only whether something happened that SEMANTICS gives as a reason to move.
 *
 * @returns undefined where nothing did
 */
export function causeOfFlip(move: Move, seen: SeenViews): string | undefined {
  const cause = causeByRequest(move, seen) ?? causeByConfiguration(move);
  const behind = ((move.how | move.last.how) & HOW.behind) !== 0;
  return cause !== undefined && behind && BY_CONFIGURATION.has(cause) ? `${cause}, between sidecars` : cause;
}

const BY_CONFIGURATION = new Set(['weights changed', 'left the split', 'pods changed roles']);

function causeByRequest(move: Move, seen: SeenViews): string | undefined {
  const { placed, last, how } = move;
  if (((how | last.how) & HOW.random) !== 0) return 'chance (version: none)';
  if (bothFailedOver(move) && move.situation.read.affinity.failover === 'any') {
    return seen.movesBetween(last, placed.release.number, move.serving) ? 'failover: any' : undefined;
  }
  if (placed.failedOverFrom) return 'failover';
  if ((last.how & HOW.failedOver) !== 0) return 'failover is over';
  if (placed.rule === 'label') return 'label';
  if (((how | last.how) & HOW.lane) !== 0) return 'lane';
  if ((last.how & HOW.unpinned) !== 0) return 'label with pin: false';
  return move.loss;
}

function bothFailedOver({ how, last }: Move): boolean {
  return (how & last.how & HOW.failedOver) !== 0;
}

function causeByConfiguration({ situation, last, placed, how }: Move): string | undefined {
  const { route, read, sees } = situation;
  const sameRoute = ((how ^ last.how) & HOW.conditional) === 0;
  const { view } = sees(placed.release);
  const pods = situation.held === undefined ? [last.pod] : [last.pod, situation.held.pod];
  if (pods.some((pod) => podIndex(view, pod) !== -1)) return 'pods changed roles';
  if (!has(route.split, last.release)) return sameRoute ? 'left the split' : 'route';
  if (read.affinity.version === 'persistent') return undefined;
  if (placed.rule !== 'slot' || last.split === route.split.id) return undefined;
  return sameRoute ? 'weights changed' : 'route';
}

/** Why a session may have come to another pod of the same release since its last request. */
export function causeOfHop(move: Move, seen: SeenViews): string | undefined {
  const { situation, last, placed, how } = move;
  const { endpoint } = situation.read.affinity;
  if (endpoint === 'none' || situation.hash === undefined) return 'chance (endpoint: none)';
  if (((how | last.how) & HOW.retried) !== 0) return 'pod refused';
  const { view } = situation.sees(placed.release);
  const index = podIndex(view, last.pod);
  if (index === -1) return 'pod gone';
  if (view.states[index] === UNUSABLE) return 'pod unreachable';
  const unpinned = (how | last.how) & (HOW.lane | HOW.unpinned | HOW.failedOver);
  if (endpoint === 'persistent' && unpinned === 0) return move.loss;
  if (view.states[index] === PINNED_ONLY) return 'pod draining';
  if (endpoint === 'persistent') return 'not pinned (lane, pin: false, failover)';
  if (!seen.wasUsable(last.view, placed.pod)) return 'pod joined or returned';
  return situation.read.hashes === 'maglev' && view.id !== last.view ? 'Maglev table rebuilt' : undefined;
}
