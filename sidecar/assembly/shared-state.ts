import type { CountsSource } from '../cluster/counts-source.js';
import { newLoopSeed } from '../http/loop-marks.js';
import { SharedSlots } from '../net/concurrency-slots.js';
import { OwnPorts } from '../outbound/own-ports.js';
import { type SharedSessions, SharedSessionTable, sharedSessions } from '../session/shared-session-table.js';
import { type SharedTraceMemory, SharedTraces, sharedTraceMemory } from '../session/shared-traces.js';
import { type CellRange, CellSource } from '../shared-memory/cells.js';
import { MOST_SEEN_IN_COOKIES, type ThreadState } from './thread-state.js';

/** The memory of it all, to be handed to every worker. */
export interface SharedMemory {
  readonly sessions: SharedSessions;
  readonly seenInCookies: SharedSessions;
  readonly traces: SharedTraceMemory;
  readonly inbound: CellRange;
  readonly outbound: CellRange;
  readonly ownPorts: Int32Array;
  readonly loopSeed: bigint;
}

/** @param nowMs on the clock that all workers share */
export function sharedMemory(sessionTableSize: number, nowMs: number): SharedMemory {
  const source = new CellSource();
  return {
    sessions: sharedSessions(sessionTableSize, nowMs),
    seenInCookies: sharedSessions(MOST_SEEN_IN_COOKIES, nowMs),
    traces: sharedTraceMemory(),
    inbound: source.next(),
    outbound: source.next(),
    ownPorts: new OwnPorts().cells,
    loopSeed: newLoopSeed(),
  };
}

/** For one worker of several. */
export function sharedState(memory: SharedMemory, counts: CountsSource): ThreadState {
  const { sessions, seenInCookies, traces, inbound, outbound, ownPorts, loopSeed } = memory;
  return {
    sessions: new SharedSessionTable(sessions),
    seenInCookies: new SharedSessionTable(seenInCookies),
    traces: new SharedTraces(traces),
    slots: { inbound: new SharedSlots(inbound), outbound: new SharedSlots(outbound) },
    counts,
    ownPorts: new OwnPorts(ownPorts),
    loopSeed,
  };
}
