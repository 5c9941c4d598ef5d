import { setTimeout as wait } from 'node:timers/promises';
import { Teardown } from '../../src/lifecycle/teardown.js';
import { FastCaller, NamedBackend } from '../../test/support/fast-traffic.js';
import { type Owner, ownerOf } from '../../test/support/owner.js';
import { textTable } from '../report/text-table.js';
import { Random } from '../simulate/random.js';
import { haproxyPeers } from './haproxy.js';
import { roostSessions } from './roost.js';
import { movesBetween, type Placed, type Round, sessionsAt, shareOf } from './scoring.js';
import { HOST, type StickyPeer, type StickyPeerProgram, USER_HEADER, type Weights } from './sticky-peer.js';

const PEERS: readonly StickyPeerProgram[] = [roostSessions, haproxyPeers];
const SESSIONS = 3000;
/** New ones at each step: a proxy that ignored every later split would keep all of the first. */
const NEWCOMERS = 1000;
const PODS = 2;
const CANARY = 'v2';
const STEPS: readonly Weights[] = [
  { v1: 75, v2: 25 },
  { v1: 50, v2: 50 },
  { v1: 90, v2: 90 },
];
const CONNECTIONS = 16;
/** Pins and stick tables travel meanwhile. */
const SPREAD_MS = 500;
/** Checks and probes find out meanwhile that pods have died, or are back. */
const HEALTH_MS = 3000;

/** What a rollout did to the sessions of one peer, in the order of the table. */
export type StickinessRow = Readonly<Record<string, string>>;

/**
 * One rollout through two instances of each peer, with header-keyed sessions that come through either of them: 10, 25,
 * 50 %, the same split in other numbers, a drain, a next release under the canary's name, which dies and comes back.
 *
 * @returns a table for people
 */
export async function measureStickiness(
  seeds: readonly number[],
  onStep: (text: string) => void,
): Promise<string> {
  const rows: StickinessRow[] = [];
  const missing = new Set<string>();
  for (const program of PEERS)
    for (const seed of seeds) {
      const lacks = program.missing();
      if (lacks !== undefined) missing.add(`${program.name}: not measured, ${lacks} is not installed`);
      else rows.push({ proxy: program.name, seed: String(seed), ...(await rollOut(program, seed, onStep)) });
    }
  const header = Object.keys(rows[0] ?? {});
  const table = textTable([header, ...rows.map((row) => header.map((name) => row[name] ?? ''))]);
  const how = PEERS.map(({ name, how }) => `${name}: ${how}`);
  return `${SESSIONS} sessions, ${PODS} pods a release, two instances of each proxy\n\n${table}\n\n${[...how, ...missing].join('\n')}\n`;
}

async function rollOut(
  program: StickyPeerProgram,
  seed: number,
  onStep: (text: string) => void,
): Promise<StickinessRow> {
  const teardown = new Teardown();
  const owner = ownerOf(teardown);
  const step = (text: string) => onStep(`stickiness: ${program.name}, seed ${seed}: ${text}`);
  try {
    const pods = { v1: await startPods(owner, 'v1'), v2: await startPods(owner, 'v2') };
    step('starting');
    const peer = await program.start(owner, pods, { v1: 90, v2: 10 });
    return await new Rollout(owner, peer, seed, step).run();
  } finally {
    await teardown.run();
  }
}

function startPods(owner: Owner, release: string): Promise<NamedBackend[]> {
  return Promise.all(
    Array.from({ length: PODS }, (_, i) => NamedBackend.start(owner, `${release}-${i + 1}`)),
  );
}

class Rollout {
  private readonly callers: readonly FastCaller[];
  private readonly random: Random;
  private sessions: readonly string[];
  private failed = 0;
  private last: Round = new Map();

  constructor(
    private readonly owner: Owner,
    private readonly peer: StickyPeer,
    private readonly seed: number,
    private readonly step: (text: string) => void,
  ) {
    this.callers = peer.addresses.map((address) => new FastCaller(owner, address, CONNECTIONS));
    this.random = new Random(seed, 'stickiness');
    this.sessions = this.named('user', SESSIONS);
  }

