import type { SharedPin } from '../../../src/sessions/shared-pin.js';
import type { SimSidecar } from '../fleet/sim-sidecar.js';
import { follow, type Outcome } from './attempts.js';
import { causeOfFlip, causeOfHop, type Move } from './causes.js';
import { ConsistentHash } from './consistent-hash.js';
import { heldAfter, open, type Placed, type Wanted } from './expectation.js';
import { HOW, type Last, type Memory } from './memory.js';
import type { Looked, PinLedger } from './pin-ledger.js';
import { type ReadService, routeFor } from './reading.js';
import { SeenViews } from './seen-views.js';
import type { Shares } from './shares.js';
import { type Situation, serves } from './situation.js';
import { Tally } from './tally.js';

/** One request as the oracle is told of it: who asks whom, and what the request carries. */
export interface Call {
  readonly sidecar: SimSidecar;
  readonly service: number;
  readonly record: number;
  /** Empty: none. */
  readonly label: string;
  readonly lane: string;
  /** Where the session's key travels; `none`: the request has none. */
  readonly carrier: 'cookie' | 'request' | 'none';
  /** The request has no cookie yet; one is made for it. */
  readonly minted: boolean;
  /** The request has a cookie, and half of its time is over. */
  readonly renewable: boolean;
  /** Others have newer configuration of this service. */
  readonly behind: boolean;
}

export interface Verdict {
  readonly situation: Situation;
  readonly placed: Placed | undefined;
  /** What SEMANTICS does not explain. */
  readonly problem: string | undefined;
}

/**
 * Judges decisions by SEMANTICS alone: by what the document says of each session, given the configuration and the
 * health that the deciding sidecar has. Twice: whether the decision is the one that the rules ask for, and, should
 * the rules be misread, whether a session that has moved had a reason to.
 */
export class Oracle {
  readonly tally = new Tally();
  private readonly hashing = new ConsistentHash();
  private readonly seen = new SeenViews();

  constructor(
    private readonly memory: Memory,
    private readonly shares: Shares,
    private readonly ledger: PinLedger,
  ) {}

  /** A session that has never called: the record is its own from now on. */
  begin(record: number, hash: bigint): void {
    this.memory.begin(record, hash);
  }

  /** @param table what the session table had for the session, before and after; of sessions in cookies, nothing */
  judge(call: Call, outcome: Outcome, table: InTable, nowMs: number): Verdict {
    const { memory } = this;
    const looked = this.look(call, table, nowMs);
    const situation = this.situationOf(call, looked, nowMs);
    const followed = follow(situation, outcome, this.hashing);
    if ('problem' in followed) {
      this.adopt(call, situation, outcome);
      return { situation, placed: undefined, problem: followed.problem };
    }
    const { placed, first } = followed;
    this.countShare(call, situation, first);
    if (placed === undefined) {
      this.tally.unanswered++;
      return { situation, placed, problem: this.misplaced(looked?.problem) };
    }
    const held = heldAfter(situation, placed);
    const move = this.checkMove(call, situation, placed, outcome, looked?.loss);
    if (looked !== undefined) {
      const { revision } = situation.read;
      const kept = this.ledger.keep(whereOf(call), looked, table.kept, held, revision, nowMs);
      return { situation, placed, problem: move ?? this.misplaced(looked.problem ?? kept) };
    }
    const problem = move ?? this.checkCookie(call, outcome, held !== 'same');
    if (held === undefined) memory.drop(call.record);
    else if (held !== 'same') memory.hold(call.record, held);
    return { situation, placed, problem };
  }

  private misplaced(problem: string | undefined): string | undefined {
    if (problem !== undefined) this.tally.misplaced++;
    return problem;
  }

  /** S6: what the sidecar may know of a session whose pin its fleet shares. */
  private look(call: Call, { found }: InTable, nowMs: number): Looked | undefined {
    const { carrier, record, sidecar, service } = call;
    const idleMs = this.memory.use(record, Math.floor(nowMs / 1000)) * 1000;
    if (carrier !== 'request') return undefined;
    const { ttl } = readOf(sidecar, service).affinity;
    const looked = this.ledger.look(whereOf(call), found, idleMs, ttl, nowMs);
    this.ledger.called(whereOf(call), nowMs);
    return looked;
  }

