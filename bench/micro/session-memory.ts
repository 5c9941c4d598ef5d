import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SessionTable } from '../../sidecar/session/session-table.js';
import { SharedSessionTable, sharedSessions } from '../../sidecar/session/shared-session-table.js';
import { xxh64 } from '../../src/hashing/xxh64.js';
import { MEBIBYTE } from '../report/number-format.js';
import type { SpecialFigure } from '../report/results.js';
import { nanosecondsEach } from './repeat.js';

const PINS = 100_000;
const TTL_MS = 3_600_000;
const GOAL_MB = 12;
const PIN = { release: 1, endpoint: 2, label: false, generation: 0, revision: 0 };

/** The session table with as many pins as it has by default. */
export function measureSessionTable(): SpecialFigure[] {
  const hashes = Array.from({ length: PINS }, (_, i) => xxh64(`user-${i}`));
  const before = bytesInUse();
  const table = new SessionTable(PINS, 0);
  for (const hash of hashes) table.set(hash, PIN, 0);
  const bytes = bytesInUse() - before;
  const find = nanosecondsEach(PINS, () => {
    for (const hash of hashes) table.find(hash, TTL_MS, 1000);
  });
  const shared = new SharedSessionTable(sharedSessions(PINS, 0));
  for (const hash of hashes) shared.set(hash, PIN, 0);
  const findShared = nanosecondsEach(PINS, () => {
    for (const hash of hashes) {
      shared.lock(hash);
      shared.find(hash, TTL_MS, 1000);
      shared.unlock(hash);
    }
  });
  const kept = `session table, ${PINS.toLocaleString('en-US')} pins (${table.size.toLocaleString('en-US')} kept)`;
  return [
    { name: kept, unit: 'MB', values: [bytes / MEBIBYTE], goal: GOAL_MB },
    { name: 'session table, finding a pin', unit: 'ns', values: find, goal: undefined },
    { name: 'the same in memory that workers share', unit: 'ns', values: findShared, goal: undefined },
  ];
}

/** After a full collection: what is held, inside V8's heap and outside of it. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
