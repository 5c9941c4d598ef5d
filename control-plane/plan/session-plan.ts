import type { RequestView } from '../../src/routing/request-view.js';
import type { Affinity, Route } from '../../src/routing/table.js';
import {
  type Carried,
  type CarryOver,
  carryOver,
  isInCookie,
  keepsEndpointHash,
  NOTHING,
} from './carry-over.js';
import type { LiveSession, SessionIndex } from './live-sessions.js';
import type { CompiledService } from './sample-requests.js';
import { pinAfter, SessionProbe } from './session-probe.js';
import { cutSessionSpace, sampleSessionSpace, strangerHash } from './session-space.js';
import { type Outcome, Tally } from './tally.js';
import type { TimeSlices } from './time-slices.js';

/** Two routes that take the same requests, one now and one after the change. */
export interface SessionChange {
  readonly now: CompiledService;
  readonly later: CompiledService;
  readonly old: Route;
  readonly next: Route;
  readonly request: RequestView;
}

/** What becomes of sessions wherever in the hash space they are. */
export interface SourceOutcome {
  readonly outcome: Outcome;
  readonly isExact: boolean;
}

/** What becomes of the sessions that sidecars hold. */
export interface LiveOutcome {
  readonly outcome: Outcome;
  readonly counts: LiveCounts;
}

/** Sessions that sidecars hold, and how many of them would be answered elsewhere or not at all. */
export interface LiveCounts {
  /** In sidecars' tables. */
  readonly livePins: number;
  readonly movedPins: number;
  /** In cookies that sidecars have seen. */
  readonly cookieSessions: number;
  readonly movedCookieSessions: number;
}

export interface Sticks {
  readonly release: boolean;
  readonly endpoint: boolean;
}

export function stickinessOf(route: Route | undefined): Sticks {
  const { version = 'none', endpoint = 'none' } = route?.affinity ?? {};
  return { release: version !== 'none', endpoint: endpoint !== 'none' };
}

/** Decides the whole hash space, as if every session had come just now. */
export async function planHashSpace(
  change: SessionChange,
  { kept }: Carried,
  slices: TimeSlices,
): Promise<SourceOutcome> {
  const { old, next } = change;
  const isOneHash = kept.key && keepsHash(change, kept);
  const space = isOneHash ? cutSessionSpace([old, next]) : sampleSessionSpace();
  const decide = new Decider(change);
  for (let i = 0; i < space.size; i++) {
    if (i % CHECK_EVERY === 0 && slices.isOver) await slices.next();
    const piece = space.pieceAt(i);
    if (piece === undefined) continue;
    const { hash } = piece;
    const one = { before: { hash, pinHash: hash }, after: { hash, pinHash: hash } };
    const hashes = isOneHash ? one : rehashed({ pinHash: hash, hash: undefined }, kept, change, i);
    decide.fresh(hashes, kept.pin, piece.share);
  }
  return { outcome: decide.tally.result(), isExact: space.isExact };
}

/**
 * The hash that releases are picked by stays, or matters on one side at most, as where `salt: auto` begins a rollout;
 * and endpoints are picked by one hash. Then all sessions can be decided as if they had one hash for everything: slots
 * and endpoints are independent of each other.
 */
export function keepsHash({ old, next }: Pick<SessionChange, 'old' | 'next'>, { hash }: CarryOver): boolean {
  if (!keepsEndpointHash(old.affinity, next.affinity)) return false;
  return hash || !choosesBySlot(old) || !choosesBySlot(next);
}

function choosesBySlot({ affinity, split }: Route): boolean {
  const owners = split.ends.filter((end, i) => end > (split.ends[i - 1] ?? 0));
  return owners.length > 1 && affinity !== undefined && affinity.version !== 'none';
}

/** Decides each session that sidecars hold, by its own hash and pin. Undefined: they hold none. */
export async function planLiveSessions(
  change: SessionChange,
  index: SessionIndex,
  slices: TimeSlices,
): Promise<LiveOutcome | undefined> {
  const { old, next } = change;
  const sessions = index.of(old);
  if (sessions.length === 0) return undefined;
  const decide = new Decider(change);
  const strangers = Math.ceil(STRANGERS / sessions.length);
  let ofCookies = 0;
  for (const [i, session] of sessions.entries()) {
    if (i % CHECK_EVERY === 0 && slices.isOver) await slices.next();
    const before = decide.tally.moved;
    const kept = keptBy(session, old.affinity, next.affinity);
    const { pin } = session;
    const isKnown = session.hash !== undefined && (kept.hash || (kept.key && seedOf(next) === 0n));
    const tries = isKnown ? 1 : strangers;
    for (let n = i * tries; n < (i + 1) * tries; n++)
      decide.held(rehashed(session, kept, change, n), pin, kept.pin, 1 / tries);
    if (isInCookie(session.source)) ofCookies += decide.tally.moved - before;
  }
  const moved = { cookies: ofCookies, all: decide.tally.moved };
  return { outcome: decide.tally.result(), counts: countsOf(sessions, index.live.weight, moved) };
}

