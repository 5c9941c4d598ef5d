import { type CountsSource, OWN_COUNTS } from '../cluster/counts-source.js';
import { newLoopSeed } from '../http/loop-marks.js';
import { type ConcurrencySlots, OwnSlots } from '../net/concurrency-slots.js';
import { OwnPorts } from '../outbound/own-ports.js';
import { SessionTable } from '../session/session-table.js';
import { OwnTraces, type TraceStore } from '../session/trace-store.js';

/** What a request meets and another has left there: all workers of a sidecar have the same. */
export interface ThreadState {
  readonly sessions: SessionTable;
  /** Sessions in cookies that have been here lately. */
  readonly seenInCookies: SessionTable;
  readonly traces: TraceStore;
  /** For clients' connections. */
  readonly slots: { readonly inbound: ConcurrencySlots; readonly outbound: ConcurrencySlots };
  readonly counts: CountsSource;
  readonly ownPorts: OwnPorts;
  readonly loopSeed: bigint;
}

/** Of more sessions in cookies, those seen last: as many as plans need to be right to within a point. */
export const MOST_SEEN_IN_COOKIES = 20_000;

/** For the one worker of a sidecar. */
export function ownState(sessionTableSize: number, nowMs: number): ThreadState {
  return {
    sessions: new SessionTable(sessionTableSize, nowMs),
    seenInCookies: new SessionTable(MOST_SEEN_IN_COOKIES, nowMs),
    traces: new OwnTraces(),
    slots: { inbound: new OwnSlots(), outbound: new OwnSlots() },
    counts: OWN_COUNTS,
    ownPorts: new OwnPorts(),
    loopSeed: newLoopSeed(),
  };
}
