import { place } from '../../src/routing/decide.js';
import type { SharedPin } from '../../src/sessions/shared-pin.js';
import { Callers } from './fleet/callers.js';
import { Fleet } from './fleet/fleet.js';
import { TICK_MS } from './fleet/relay.js';
import { describeCall, describeService } from './history.js';
import { MUTANTS } from './mutants.js';
import type { SimulationOptions } from './options.js';
import { Memory } from './oracle/memory.js';
import { Oracle } from './oracle/oracle.js';
import { PinLedger } from './oracle/pin-ledger.js';
import { Numbers } from './oracle/reading.js';
import { Shares } from './oracle/shares.js';
import { Random } from './random.js';
import { sharingParts } from './sharing-mutants.js';
import { STEP_MS } from './step.js';
import { Caller } from './traffic/caller.js';
import { type Decide, learn, send } from './traffic/send.js';
import { Sessions } from './traffic/sessions.js';
import type { ServiceWorld } from './world/service-world.js';
import { World } from './world/world.js';

/** Sessions begin during this share of the steps; in the rest, only old ones call. */
const ARRIVALS = 0.8;
/** Of the calls that are not a session's first, this share comes from sessions of the last steps. */
const RECENT = { share: 0.7, steps: 20 };

/** Calls of a step come in so many bursts; between them, pins travel for a while. */
const BURSTS = 6;
const MOST_TICKS_BETWEEN = 6;
/** Share of sessions whose second call comes at once, before their pin can be known elsewhere. */
const AT_ONCE = 0.3;

/** The first decision that SEMANTICS does not explain. */
export interface Offence {
  readonly session: number;
  readonly request: number;
  readonly problem: string;
}

export interface RunOptions {
  /** Number of the request after which to stop. */
  readonly until?: number;
  /** Called after every step. */
  onStep?(steps: number): 'stop' | undefined;
}

/** Fleets, their operators and their callers, with an oracle that watches. The same seed gives the same history. */
export class Simulation {
  requests = 0;
  decisions = 0;
  offence: Offence | undefined;
  readonly world: World;
  readonly fleet: Fleet;
  readonly oracle: Oracle;
  readonly shares = new Shares();
  readonly sessions: Sessions;
  /** What happened to {@link watched} and its service. */
  readonly history: string[] = [];
  private readonly caller: Caller;
  private readonly traffic: Random;
  private readonly decide: Decide;
  private readonly context;
  private nowMs = 1_000_000;
  private stepMs = 1_000_000;
  /** What the decision has looked up for the present request. */
  private lookup: { key: bigint | undefined; found: SharedPin | undefined } = {
    key: undefined,
    found: undefined,
  };
  private begun = 0;

  /** @param watched a session whose history is to be kept */
  constructor(
    private readonly options: SimulationOptions,
    private readonly watched = -1,
  ) {
    const { seed, sidecars, services, sessions } = options;
    this.world = new World(services, new Random(seed, 'world'));
    const traits = this.world.services.map((service) => service.traits);
    const callers = new Callers(sidecars);
    this.sessions = new Sessions(sessions, callers, traits, new Random(seed, 'sessions'));
    this.fleet = new Fleet({
      sidecars,
      callers,
      sessions: this.sessions.records,
      parts: sharingParts(options.mutant),
      relayRandom: new Random(seed, 'relay'),
      // Room for every session of all pods of the caller: nothing is to be lost for want of it.
      tableCapacity: (caller) => {
        const called = traits.filter(({ index }) => callers.ofService(index).includes(caller));
        return 1000 + 2 * this.sessions.recordsInTables(new Set(called.map(({ index }) => index)));
      },
      world: this.world,
      random: new Random(seed, 'fleet'),
      numbers: new Numbers(),
      nowMs: () => this.nowMs,
    });
    const ledger = new PinLedger(callers, this.fleet.relay);
    this.fleet.watch(ledger);
    this.oracle = new Oracle(new Memory(this.sessions.records), this.shares, ledger);
    this.traffic = new Random(seed, 'traffic');
    const parts = { sessions: this.sessions, fleet: this.fleet, oracle: this.oracle };
    this.caller = new Caller({ ...parts, random: this.traffic }, traits);
    const decide = (options.mutant !== undefined && MUTANTS[options.mutant]?.decide) || place;
    this.decide = (...question) => {
      this.decisions++;
      return decide(...question);
    };
    this.context = this.makeContext(new Random(seed, 'decisions'));
  }

  /** Runs to the end, or until somebody has seen enough. */
  run({ until = Number.POSITIVE_INFINITY, onStep }: RunOptions = {}): void {
    for (let step = 0; step < this.options.steps && this.requests < until; step++) {
      this.step(step, until);
      if (onStep?.(step + 1) === 'stop') return;
    }
  }

