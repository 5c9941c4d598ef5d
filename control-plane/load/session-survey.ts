import { setImmediate } from 'node:timers/promises';
import {
  ALL_RANKS,
  encodeQuestion,
  type HeldSession,
  MAX_ANSWERED,
  MAX_TAGS,
  type SessionAnswer,
  type SessionQuestion,
  sampleRank,
} from '../../src/xds/session-survey.js';

/** A client's load reporting stream. */
export interface SurveyedClient {
  write(response: object): unknown;
}

/** What clients hold now, all of it or a sample. */
export interface LiveSessions {
  readonly sessions: readonly HeldSession[];
  /** For how many sessions each of them stands, at least 1. */
  readonly weight: number;
  /** Clients that have not said what they hold. */
  readonly silent: number;
}

interface Sample extends Omit<LiveSessions, 'silent'> {
  /** Clients that have told theirs. */
  readonly answered: number;
}

interface Holder {
  readonly client: SurveyedClient;
  readonly total: number;
}

/** What a survey is about. */
export type SessionsWanted = Pick<SessionQuestion, 'tags' | 'ttlMs'>;

/** One question to some clients, and what has been answered so far. */
interface Round {
  readonly question: { readonly id: number; readonly response: object };
  readonly answers: Map<SurveyedClient, Answered>;
  readonly owing: Set<SurveyedClient>;
  /** Called when no client owes an answer any more. */
  done(): void;
}

/** A client's whole answer. */
interface Answered {
  readonly total: number;
  readonly sessions: readonly HeldSession[];
}

interface Answerer {
  /** By question. */
  readonly rounds: Map<number, Round>;
  /** Parts of the answer to each. */
  readonly parts: Map<number, HeldSession[]>;
  /** It has not answered in time and is not asked again until it has. */
  late: boolean;
}

export interface SurveyLimits {
  /** Sessions told, of all clients together: beyond it, a sample. At 40,000, shares are right to a point (4 sigma). */
  readonly sessions: number;
  /** How long clients may take for one answer. */
  readonly answerMs: number;
  /** Surveys at a time; others wait. */
  readonly atOnce: number;
}

const LIMITS: SurveyLimits = { sessions: 40_000, answerMs: 1500, atOnce: 4 };
/** Clients written to without letting anything else run. */
const SLICE = 50;

/** Of what sidecars hold together, no more than this is different. */
const MOSTLY_SHARED = 0.7;
/** Of a first sample, a second one has at least this much again. */
const NOTHING_LACKS = 0.97;

/**
 * Asks sidecars which sessions of a service they hold, for plans: first how many, then all of them, or if those are too
 * many, a sample that is the same in every sidecar.
 */
export class SessionSurvey {
  private readonly clients = new Map<SurveyedClient, Answerer>();
  private readonly waiting: (() => void)[] = [];
  private running = 0;
  private lastId = 0;

  constructor(private readonly limits = LIMITS) {}

  /** A client that answers is there. */
  join(client: SurveyedClient): void {
    this.clients.set(client, { rounds: new Map(), parts: new Map(), late: false });
  }

  leave(client: SurveyedClient): void {
    const rounds = this.clients.get(client)?.rounds ?? new Map<number, Round>();
    this.clients.delete(client);
    for (const round of rounds.values()) owesNothing(client, round);
  }

  /** A client has answered, or given a part of its answer. What was not asked for is dropped. */
  hear(client: SurveyedClient, { id, total, sessions, isLast }: SessionAnswer): void {
    const answerer = this.clients.get(client);
    if (answerer === undefined) return;
    answerer.late = false;
    const round = answerer.rounds.get(id);
    if (round === undefined) return;
    const told = answerer.parts.get(id) ?? [];
    if (told.length < MAX_ANSWERED) for (const session of sessions) told.push(session);
    answerer.parts.set(id, told);
    if (!isLast) return;
    forgetQuestion(answerer, id);
    round.answers.set(client, { total, sessions: told });
    owesNothing(client, round);
  }

