import { place } from '../../src/routing/decide.js';
import { Fleet } from './fleet/fleet.js';
import { describeCall, describeService } from './history.js';
import { MUTANTS } from './mutants.js';
import { type SimulationOptions, STEP_MS } from './options.js';
import { Memory } from './oracle/memory.js';
import { Oracle } from './oracle/oracle.js';
import { Numbers } from './oracle/reading.js';
import { Shares } from './oracle/shares.js';
import { Random } from './random.js';
import { Caller } from './traffic/caller.js';
import { type Decide, learn, send } from './traffic/send.js';
import { Sessions } from './traffic/sessions.js';
import type { ServiceWorld } from './world/service-world.js';
import { World } from './world/world.js';

/** Sessions begin during this share of the steps; in the rest, only old ones call. */
const ARRIVALS = 0.8;
/** Of the calls that are not a session's first, this share comes from sessions of the last steps. */
const RECENT = { share: 0.7, steps: 20 };

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
  private begun = 0;

  /** @param watched a session whose history is to be kept */
  constructor(
    private readonly options: SimulationOptions,
    private readonly watched = -1,
  ) {
    const { seed, sidecars, services, sessions } = options;
    this.world = new World(services, new Random(seed, 'world'));
    this.fleet = new Fleet({
      sidecars,
      // Room for every session that a caller without cookies may have there, all routes kept apart.
      tableCapacity: Math.max(1000, Math.ceil((sessions / sidecars) * 3)),
      world: this.world,
      random: new Random(seed, 'fleet'),
      numbers: new Numbers(),
      nowMs: () => this.nowMs,
    });
    const traits = this.world.services.map((service) => service.traits);
    this.sessions = new Sessions(sessions, sidecars, traits, new Random(seed, 'sessions'));
    this.oracle = new Oracle(new Memory(this.sessions.records), this.shares);
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
      findPin: (...question: Parameters<(typeof fleet.deciding.pins)['find']>) =>
        fleet.deciding.pins.find(...question),
    };
  }

  private step(step: number, until: number): void {
    this.nowMs += STEP_MS;
    const happened = this.world.step(step);
    this.fleet.step(step);
    this.tell(step, happened);
    const { sessions, steps, calls } = this.options;
    const before = this.begun;
    this.begun = Math.min(sessions, Math.ceil((sessions * (step + 1)) / Math.max(1, steps * ARRIVALS)));
    for (let session = before; session < this.begun; session++) this.call(session, true, until);
    const again = Math.round((sessions * (calls - 1)) / steps);
    const recent = Math.max(1, Math.round((sessions * RECENT.steps) / Math.max(1, steps * ARRIVALS)));
    for (let i = 0; i < again; i++) {
      const range = this.traffic.chance(RECENT.share) ? Math.min(recent, this.begun) : this.begun;
      this.call(this.begun - 1 - this.traffic.below(range), false, until);
    }
  }

  private call(session: number, isFirst: boolean, until: number): void {
    if (this.requests >= until) return;
    this.requests++;
    const { fleet, world, sessions, nowMs } = this;
    const { call, request, authority } = this.caller.prepare(session, isFirst, nowMs);
    const { sidecar, service } = call;
    fleet.deciding = sidecar;
    const { context, decide } = this;
    const sent = send({ sidecar, service, authority, request, context, decide, pods: world.pods });
    if (sent.setCookie !== undefined) sessions.keepCookie(call.record, sent.setCookie, nowMs);
    const outcome = { ...sent, setsCookie: sent.setCookie !== undefined };
    const { situation, placed, problem } = this.oracle.judge(call, outcome, nowMs);
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