  async run(): Promise<StickinessRow> {
    this.step('first calls, at 10 %');
    this.last = await this.callAll(this.sessions, () => 0);
    const shares = [{ asked: 0.1, got: shareOf(this.last, CANARY) }];
    // The same sessions once through the one instance, then through the other.
    const there = movesBetween(this.last, await this.callAll(this.sessions, () => 1));
    let [flips, hops] = [0, 0];
    for (const weights of STEPS) {
      this.step(`${weights.v1}/${weights.v2}`);
      await this.peer.split(weights);
      const moves = await this.next();
      flips += moves.flips;
      hops += moves.hops;
      const asked = weights.v2 / (weights.v1 + weights.v2);
      shares.push({ asked, got: await this.shareOfNewcomers(`at-${weights.v1}-${weights.v2}`) });
    }
    this.step('drain');
    const atCanary = sessionsAt(this.last, CANARY);
    await this.peer.drain();
    const evicted = (await this.next()).flips;
    const admitted = await this.shareOfNewcomers('at-drain');
    const next = await startPods(this.owner, 'v3');
    const inherited = await this.replaced(atCanary, next);
    const { wereThere, rescued, back } = await this.dieAndReturn(next);
    const offBy = Math.max(...shares.map(({ asked, got }) => Math.abs(got - asked)));
    return {
      'instances disagree': String(there.flips + there.hops),
      flips: String(flips),
      hops: String(hops),
      'share off by at most': `${(offBy * 100).toFixed(1)} points`,
      'evicted by a drain': String(evicted),
      'admitted in it': `${(admitted * 100).toFixed(1)} %`,
      'inherited by the next': `${inherited} of ${atCanary.length}`,
      'unanswered, canary dead': `${wereThere - rescued} of ${wereThere}`,
      'back when it is': `${back} of ${wereThere}`,
      'failed calls': String(this.failed),
    };
  }

  /** Sessions that call for the first time; they stay from then on. @returns the canary's share of them */
  private async shareOfNewcomers(name: string): Promise<number> {
    const newcomers = this.named(name, NEWCOMERS);
    const round = await this.callAll(newcomers);
    this.sessions = [...this.sessions, ...newcomers];
    this.last = new Map([...this.last, ...round]);
    return shareOf(round, CANARY);
  }

  private named(name: string, count: number): string[] {
    return Array.from({ length: count }, (_, i) => `${name}-${this.seed}-${i}`);
  }

  /** @returns sessions of the canary that were answered while it was dead, and that are there again once it is back */
  private async dieAndReturn(canary: readonly NamedBackend[]) {
    const sessions = sessionsAt(this.last, 'v3');
    this.step('the canary dies');
    await Promise.all(canary.map((pod) => pod.stop()));
    await wait(HEALTH_MS);
    const without = await this.callAll();
    this.step('the canary comes back');
    await Promise.all(canary.map((pod) => pod.listen()));
    await wait(HEALTH_MS);
    this.last = await this.callAll();
    const isThere = (session: string) => this.last.get(session)?.release === 'v3';
    return {
      wereThere: sessions.length,
      rescued: sessions.filter((session) => without.get(session) !== undefined).length,
      back: sessions.filter(isThere).length,
    };
  }

  /** @returns sessions of the old canary that the next one under its name has; a tenth is its share */
  private async replaced(sessions: readonly string[], next: readonly NamedBackend[]): Promise<number> {
    this.step('a next release under its name');
    await this.peer.replace(next, { v1: 90, v2: 10 });
    await wait(HEALTH_MS);
    this.last = await this.callAll();
    return sessions.filter((session) => this.last.get(session)?.release === 'v3').length;
  }

  private async next() {
    const round = await this.callAll();
    const moves = movesBetween(this.last, round);
    this.last = round;
    return moves;
  }

  /** Each of the sessions calls once. @param instance undefined: through either, by chance */
  private async callAll(
    sessions: readonly string[] = this.sessions,
    instance = () => this.random.below(this.callers.length),
  ): Promise<Round> {
    const answers = await Promise.all(sessions.map((session) => this.call(session, instance())));
    await wait(SPREAD_MS);
    return new Map(sessions.map((session, i) => [session, answers[i]]));
  }

  private async call(session: string, instance: number): Promise<Placed> {
    const caller = this.callers[instance] as FastCaller;
    const answer = await caller.one({ host: HOST, headers: [[USER_HEADER, session]] }).catch(() => undefined);
    if (answer?.status === 200) return { release: answer.body.split('-')[0] as string, pod: answer.body };
    this.failed++;
    return undefined;
  }
}
