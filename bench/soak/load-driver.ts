import { seededRandom, userId } from '../load/request-pool.js';
import { Aftermath } from './aftermath.js';
import type { Fault } from './faults.js';
import { outcomeOf } from './outcomes.js';
import type { Pod } from './pods.js';
import { drawFault, drawKind, PLAIN_KINDS, type RequestKind, requestText } from './request-kinds.js';
import { Session } from './session.js';
import { type Ending, SoakConnection } from './soak-connection.js';
import { Tally } from './tally.js';

/** Of each sort: by header, by cookie. Their number is fixed, or the session table would grow as it should. */
const SESSIONS = 2000;
/** Share of requests of cookie sessions that have lost their cookie. */
const FORGETFUL = 0.005;
/** Requests under way at once; what is due beyond is not sent, and said to be so. */
const MOST_UNDER_WAY = 2000;
/** Connections kept for the next request, so that a burst does not look like a growth of descriptors. */
const MOST_IDLE = 128;
const TICK_MS = 2;
const LONGEST_STAY_MS = 6;
const CLOSED_LOOP_WIDTH = 64;

/** Sends the mix through the sidecar, and counts and judges what comes back. */
export class LoadDriver {
  tally = new Tally();
  /** When each request under way was sent, the oldest first. */
  private readonly sent = new Set<{ readonly atMs: number }>();
  private readonly aftermath = new Aftermath<Session>();
  private readonly random: () => number;
  private readonly sessions: readonly Session[];
  private readonly idle: SoakConnection[] = [];
  private kinds: readonly RequestKind[] = PLAIN_KINDS;
  private faults = false;
  private timer: NodeJS.Timeout | undefined;
  private nextDueMs = 0;

  /** @param port the sidecar's outbound listener */
  constructor(
    private readonly port: number,
    private readonly pods: ReadonlyMap<string, Pod>,
    seed: number,
  ) {
    this.random = seededRandom(seed);
    this.sessions = Array.from({ length: 2 * SESSIONS }, (_, i) =>
      i % 2 === 0 ? new Session(userId(i)) : new Session(undefined),
    );
  }

  get underWay(): number {
    return this.sent.size;
  }

  /** Every client sends its next request when it has an answer. @returns requests a second */
  async saturate(seconds: number): Promise<number> {
    const startedAt = performance.now();
    let running = true;
    const before = this.tally.requests;
    const again = () => {
      if (running) this.send(again);
    };
    for (let i = 0; i < CLOSED_LOOP_WIDTH; i++) again();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    running = false;
    const requests = this.tally.requests - before;
    const elapsed = (performance.now() - startedAt) / 1000;
    await this.drained();
    return requests / elapsed;
  }

  /** Everything counted from here on; requests at times of their own, answered or not (Poisson arrivals). */
  start(rate: number, kinds: readonly RequestKind[]): void {
    this.tally = new Tally();
    this.kinds = kinds;
    this.faults = true;
    this.nextDueMs = performance.now();
    this.timer = setInterval(() => this.sendDue(1000 / rate), TICK_MS);
  }

  /** Sends no more, and returns when everything is answered. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.drained();
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  private async drained(): Promise<void> {
    while (this.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  private sendDue(meanGapMs: number): void {
    const nowMs = performance.now();
    this.wakeResting(nowMs);
    while (this.nextDueMs <= nowMs) {
      this.nextDueMs -= Math.log(1 - this.random()) * meanGapMs;
      if (this.underWay < MOST_UNDER_WAY) this.send(() => {});
      else this.tally.notSent++;
    }
  }

  private send(onOver: () => void): void {
    const kind = drawKind(this.kinds, this.random);
    const fault = this.faults ? drawFault(this.random) : undefined;
    const session = this.freeSession();
    if (session === undefined) {
      this.tally.notSent++;
      return;
    }
    if (session.byCookie && this.random() < FORGETFUL) session.forget();
    const leaveAfterMs = kind.client === 'aborting' ? this.random() * LONGEST_STAY_MS : undefined;
    session.busy = true;
    const connection = this.connectionFor(kind);
    const sentAtMs = performance.now();
    const sent = { atMs: sentAtMs };
    this.sent.add(sent);
    const text = requestText(kind, session.field, fault);
    connection.send(text, { slow: kind.client === 'slow', leaveAfterMs }, (ending) => {
      this.sent.delete(sent);
      session.busy = false;
      if (ending === 'left') this.leaveAlone(session, sentAtMs);
      this.finish({ kind, ending, session, sentAtMs, fault, connection });
      this.keep(connection, kind);
      onOver();
    });
  }

  private finish(request: SentRequest): void {
    const { kind, session, sentAtMs, fault, connection, ending } = request;
    const { response } = connection;
    const outcome = outcomeOf({ kind, ending, response, sentAtMs, fault }, this.pods);
    this.tally.count(kind, outcome);
    if (outcome.is === 'failed' && outcome.how !== 'lost') this.note(`${outcome.how}: ${outcome.cause}`);
    if (outcome.is === 'left') return;
    if (outcome.is !== 'answered') {
      session.unanswered(sentAtMs, this.pods);
      return;
    }
    if (kind.client === 'plain') this.tally.countLatency(performance.now() - sentAtMs);
    if (session.byCookie) session.cookie = response.cookie ?? session.cookie;
    const servedBy = response.servedBy as string;
    const judgement = session.judge({ servedBy, sentAtMs, fault }, this.pods);
    this.tally.judgements[judgement]++;
    if (judgement === 'flip' || judgement === 'hop-without-cause')
      this.note(`${judgement}: ${kind.name}, session ${session.field}, answered by ${servedBy}`);
  }

  /**
   * What a request does to its session's pin after its client has left, nobody is told; no other request of the
   * session's may come between. A cookie's pin moves with an answer only, which the client does not take.
   */
  private leaveAlone(session: Session, sentAtMs: number): void {
    if (session.byCookie) {
      session.unanswered(sentAtMs, this.pods);
      return;
    }
    session.busy = true;
    this.aftermath.add(session, sentAtMs, performance.now());
  }

  private wakeResting(nowMs: number): void {
    const [oldest] = this.sent;
    for (const { session, sentAtMs } of this.aftermath.over(oldest?.atMs ?? nowMs)) {
      session.busy = false;
      session.unanswered(sentAtMs, this.pods);
    }
  }

  private note(text: string): void {
    this.tally.note(`${new Date().toISOString()} ${text}`);
  }

  private freeSession(): Session | undefined {
    const { sessions } = this;
    const from = Math.floor(this.random() * sessions.length);
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[(from + i) % sessions.length] as Session;
      if (!session.busy) return session;
    }
    return undefined;
  }

  private connectionFor({ newConnection }: RequestKind): SoakConnection {
    if (!newConnection)
      for (let kept = this.idle.pop(); kept !== undefined; kept = this.idle.pop())
        if (kept.usable) return kept;
    return new SoakConnection(this.port, (gone) => this.onGone(gone));
  }

  private keep(connection: SoakConnection, { newConnection }: RequestKind): void {
    if (!connection.usable) return;
    if (newConnection || this.idle.length >= MOST_IDLE) connection.destroy();
    else this.idle.push(connection);
  }

  private onGone(connection: SoakConnection): void {
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
  }
}

interface SentRequest {
  readonly kind: RequestKind;
  readonly ending: Ending;
  readonly session: Session;
  readonly sentAtMs: number;
  readonly fault: Fault | undefined;
  readonly connection: SoakConnection;
}