  private situationOf(
    { sidecar, service, record, label, lane, carrier }: Call,
    looked: Looked | undefined,
    nowMs: number,
  ): Situation {
    const state = sidecar.services[service];
    if (state === undefined) throw new Error('a sidecar that has no configuration cannot decide');
    const { read, slots } = state.routes;
    const sessionless = carrier === 'none';
    return {
      read,
      route: routeFor(read, label),
      hash: sessionless ? undefined : this.memory.hashOf(record),
      lane,
      held: sessionless ? undefined : looked ? looked.held : this.memory.held(record),
      nowMs,
      sees: ({ name }) => sidecar.cluster(service, slots.get(name) ?? -1),
    };
  }

  private checkMove(
    call: Call,
    situation: Situation,
    placed: Placed,
    outcome: Outcome,
    loss: string | undefined,
  ): string | undefined {
    if (call.carrier === 'none') return undefined;
    const { tally, memory, seen } = this;
    const last = memory.lastOf(call.record);
    const { route } = situation;
    const { view } = situation.sees(placed.release);
    const how = howPlaced(call, situation, placed, outcome);
    const serving = placed.failedOverFrom ? seen.serving(placed.targets) : 0;
    seen.remember(view);
    const now: Last = {
      release: placed.release.number,
      pod: placed.pod,
      how,
      split: route.split.id,
      view: view.id,
      serving,
    };
    memory.place(call.record, now);
    if (last === undefined) return undefined;
    const move: Move = { situation, last, placed, how, loss, serving };
    if (last.release !== now.release) return tally.flip(causeOfFlip(move, seen));
    return last.pod === now.pod ? undefined : tally.hop(causeOfHop(move, seen));
  }

  /** S6: a cookie is issued when it is new or changed, and once half of its time is over, never otherwise. */
  private checkCookie(
    { carrier, minted, renewable }: Call,
    outcome: Outcome,
    changed: boolean,
  ): string | undefined {
    const due = carrier === 'cookie' && (minted || changed || renewable);
    if (due === outcome.setsCookie) return undefined;
    this.tally.misplaced++;
    return due ? 'no Set-Cookie, though one is due' : 'Set-Cookie, with nothing new';
  }

  private countShare({ record, carrier }: Call, situation: Situation, { rule, release }: Wanted): void {
    const { route, read } = situation;
    const { split } = route;
    if (release === undefined) return;
    if (rule === 'random') {
      // Where one is down, a request that draws it may have nowhere to go, and then does not tell what it drew.
      const all = open(split).every((each) => serves(each, situation, []));
      if (all) this.shares.count('chance', split, release);
    } else if (rule === 'slot' && carrier !== 'none' && this.memory.countOnce(record)) {
      // Each once: where an evicted one goes depends on the slot that it was evicted from, and whose release is
      // down asks again and again.
      this.shares.count(read.affinity.version === 'persistent' ? 'persistent' : 'balanced', split, release);
    }
  }

  /** After a decision that cannot be explained: goes on from what happened. */
  private adopt({ record, carrier }: Call, situation: Situation, { attempts, answered }: Outcome): void {
    const end = attempts.at(-1);
    const release = situation.read.releases.find(({ name }) => name === end?.release);
    const last = carrier === 'none' ? undefined : this.memory.lastOf(record);
    if (!answered || end === undefined || release === undefined || last === undefined) this.tally.misplaced++;
    else if (last.release !== release.number) this.tally.flip(undefined);
    else if (last.pod !== end.pod.id) this.tally.hop(undefined);
    else this.tally.misplaced++;
  }
}

/** A session's pin in the table of the sidecar that its request came through. */
export interface InTable {
  readonly found: SharedPin | undefined;
  readonly kept: SharedPin | undefined;
}

function whereOf({ record, service, sidecar }: Call) {
  return { record, service, sidecar: sidecar.index };
}

function readOf(sidecar: SimSidecar, service: number): ReadService {
  const state = sidecar.services[service];
  if (state === undefined) throw new Error(`sidecar ${sidecar.index} knows nothing of service ${service}`);
  return state.routes.read;
}

function howPlaced(
  { behind }: Call,
  { route }: Situation,
  { rule, failedOverFrom }: Placed,
  { attempts }: Outcome,
): number {
  return (
    (failedOverFrom ? HOW.failedOver : 0) |
    (rule === 'lane' ? HOW.lane : 0) |
    (rule === 'label' ? HOW.label : 0) |
    (rule === 'label' && !route.pin ? HOW.unpinned : 0) |
    (attempts.length > 1 ? HOW.retried : 0) |
    (behind ? HOW.behind : 0) |
    (rule === 'random' ? HOW.random : 0) |
    (route.label === undefined ? 0 : HOW.conditional)
  );
}