  async take(wanted: SessionsWanted): Promise<LiveSessions> {
    if (wanted.tags.length === 0) return { sessions: [], weight: 1, silent: 0 };
    if (this.running === this.limits.atOnce)
      await new Promise<void>((resolve) => void this.waiting.push(resolve));
    else this.running++;
    try {
      return await this.survey({ ...wanted, tags: wanted.tags.slice(0, MAX_TAGS) });
    } finally {
      // The next caller in the queue takes this one's place.
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }

  private async survey(wanted: SessionsWanted): Promise<LiveSessions> {
    const prompt = [...this.clients].flatMap(([client, { late }]) => (late ? [] : [client]));
    const counts = await this.ask(prompt, { ...wanted, below: 0 });
    const holders = [...counts]
      .map(([client, { total }]) => ({ client, total }))
      .filter(({ total }) => total > 0)
      .sort((a, b) => b.total - a.total);
    const held = totalOf(holders);
    const first = await this.sample(holders, wanted, held);
    const silent = this.clients.size - counts.size + holders.length - first.answered;
    const { sessions, weight } = await this.refined(first, holders, wanted);
    return { sessions, weight, silent };
  }

  /**
   * Sidecars share their pins: where most hold the same, a sample of all that they hold together has few different
   * sessions. Then the few that hold most are asked for a larger one, which counts if it lacks nothing of the first.
   */
  private async refined(first: Sample, holders: readonly Holder[], wanted: SessionsWanted): Promise<Sample> {
    const different = first.sessions.length * first.weight;
    if (first.weight === 1 || different > totalOf(holders) * MOSTLY_SHARED) return first;
    const few: Holder[] = [];
    for (const holder of holders) if (totalOf(few) < 2 * different) few.push(holder);
    const second = await this.sample(few, wanted, different);
    const again = second.sessions.filter(({ key }) => rankOf(key) < ALL_RANKS / first.weight);
    return again.length >= first.sessions.length * NOTHING_LACKS ? second : first;
  }

  /** @param of so many different sessions, about */
  private async sample(holders: readonly Holder[], wanted: SessionsWanted, of: number): Promise<Sample> {
    const below = Math.ceil(ALL_RANKS * Math.min(1, this.limits.sessions / Math.max(1, of)));
    const clients = holders.map(({ client }) => client);
    const answers = await this.ask(clients, { ...wanted, below });
    const told = [...answers.values()].flatMap(({ sessions }) => sessions).slice(0, 3 * this.limits.sessions);
    const sessions = answers.size > 1 ? distinct(told) : told;
    return { sessions, weight: ALL_RANKS / below, answered: answers.size };
  }

  /** Asks one question. Clients that do not answer in time are left out. */
  private async ask(
    clients: readonly SurveyedClient[],
    question: Omit<SessionQuestion, 'id'>,
  ): Promise<Round['answers']> {
    const answers: Round['answers'] = new Map();
    if (clients.length === 0) return answers;
    const id = ++this.lastId;
    const response = { clusters: [encodeQuestion({ ...question, id })] };
    const owing = new Set(clients);
    await new Promise<void>((done) => {
      const timer = setTimeout(done, this.limits.answerMs);
      const round = { question: { id, response }, answers, owing, done: () => done(clearTimeout(timer)) };
      void this.send(clients, round);
    });
    for (const client of owing) this.giveUp(client, id);
    return answers;
  }

  private async send(clients: readonly SurveyedClient[], round: Round): Promise<void> {
    for (const [i, client] of clients.entries()) {
      if (i % SLICE === SLICE - 1) await setImmediate();
      const answerer = this.clients.get(client);
      if (answerer === undefined) owesNothing(client, round);
      else {
        answerer.rounds.set(round.question.id, round);
        client.write(round.question.response);
      }
    }
  }

  private giveUp(client: SurveyedClient, id: number): void {
    const answerer = this.clients.get(client);
    if (answerer === undefined) return;
    answerer.late = true;
    forgetQuestion(answerer, id);
  }
}

function totalOf(holders: readonly Holder[]): number {
  return holders.reduce((sum, { total }) => sum + total, 0);
}

function rankOf(key: bigint): number {
  return sampleRank(Number(key >> 32n), Number(key & 0xffffffffn));
}

function forgetQuestion({ rounds, parts }: Answerer, id: number): void {
  rounds.delete(id);
  parts.delete(id);
}

function owesNothing(client: SurveyedClient, { owing, done }: Round): void {
  owing.delete(client);
  if (owing.size === 0) done();
}

/** A session that several sidecars hold in the same way is one. Those that know most of it go first. */
function distinct(told: readonly HeldSession[]): HeldSession[] {
  const known = new Map<bigint, HeldSession[]>();
  const knowsSalted = ({ saltedHash }: HeldSession) => saltedHash > 0n;
  const sessions = [...told.filter(knowsSalted), ...told.filter((session) => !knowsSalted(session))];
  return sessions.filter((session) => {
    const others = known.get(session.key);
    if (others?.some((other) => isSame(other, session))) return false;
    if (others === undefined) known.set(session.key, [session]);
    else others.push(session);
    return true;
  });
}

function isSame(a: HeldSession, b: HeldSession): boolean {
  return a.tag === b.tag && a.pin.release === b.pin.release && a.pin.endpoint === b.pin.endpoint;
}
