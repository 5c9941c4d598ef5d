import { setImmediate } from 'node:timers/promises';
import {
  type HeldSession,
  MAX_ANSWERED,
  PART,
  type SessionAnswer,
  type SessionQuestion,
  sampleRank,
} from '../../src/xds/session-survey.js';
import type { SessionEntry, SessionTable } from './session-table.js';

/** Slots looked at without letting anything else run: well under a millisecond. */
const SLICE = 16_384;

/** Answers which sessions the tables hold, in parts, without holding up the data path. */
export async function* surveySessions(
  tables: readonly SessionTable[],
  question: SessionQuestion,
  nowMs: number,
): AsyncGenerator<SessionAnswer> {
  const gathered = new Gathered(question);
  for (const table of tables.filter(({ size }) => size > 0)) {
    for (let from = 0; from < table.slots; from += SLICE) {
      table.visit(from, from + SLICE, nowMs, (entry) => gathered.add(entry));
      if (gathered.isPart) yield gathered.take(false);
      await setImmediate();
    }
  }
  yield gathered.take(true);
}

class Gathered {
  private sessions: HeldSession[] = [];
  private total = 0;
  private told = 0;
  private readonly tags: ReadonlySet<number>;

  constructor(private readonly question: SessionQuestion) {
    this.tags = new Set(question.tags);
  }

  get isPart(): boolean {
    return this.sessions.length >= PART;
  }

  add({ high, low, saltedHash, salt, tag, idleMs, release, endpoint, label }: SessionEntry): void {
    const { ttlMs, below } = this.question;
    if (idleMs > ttlMs || !this.tags.has(tag)) return;
    this.total++;
    if (sampleRank(high, low) >= below || this.told === MAX_ANSWERED) return;
    this.told++;
    const key = (BigInt(high) << 32n) | BigInt(low);
    this.sessions.push({ key, saltedHash, salt, tag, idleMs, pin: { release, endpoint, label } });
  }

  take(isLast: boolean): SessionAnswer {
    const { sessions, total, question } = this;
    this.sessions = [];
    return { id: question.id, total, sessions, isLast };
  }
}
