import type { SidecarOptions } from '../options.js';
import { MadeCounts } from '../upstream/shared-counts.js';
import { hrtimeMs } from '../workers/clock-origin.js';
import { Journal } from '../workers/journal.js';
import { WorkerTeam } from '../workers/worker-team.js';
import { ownState, sharedMemory, sharedState, type ThreadState } from './thread-state.js';

/** The workers besides the main thread, and how they learn what it knows. */
export interface OtherWorkers {
  readonly team: WorkerTeam;
  readonly journal: Journal;
}

export interface Workers {
  /** The main thread's own share of what all workers have. */
  readonly state: ThreadState;
  /** Undefined: the main thread is the only one, and nothing is shared with anybody. */
  readonly others: OtherWorkers | undefined;
}

export function assembleWorkers(options: SidecarOptions, nowMs: number): Workers {
  const { workers, sessionTableSize } = options;
  if (workers === 1) return { state: ownState(sessionTableSize, nowMs), others: undefined };
  const memory = sharedMemory(sessionTableSize, nowMs);
  const counts = new MadeCounts();
  const inForce = new Int32Array(new SharedArrayBuffer(4));
  const clockOriginMs = hrtimeMs() - performance.now();
  const { app, limits, passthrough, service, release, accessLog, debugSample } = options;
  const forWorkers = { app, limits, passthrough, service, release, accessLog, debugSample };
  const team = new WorkerTeam(workers, { options: forWorkers, memory, clockOriginMs }, inForce);
  const journal = new Journal(team.journalPorts, inForce, counts);
  return { state: sharedState(memory, counts), others: { team, journal } };
}
