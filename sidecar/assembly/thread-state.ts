import { SessionTable } from '../session/session-table.js';
import { type SharedSessions, SharedSessionTable, sharedSessions } from '../session/shared-session-table.js';
import { type SharedTraceMemory, SharedTraces, sharedTraceMemory } from '../session/shared-traces.js';
import { OwnTraces, type TraceStore } from '../session/trace-store.js';
import { type CellRange, CellSource } from '../shared-memory/cells.js';
import { type CountsSource, OWN_COUNTS } from '../upstream/counts-source.js';
import { OwnPlaces, type Places, SharedPlaces } from '../upstream/places.js';

/** What a request meets and another has left there: all workers of a sidecar have the same. */
export interface ThreadState {
  readonly sessions: SessionTable;
  readonly traces: TraceStore;
  /** For clients' connections. */
  readonly places: { readonly inbound: Places; readonly outbound: Places };
  readonly counts: CountsSource;
}

/** For the one worker of a sidecar. */
export function ownState(sessionTableSize: number, nowMs: number): ThreadState {
  return {
    sessions: new SessionTable(sessionTableSize, nowMs),
    traces: new OwnTraces(),
    places: { inbound: new OwnPlaces(), outbound: new OwnPlaces() },
    counts: OWN_COUNTS,
  };
}

/** The memory of it all, to be handed to every worker. */
export interface SharedMemory {
  readonly sessions: SharedSessions;
  readonly traces: SharedTraceMemory;
  readonly inbound: CellRange;
  readonly outbound: CellRange;
}

/** @param nowMs on the clock that all workers share */
export function sharedMemory(sessionTableSize: number, nowMs: number): SharedMemory {
  const source = new CellSource();
  return {
    sessions: sharedSessions(sessionTableSize, nowMs),
    traces: sharedTraceMemory(),
    inbound: source.next(),
    outbound: source.next(),
  };
}

/** For one worker of several. */
export function sharedState(memory: SharedMemory, counts: CountsSource): ThreadState {
  const { sessions, traces, inbound, outbound } = memory;
  return {
    sessions: new SharedSessionTable(sessions),
    traces: new SharedTraces(traces),
    places: { inbound: new SharedPlaces(inbound), outbound: new SharedPlaces(outbound) },
    counts,
  };
}
