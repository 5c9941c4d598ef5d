import { setImmediate } from 'node:timers/promises';
import {
  type HeldSession,
  MAX_ANSWERED,
  type SessionAnswer,
  type SessionQuestion,
  sampleRank,
} from '../../src/xds/session-survey.js';
import type { SessionEntry, SessionTable } from './session-table.js';

/** Slots looked at without letting anything else run: well under a millisecond. */
const SLICE = 16_384;

/** Answers which sessions the tables hold, without holding up the data path. */
export async function surveySessions(
  tables: readonly SessionTable[],
  { id, tags, ttlMs, below }: SessionQuestion,
  nowMs: number,
): Promise<SessionAnswer> {
  const wanted = new Set(tags);
  const sessions: HeldSession[] = [];
  let total = 0;
  const show = ({ high, low, tag, idleMs, release, endpoint, label }: SessionEntry) => {
    if (idleMs > ttlMs || !wanted.has(tag)) return;
    total++;
    if (sampleRank(high, low) >= below || sessions.length === MAX_ANSWERED) return;
    sessions.push({
      key: (BigInt(high) << 32n) | BigInt(low),
      tag,
      idleMs,
      pin: { release, endpoint, label },
    });
  };
  for (const table of tables.filter(({ size }) => size > 0)) {
    for (let from = 0; from < table.slots; from += SLICE) {
      table.visit(from, from + SLICE, nowMs, show);
      await setImmediate();
    }
  }
  return { id, total, sessions };
}
