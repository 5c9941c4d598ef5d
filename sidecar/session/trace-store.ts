/** What a trace arrived with: its lane, and the session keys that services further on may ask for. */
export interface TraceEntry {
  /** Empty: none. */
  readonly lane: string;
  /** Header values by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly cookies: ReadonlyMap<string, string>;
  readonly baggage: ReadonlyMap<string, string>;
}

/** A trace is remembered for this long (S8). */
export const KEEP_MS = 60_000;

/** Where traces are kept. Bounded: the oldest give way. */
export interface TraceStore {
  /** There is nothing in it; the usual case where requests carry no traces. */
  readonly isEmpty: boolean;
  /** @param traceId 32 hexadecimal digits */
  set(traceId: string, entry: TraceEntry, nowMs: number): void;
  /** Undefined: not known, or not any more. */
  get(traceId: string, nowMs: number): TraceEntry | undefined;
}

/** Most traces remembered. */
const MAX_TRACES = 10_000;

interface Kept {
  readonly entry: TraceEntry;
  readonly expiresAtMs: number;
}

/** Traces of a sidecar with one worker. */
export class OwnTraces implements TraceStore {
  /** In the order in which they expire. */
  private readonly traces = new Map<string, Kept>();

  get size(): number {
    return this.traces.size;
  }

  get isEmpty(): boolean {
    return this.traces.size === 0;
  }

  set(traceId: string, entry: TraceEntry, nowMs: number): void {
    this.forgetExpired(nowMs);
    this.traces.delete(traceId);
    this.traces.set(traceId, { entry, expiresAtMs: nowMs + KEEP_MS });
  }

  get(traceId: string, nowMs: number): TraceEntry | undefined {
    const kept = this.traces.get(traceId);
    return kept !== undefined && kept.expiresAtMs > nowMs ? kept.entry : undefined;
  }

  private forgetExpired(nowMs: number): void {
    for (const [traceId, { expiresAtMs }] of this.traces) {
      if (expiresAtMs > nowMs && this.traces.size < MAX_TRACES) return;
      this.traces.delete(traceId);
    }
  }
}
