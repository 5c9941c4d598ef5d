import { setTimeout as wait } from 'node:timers/promises';
import { Teardown } from '../../src/lifecycle/teardown.js';
import { FastCaller, NamedBackend } from '../../test/support/fast-traffic.js';
import type { Owner } from '../../test/support/owner.js';
import { textTable } from '../report/text-table.js';
import { Random } from '../simulate/random.js';
import { haproxyPeers } from './haproxy.js';
import { roostSessions } from './roost.js';
import { movesBetween, type Placed, type Round, sessionsAt, shareOf } from './scoring.js';
import { HOST, type StickyPeer, type StickyPeerProgram, USER_HEADER } from './sticky-peer.js';

const PEERS: readonly StickyPeerProgram[] = [roostSessions, haproxyPeers];
const SESSIONS = 3000;
const PODS = 2;
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
  const missing: string[] = [];
  for (const program of PEERS)
    for (const seed of seeds) {
      const lacks = program.missing();
      if (lacks !== undefined) missing.push(`${program.name}: not measured, ${lacks} is not installed`);
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
  const owner = { teardown: (step: () => unknown) => teardown.add(step) } as unknown as Owner;
  const step = (text: string) => onStep(`stickiness: ${program.name}, seed ${seed}: ${text}`);
  try {
    const pods = { v1: await startPods(owner, 'v1'), v2: await startPods(owner, 'v2') };
    step('starting');
    const peer = await program.start(owner, pods, { v1: 90, v2: 10 });
    return await new Rollout(owner, peer, new Random(seed, 'stickiness'), step).run();
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
  private failed = 0;
  private last: Round = new Map();

  constructor(
    private readonly owner: Owner,
    private readonly peer: StickyPeer,
    private readonly random: Random,
    private readonly step: (text: string) => void,
  ) {
    this.callers = peer.addresses.map((address) => new FastCaller(owner, address, CONNECTIONS));
  }

  async run(): Promise<StickinessRow> {
    this.step('first calls, at 10 %');
    this.last = await this.callAll();
    const first = shareOf(this.last, 'v2');
    const disagreeing = (await this.next()).flips;
    let [flips, hops] = [0, 0];
    for (const weights of [
      { v1: 75, v2: 25 },
      { v1: 50, v2: 50 },
      { v1: 90, v2: 90 },
    ]) {
      this.step(`${weights.v1}/${weights.v2}`);
      await this.peer.split(weights);
      const moves = await this.next();
      flips += moves.flips;
      hops += moves.hops;
    }
    this.step('drain');
    const atCanary = sessionsAt(this.last, 'v2');
    await this.peer.drain();
    const evicted = (await this.next()).flips;
    const next = await startPods(this.owner, 'v3');
    const inherited = await this.replaced(atCanary, next);
    const { wereThere, rescued, back } = await this.dieAndReturn(next);
    return {
      'canary at 10 %': `${(first * 100).toFixed(1)} %`,
      'instances disagree': String(disagreeing),
      'flips, 10 to 50 %': String(flips),
      hops: String(hops),
      'evicted by a drain': String(evicted),
      'inherited by the next': `${inherited} of ${atCanary.length}`,
      'unanswered, canary dead': `${wereThere - rescued} of ${wereThere}`,
      'back when it is': `${back} of ${wereThere}`,
      'failed calls': String(this.failed),
    };
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

  /** Every session calls once, through either instance. */
  private async callAll(): Promise<Round> {
    const sessions = Array.from({ length: SESSIONS }, (_, i) => `user-${i}`);
    const answers = await Promise.all(sessions.map((session) => this.call(session)));
    await wait(SPREAD_MS);
    return new Map(sessions.map((session, i) => [session, answers[i]]));
  }

  private async call(session: string): Promise<Placed> {
    const caller = this.random.pick(this.callers) as FastCaller;
    const answer = await caller.one({ host: HOST, headers: [[USER_HEADER, session]] }).catch(() => undefined);
    if (answer?.status === 200) return { release: answer.body.split('-')[0] as string, pod: answer.body };
    this.failed++;
    return undefined;
  }
}
