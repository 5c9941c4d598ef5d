import { setTimeout as wait } from 'node:timers/promises';
import { FastCaller, NamedBackend } from '../../test/support/fast-traffic.js';
import type { Owner } from '../../test/support/owner.js';
import { Random } from '../simulate/random.js';
import { type Moves, movesBetween, type Round, sessionsAt, shareOf } from './scoring.js';
import { Session } from './session.js';
import type { StickyPeer, StickyPeerProgram, Weights } from './sticky-peer.js';

const PODS = 2;
const CANARY = 'v2';
/** What the pods of the next release say that they are, while it has the name v2. */
const NEXT = 'v3';
const FIRST: Weights = { v1: 90, v2: 10 };
const SAME_IN_OTHER_NUMBERS: Weights = { v1: 900, v2: 100 };
const STEPS: readonly Weights[] = [
  { v1: 75, v2: 25 },
  { v1: 50, v2: 50 },
];
const CONNECTIONS = 16;
/** Sessions that go on calling while something changes. */
const BYSTANDERS = 40;
const BYSTANDER_PAUSE_MS = 50;

export interface RolloutSize {
  readonly sessions: number;
  /** New sessions at each step: a proxy that ignored every later split would keep all of the first. */
  readonly newcomers: number;
  /** Of the sessions at v1, those that call with the tester's header once. */
  readonly testers: number;
  /** Checks and probes find out meanwhile that pods have died, or are back. */
  readonly healthMs: number;
}

/** What a rollout did to the sessions of one peer. Counts of sessions, where nothing else is said. */
export interface RolloutFigures {
  /** Answered differently by the second instance than by the first. */
  readonly disagree: number;
  /** Moved when 90/10 was written as 900/100. */
  readonly movedByRewriting: number;
  /** Went from the canary to stable while the canary grew. */
  readonly leftCanary: number;
  /** Went from stable to the canary while it grew. */
  readonly joinedCanary: number;
  /** Changed pod within their release, through all of this and in the drain. */
  readonly hops: number;
  /** Testers, and those of them that were not at the canary once they left the header out. */
  readonly testers: number;
  readonly lostLabels: number;
  /** Percentage points by which the canary's share of new sessions was off at most. */
  readonly shareOffPoints: number;
  readonly evictedByDrain: number;
  /** New ones that came to the canary while it was drained. */
  readonly admittedInDrain: number;
  /** Sessions of the old canary. Every other one calls between its end and the next release under its name. */
  readonly oldCanary: number;
  readonly oldActive: number;
  /** Those that the next release has: of the sessions that called in between, and of those that did not. */
  readonly inheritedActive: number;
  readonly inheritedIdle: number;
  /** At the next release when it died, of them without an answer then, and there again when it was back. */
  readonly atDead: number;
  readonly unanswered: number;
  readonly back: number;
  /** Calls that failed, with those that went on during each change. */
  readonly failedCalls: number;
}

export function startPods(owner: Owner, release: string): Promise<NamedBackend[]> {
  const names = Array.from({ length: PODS }, (_, i) => `${release}-${i + 1}`);
  return Promise.all(names.map((name) => NamedBackend.start(owner, name)));
}

export interface RolloutOptions {
  readonly owner: Owner;
  readonly program: StickyPeerProgram;
  readonly size: RolloutSize;
  readonly seed: number;
  /** Told what happens next. */
  readonly onStep: (text: string) => void;
}

/** 10, 25, 50 %, a drain, and a next release under the canary's name, through two instances of a peer. */
export async function rollOut(options: RolloutOptions): Promise<RolloutFigures> {
  const { owner, program, onStep } = options;
  const pods = { v1: await startPods(owner, 'v1'), v2: await startPods(owner, CANARY) };
  onStep('starting');
  return new Rollout(options, await program.start(owner, pods, FIRST), pods.v2).run();
}

class Rollout {
  private readonly callers: readonly FastCaller[];
  private readonly random: Random;
  private readonly bystanders: readonly Session[];
  private sessions: readonly Session[];
  private last: Round = new Map();
  private failed = 0;
  private hops = 0;
  private readonly shares: { readonly asked: number; readonly got: number }[] = [];

  constructor(
    private readonly options: RolloutOptions,
    private readonly peer: StickyPeer,
    private readonly oldPods: readonly NamedBackend[],
  ) {
    this.callers = peer.addresses.map((address) => new FastCaller(options.owner, address, CONNECTIONS));
    this.random = new Random(options.seed, 'stickiness');
    this.sessions = this.named('user', options.size.sessions);
    this.bystanders = this.named('bystander', BYSTANDERS);
  }

  async run(): Promise<RolloutFigures> {
    const disagree = await this.callFirst();
    const rewritten = await this.split(SAME_IN_OTHER_NUMBERS);
    const { hops } = this;
    await this.split(FIRST);
    this.hops = hops;
    const labels = await this.label();
    const grown = await this.grow();
    const oldCanary = sessionsAt(this.last, CANARY);
    const drained = await this.drain();
    const next = await startPods(this.options.owner, NEXT);
    const replaced = await this.replaced(oldCanary, next);
    const death = await this.dieAndReturn(next);
    const off = this.shares.map(({ asked, got }) => Math.abs(got - asked));
    return {
      disagree,
      movedByRewriting: rewritten.flips,
      ...grown,
      hops: this.hops,
      ...labels,
      shareOffPoints: Math.max(...off) * 100,
      ...drained,
      ...replaced,
      ...death,
      failedCalls: this.failed,
    };
  }