  /** Sessions that have called so far. */
  get sessionsBegun(): number {
    return this.begun;
  }

  private makeContext(random: Random) {
    const { fleet } = this;
    const now = () => this.nowMs;
    return {
      get nowMs() {
        return now();
      },
      random: random.next,
      findPin: (...question: Parameters<(typeof fleet.deciding.pins)['find']>) => {
        const [affinity, hash] = question;
        const found = fleet.deciding.pins.find(...question);
        this.lookup = { key: hash ^ affinity.scope, found };
        return found;
      },
    };
  }

  private step(step: number, until: number): void {
    this.stepMs = Math.max(this.stepMs + STEP_MS, this.nowMs + TICK_MS);
    // Pins travel all the time: a delay that the clock shows must be one in which they could.
    this.pass(Math.ceil((this.stepMs - this.nowMs) / TICK_MS));
    const happened = this.world.step(step);
    this.fleet.step(step);
    this.tell(step, happened);
    const { sessions, steps, calls } = this.options;
    const before = this.begun;
    this.begun = Math.min(sessions, Math.ceil((sessions * (step + 1)) / Math.max(1, steps * ARRIVALS)));
    const again = Math.round((sessions * (calls - 1)) / steps);
    const recent = Math.max(1, Math.round((sessions * RECENT.steps) / Math.max(1, steps * ARRIVALS)));
    for (let burst = 0; burst < BURSTS; burst++) {
      this.pass(this.traffic.between(1, MOST_TICKS_BETWEEN));
      const share = (count: number) =>
        [burst, burst + 1].map((n) => Math.floor((count * n) / BURSTS)) as [number, number];
      const [first, end] = share(this.begun - before);
      for (let session = before + first; session < before + end; session++) {
        this.call(session, true, until);
        if (this.traffic.chance(AT_ONCE)) this.call(session, false, until);
      }
      const called = before + end;
      const [from, to] = share(again);
      for (let i = from; i < to && called > 0; i++) {
        const range = this.traffic.chance(RECENT.share) ? Math.min(recent, called) : called;
        this.call(called - 1 - this.traffic.below(range), false, until);
      }
    }
    this.pass(MOST_TICKS_BETWEEN);
  }

  /** Lets time pass, and pins travel. */
  private pass(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      this.nowMs += TICK_MS;
      this.fleet.tick();
    }
  }

  /** A call waits as long as its sidecar says, or until the pins are there. */
  private waitFor(service: string, key: bigint): void {
    let isHere = false;
    const wait = this.fleet.deciding.sharing.await(service, key, () => {
      isHere = true;
    });
    if (wait === undefined) return;
    this.fleet.noteWait();
    for (let waited = 0; !isHere && waited < wait.waitMs; waited += TICK_MS) this.pass(1);
    wait.cancel();
  }

  private call(session: number, isFirst: boolean, until: number): void {
    if (this.requests >= until) return;
    this.requests++;
    const { fleet, world, sessions } = this;
    const { call, request, authority } = this.caller.prepare(session, isFirst, this.nowMs);
    const { sidecar, service } = call;
    fleet.deciding = sidecar;
    sidecar.table.revision = sidecar.services[service]?.routes.read.revision ?? 0;
    this.lookup = { key: undefined, found: undefined };
    const { context, decide } = this;
    const waitFor = (name: string, key: bigint) => this.waitFor(name, key);
    const sent = send({ sidecar, service, authority, request, context, decide, pods: world.pods, waitFor });
    const { nowMs } = this;
    const { key, found } = this.lookup;
    const kept = key === undefined ? undefined : sidecar.table.peek(key, nowMs)?.pin;
    if (sent.setCookie !== undefined) sessions.keepCookie(call.record, sent.setCookie, nowMs);
    const outcome = { ...sent, setsCookie: sent.setCookie !== undefined };
    const { situation, placed, problem } = this.oracle.judge(call, outcome, { found, kept }, nowMs);
    learn(sidecar, service, sent);
    if (session === this.watched) {
      this.history.push(describeCall({ request: this.requests, call, situation, outcome, placed, problem }));
    }
    if (problem !== undefined) this.offence ??= { session, request: this.requests, problem };
  }

  private tell(step: number, happened: readonly (readonly [service: number, what: string])[]): void {
    if (this.watched < 0) return;
    const { index } = this.sessions.traitsOf(this.watched);
    const service = this.world.services[index] as ServiceWorld;
    for (const [whose, what] of happened) {
      if (whose === index) this.history.push(`step ${step}: ${what}; now ${describeService(service)}`);
    }
  }
}