interface Hashes {
  readonly hash: bigint;
  readonly pinHash: bigint;
}

/** Of one session, before a change and after it. */
interface Rehashed {
  readonly before: Hashes;
  readonly after: Hashes;
}

/** What salts make of a session's hash is known for some; others take the hash of a stranger for it. */
function rehashed(
  { hash, pinHash }: Pick<LiveSession, 'hash' | 'pinHash'>,
  kept: CarryOver,
  { old, next }: SessionChange,
  stranger: number,
): Rehashed {
  const salted = hash ?? (seedOf(old) === 0n ? pinHash : strangerHash('salted', stranger));
  const before = { hash: salted, pinHash };
  if (kept.hash) return { before, after: before };
  const other = strangerHash('other', stranger);
  if (!kept.key) return { before, after: { hash: other, pinHash: other } };
  return { before, after: { hash: seedOf(next) === 0n ? pinHash : other, pinHash } };
}

function seedOf({ affinity }: Route): bigint {
  return affinity?.keys.seed ?? 0n;
}

/** Sessions whose hash changes are decided with others in its place, so many in all that chance adds little. */
const STRANGERS = 20_000;

/** @param moved how many of the sessions themselves; all of them, unless it is told */
export function countsOf(
  sessions: readonly LiveSession[],
  weight: number,
  moved?: { readonly cookies: number; readonly all: number },
): LiveCounts {
  const cookies = sessions.filter(({ source }) => isInCookie(source)).length;
  const { all, cookies: movedCookies } = moved ?? { all: sessions.length, cookies };
  return {
    livePins: Math.round((sessions.length - cookies) * weight),
    movedPins: Math.round((all - movedCookies) * weight),
    cookieSessions: Math.round(cookies * weight),
    movedCookieSessions: Math.round(movedCookies * weight),
  };
}

function keptBy(
  { source, idleMs }: LiveSession,
  old: Affinity | undefined,
  next: Affinity | undefined,
): CarryOver {
  if (old === undefined || next === undefined) return NOTHING;
  const { pin, ...kept } = carryOver(old, next, source);
  return { ...kept, pin: pin && (isInCookie(source) || idleMs <= next.ttlMs) };
}

/** Sessions decided between two looks at the clock. */
const CHECK_EVERY = 64;

/** Decides sessions before and after a change, and adds up what becomes of them. */
class Decider {
  readonly tally: Tally;
  private readonly before: SessionProbe;
  private readonly after: SessionProbe;
  private readonly chances: readonly Chance[];

  constructor({ now, later, old, next, request }: SessionChange) {
    const [before, after] = [stickinessOf(old), stickinessOf(next)];
    // Where chance decides before and after, a change of weights moves as many requests as the weights move by.
    this.tally = new Tally({ ...before, release: before.release || !after.release });
    this.before = new SessionProbe(now.host, old, request);
    this.after = new SessionProbe(later.host, next, request);
    this.chances = chancesOf([...(before.release ? [] : [old]), ...(after.release ? [] : [next])]);
  }

  /** A session that has come just now. */
  fresh({ before, after }: Rehashed, keepsPin: boolean, weight: number): void {
    for (const { chance, probability } of this.chances) {
      const was = this.before.place({ ...before, pin: undefined, chance });
      const pin = keepsPin && was !== undefined ? pinAfter(was) : undefined;
      this.tally.add(weight * probability, was, this.after.place({ ...after, pin, chance }));
    }
  }

  held({ before, after }: Rehashed, pin: LiveSession['pin'], keepsPin: boolean, weight: number): void {
    for (const { chance, probability } of this.chances) {
      const was = this.before.place({ ...before, pin, chance });
      const is = this.after.place({ ...after, pin: keepsPin ? pin : undefined, chance });
      this.tally.add(weight * probability, was, is);
    }
  }
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