  /** All sessions once through the one instance, then through the other. @returns those placed differently */
  private async callFirst(): Promise<number> {
    this.options.onStep('first calls, at 10 %');
    this.last = await this.callAll(this.sessions, { instance: () => 0 });
    this.shares.push({ asked: FIRST.v2 / (FIRST.v1 + FIRST.v2), got: shareOf(this.last, CANARY) });
    const { flips, hops } = movesBetween(this.last, await this.callAll(this.sessions, { instance: () => 1 }));
    return flips + hops;
  }

  private async split(weights: Weights): Promise<Moves> {
    this.options.onStep(`${weights.v1}/${weights.v2}`);
    await this.during(this.peer.split(weights));
    return this.next();
  }

  /** Sessions of v1 call with the tester's header once, then without it. */
  private async label() {
    this.options.onStep('testers');
    const atStable = new Set(sessionsAt(this.last, 'v1').slice(0, this.options.size.testers));
    const testers = this.sessions.filter(({ name }) => atStable.has(name));
    await this.callAll(testers, { asTester: true });
    const after = await this.callAll(testers);
    this.last = new Map([...this.last, ...after]);
    return { testers: testers.length, lostLabels: testers.length - sessionsAt(after, CANARY).length };
  }

  private async grow() {
    let [leftCanary, joinedCanary] = [0, 0];
    for (const weights of STEPS) {
      const atCanary = new Set(sessionsAt(this.last, CANARY));
      const { flips } = await this.split(weights);
      const left = [...atCanary].filter((name) => this.last.get(name)?.release === 'v1').length;
      leftCanary += left;
      joinedCanary += flips - left;
      const got = await this.shareOfNewcomers(`at-${weights.v1}-${weights.v2}`);
      this.shares.push({ asked: weights.v2 / (weights.v1 + weights.v2), got });
    }
    return { leftCanary, joinedCanary };
  }

  private async drain() {
    this.options.onStep('drain');
    await this.during(this.peer.drain());
    const { flips } = await this.next();
    const { newcomers } = this.options.size;
    const admitted = (await this.shareOfNewcomers('at-drain')) * newcomers;
    return { evictedByDrain: flips, admittedInDrain: Math.round(admitted) };
  }

  private async replaced(old: readonly string[], next: readonly NamedBackend[]) {
    this.options.onStep('the canary is taken out');
    await this.during(this.peer.remove());
    const active = new Set(old.filter((_, i) => i % 2 === 0));
    await this.callAll(this.sessions.filter(({ name }) => active.has(name)));
    this.options.onStep('a next release under its name');
    await this.during(this.peer.replace(next, FIRST));
    await Promise.all(this.oldPods.map((pod) => pod.stop()));
    await this.during(wait(this.options.size.healthMs));
    this.last = await this.callAll();
    const inherited = old.filter((name) => this.last.get(name)?.release === NEXT);
    const inheritedActive = inherited.filter((name) => active.has(name)).length;
    return {
      oldCanary: old.length,
      oldActive: active.size,
      inheritedActive,
      inheritedIdle: inherited.length - inheritedActive,
    };
  }

  private async dieAndReturn(canary: readonly NamedBackend[]) {
    const names = sessionsAt(this.last, NEXT);
    this.options.onStep('the canary dies');
    await Promise.all(canary.map((pod) => pod.stop()));
    await this.during(wait(this.options.size.healthMs));
    const without = await this.callAll();
    this.options.onStep('the canary comes back');
    await Promise.all(canary.map((pod) => pod.listen()));
    await this.during(wait(this.options.size.healthMs));
    this.last = await this.callAll();
    return {
      atDead: names.length,
      unanswered: names.filter((name) => without.get(name) === undefined).length,
      back: names.filter((name) => this.last.get(name)?.release === NEXT).length,
    };
  }

  /** Sessions that call for the first time; they stay from then on. @returns the canary's share of them */
  private async shareOfNewcomers(name: string): Promise<number> {
    const newcomers = this.named(name, this.options.size.newcomers);
    const round = await this.callAll(newcomers);
    this.sessions = [...this.sessions, ...newcomers];
    this.last = new Map([...this.last, ...round]);
    return shareOf(round, CANARY);
  }

  private named(name: string, count: number): Session[] {
    const { seed, program } = this.options;
    return Array.from({ length: count }, (_, i) => new Session(`${name}-${seed}-${i}`, program.key));
  }

  private async next(): Promise<Moves> {
    const round = await this.callAll();
    const moves = movesBetween(this.last, round);
    this.last = round;
    this.hops += moves.hops;
    return moves;
  }

  /** Bystanders go on calling while something changes. */
  private async during(change: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = change.finally(() => {
      isDone = true;
    });
    const calls = async () => {
      while (!isDone) {
        await this.callOnce(this.bystanders);
        await wait(BYSTANDER_PAUSE_MS);
      }
    };
    await Promise.all([done, calls()]);
  }

  /** Each of the sessions calls once, then proxies get their time to tell each other. */
  private async callAll(sessions = this.sessions, how: HowToCall = {}): Promise<Round> {
    const round = await this.callOnce(sessions, how);
    await wait(this.options.program.spreadMs);
    return round;
  }

  private async callOnce(
    sessions: readonly Session[],
    { asTester = false, instance = () => this.random.below(this.callers.length) }: HowToCall = {},
  ): Promise<Round> {
    const calls = sessions.map((session) => session.call(this.callers[instance()] as FastCaller, asTester));
    const placed = await Promise.all(calls);
    this.failed += placed.filter((answer) => answer === undefined).length;
    return new Map(sessions.map(({ name }, i) => [name, placed[i]]));
  }
}

interface HowToCall {
  readonly asTester?: boolean;
  /** Default: either, by chance. */
  readonly instance?: () => number;
}
