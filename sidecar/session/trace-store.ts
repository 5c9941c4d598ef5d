import type { TraceKey } from './trace-keys.js';

/** What a trace arrived with: its lane, and the session keys that services further on may ask for. */
export interface TraceEntry {
  /** Empty: none. */
  readonly lane: string;
  readonly keys: readonly TraceKey[];
}

/** A trace is remembered for this long (S8). */
export const KEEP_MS = 60_000;

/** Where traces are kept. Bounded: the oldest give way, of the caller that has most. */
export interface TraceStore {
  /** There is nothing in it; the usual case where requests carry no traces. */
  readonly isEmpty: boolean;
  /**
   * @param traceId 32 hexadecimal digits
   * @param caller the address that the trace came from
   */
  set(traceId: string, entry: TraceEntry, nowMs: number, caller: string): void;
  /** Undefined: not known, or not any more. */
  get(traceId: string, nowMs: number): TraceEntry | undefined;
}

/** Most traces remembered. */
const MAX_TRACES = 10_000;

interface Kept {
  readonly entry: TraceEntry;
  readonly expiresAtMs: number;
  readonly caller: string;
}

/** Traces of a sidecar with one worker. A caller that is alone has room for all of them; several share it. */
export class OwnTraces implements TraceStore {
  private readonly traces = new Map<string, Kept>();
  /** Trace ids by caller, in the order in which they expire. */
  private readonly callers = new Map<string, Set<string>>();

  get size(): number {
    return this.traces.size;
  }

  get isEmpty(): boolean {
    return this.traces.size === 0;
  }

  set(traceId: string, entry: TraceEntry, nowMs: number, caller: string): void {
    this.forgetExpired(nowMs);
    this.forget(traceId);
    if (this.traces.size >= MAX_TRACES) this.makeRoom();
    this.traces.set(traceId, { entry, expiresAtMs: nowMs + KEEP_MS, caller });
    const own = this.callers.get(caller) ?? new Set();
    this.callers.set(caller, own.add(traceId));
  }

  get(traceId: string, nowMs: number): TraceEntry | undefined {
    const kept = this.traces.get(traceId);
    return kept !== undefined && kept.expiresAtMs > nowMs ? kept.entry : undefined;
  }

  /** The map's order is the order in which they expire. */
  private forgetExpired(nowMs: number): void {
    for (const [traceId, { expiresAtMs }] of this.traces) {
      if (expiresAtMs > nowMs) return;
      this.forget(traceId);
    }
  }

  private makeRoom(): void {
    let most: ReadonlySet<string> = new Set();
    for (const own of this.callers.values()) if (own.size > most.size) most = own;
    const [oldest] = most;
    this.forget(oldest as string);
  }

  private forget(traceId: string): void {
    const kept = this.traces.get(traceId);
    if (kept === undefined) return;
    this.traces.delete(traceId);
    const own = this.callers.get(kept.caller);
    own?.delete(traceId);
    if (own?.size === 0) this.callers.delete(kept.caller);
  }
}
