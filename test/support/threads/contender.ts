import { parentPort, workerData } from 'node:worker_threads';
import { SharedEndpointCounts } from '../../../sidecar/cluster/endpoint-counts.js';
import { type SharedSessions, SharedSessionTable } from '../../../sidecar/session/shared-session-table.js';
import { type SharedTraceMemory, SharedTraces } from '../../../sidecar/session/shared-traces.js';
import { giveBackSlot, takeSlot } from '../../../sidecar/shared-memory/cells.js';
import { lock, unlock } from '../../../sidecar/shared-memory/lock.js';
import { xxh64 } from '../../../src/hashing/xxh64.js';

/** What the threads of a test fight over, and how. Each job tells what this thread has seen that must not be. */

const HOUR_MS = 3_600_000;

/** Scarce slots, cell by cell: the counter, then how many are held, then the most that were ever held. */
interface PlacesJob {
  readonly cells: Int32Array;
  readonly most: number;
  readonly turns: number;
}

function places({ cells, most, turns }: PlacesJob): { taken: number; tooMany: number } {
  let [taken, tooMany] = [0, 0];
  for (let i = 0; i < turns; i++) {
    if (!takeSlot(cells, 0, most)) continue;
    taken++;
    if (Atomics.add(cells, 1, 1) + 1 > most) tooMany++;
    Atomics.sub(cells, 1, 1);
    giveBackSlot(cells, 0);
  }
  return { taken, tooMany };
}

interface LockJob {
  readonly cells: Int32Array;
  /** Counted in two steps under the lock: what gets lost shows in the end. */
  readonly counters: Float64Array;
  readonly turns: number;
}

function counting({ cells, counters, turns }: LockJob): { torn: number } {
  let torn = 0;
  for (let i = 0; i < turns; i++) {
    lock(cells, 0);
    const before = counters[0] as number;
    if (counters[1] !== before) torn++;
    counters[0] = before + 1;
    counters[1] = before + 1;
    unlock(cells, 0);
  }
  return { torn };
}

interface EndpointJob {
  readonly cells: Int32Array;
  readonly turns: number;
  readonly limit: number;
}

function endpoint({ cells, turns, limit }: EndpointJob): { answered: number; tooMany: number } {
  const counts = new SharedEndpointCounts({ cells, at: 16 });
  let [answered, tooMany] = [0, 0];
  for (let i = 0; i < turns; i++) {
    if (!counts.takeRequest(limit)) continue;
    if (counts.requests > limit) tooMany++;
    counts.failed();
    counts.succeeded();
    answered++;
    counts.giveBackRequest();
  }
  return { answered, tooMany };
}

interface SessionsJob {
  readonly memory: SharedSessions;
  /** So few that all threads are at the same ones all the time. */
  readonly sessions: number;
  readonly turns: number;
}

/** Every pin that is set has its release, its endpoint and its label from one number: a pin of two shows. */
export const pinOf = (n: number) => ({
  release: 1 + n,
  endpoint: 2 ** 40 + n,
  label: n % 2 === 1,
  generation: n % 7,
  revision: n,
});

function sessions({ memory, sessions, turns }: SessionsJob): { found: number; mixed: number } {
  const table = new SharedSessionTable(memory);
  const hashes = Array.from({ length: sessions }, (_, i) => xxh64(`user-${i}`));
  let [found, mixed] = [0, 0];
  for (let i = 0; i < turns; i++) {
    const hash = hashes[(i * 7 + index) % sessions] as bigint;
    table.lock(hash);
    if (i % 4 === 0) table.set(hash, pinOf((i % 1000) * threads + index), 0);
    else {
      const pin = table.find(hash, HOUR_MS, 0);
      if (pin !== undefined) {
        found++;
        const expected = pinOf(pin.release - 1);
        if (pin.endpoint !== expected.endpoint || pin.label !== expected.label) mixed++;
      }
    }
    table.unlock(hash);
  }
  return { found, mixed };
}

interface FirstPinJob {
  readonly memory: SharedSessions;
  readonly sessions: number;
}

/** Whoever comes first pins a session; nobody may find another pin than the one that was there first. */
function firstPins({ memory, sessions }: FirstPinJob): number[] {
  const table = new SharedSessionTable(memory);
  return Array.from({ length: sessions }, (_, session) => {
    const hash = xxh64(`user-${session}`);
    table.lock(hash);
    const present = table.find(hash, HOUR_MS, 0);
    if (present === undefined) table.set(hash, pinOf(index), 0);
    table.unlock(hash);
    return present === undefined ? index : present.release - 1;
  });
}

interface TracesJob {
  readonly memory: SharedTraceMemory;
  readonly turns: number;
}

/**
 * All threads remember the same few traces, each with values of its own and of another length every time. What is found
 * has to be one of them as it was given.
 */
function traces({ memory, turns }: TracesJob): { missing: number; wrong: number } {
  const store = new SharedTraces(memory);
  let [missing, wrong] = [0, 0];
  for (let n = 0; n < turns; n++) {
    const id = String(n % 5).padStart(32, '0');
    const fill = String.fromCharCode(97 + ((n + index) % 26));
    store.set(id, { lane: fill.repeat(1 + ((n * 37) % 400)), keys: [] }, 0, String(index));
    const lane = store.get(id, 0)?.lane;
    if (lane === undefined) missing++;
    else if (lane !== lane.charAt(0).repeat(lane.length) || lane.length > 400) wrong++;
  }
  return { missing, wrong };
}

const CONTENDER = { places, counting, endpoint, sessions, firstPins, traces };
export type Contender = typeof CONTENDER;
export type Job = keyof Contender;

interface Setup {
  readonly job: Job;
  readonly threads: number;
  readonly index: number;
  /** Who has come, and whether all have. */
  readonly start: Int32Array;
  readonly memory: unknown;
}

const { job, threads, index, start, memory } = (workerData ?? { threads: 1, index: 0 }) as Setup;

/** Nobody begins before everybody is there. */
function waitForOthers(): void {
  if (Atomics.add(start, 0, 1) + 1 === threads) {
    Atomics.store(start, 1, 1);
    Atomics.notify(start, 1);
  }
  Atomics.wait(start, 1, 0);
}

if (parentPort !== null && job !== undefined) {
  waitForOthers();
  const run = CONTENDER[job] as (memory: unknown) => unknown;
  parentPort.postMessage(run(memory));
}
