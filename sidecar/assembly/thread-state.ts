import { OwnPorts } from '../outbound/own-ports.js';
import { newLoopSeed } from '../proxy/loop-marks.js';
import { SessionTable } from '../session/session-table.js';
import { OwnTraces, type TraceStore } from '../session/trace-store.js';
import { type CountsSource, OWN_COUNTS } from '../upstream/counts-source.js';
import { OwnPlaces, type Places } from '../upstream/places.js';

/** What a request meets and another has left there: all workers of a sidecar have the same. */
export interface ThreadState {
  readonly sessions: SessionTable;
  readonly traces: TraceStore;
  /** For clients' connections. */
  readonly places: { readonly inbound: Places; readonly outbound: Places };
  readonly counts: CountsSource;
  readonly ownPorts: OwnPorts;
  readonly loopSeed: bigint;
}

/** For the one worker of a sidecar. */
export function ownState(sessionTableSize: number, nowMs: number): ThreadState {
  return {
    sessions: new SessionTable(sessionTableSize, nowMs),
    traces: new OwnTraces(),
    places: { inbound: new OwnPlaces(), outbound: new OwnPlaces() },
    counts: OWN_COUNTS,
    ownPorts: new OwnPorts(),
    loopSeed: newLoopSeed(),
  };
}
