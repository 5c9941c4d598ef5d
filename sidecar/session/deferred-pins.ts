import type { Endpoint } from '../../src/routing/endpoint-set.js';

/** How long a new pin waits for other sidecars to agree; they take a connection timeout and a little. */
const LONGEST_WAIT_MS = 5000;
/** New pins that wait at once; beyond that, sessions keep the pin that they have until their next call. */
const MOST_WAITING = 20_000;

interface DeferredPin {
  /** Whose loss would be the reason for the new pin. */
  readonly lost: Endpoint;
  readonly untilMs: number;
  keep(): void;
}

/**
 * New pins of sessions whose endpoint this sidecar cannot use, until other sidecars have said what they find. Without
 * them, a session that calls once in that moment would go back to its pod when that returns (SEMANTICS case 16).
 */
export class DeferredPins {
  private readonly waiting = new Map<bigint, DeferredPin>();

  /** @param key of the session, which waits with its latest pin */
  hold(key: bigint, lost: Endpoint, nowMs: number, keep: () => void): void {
    if (this.waiting.size >= MOST_WAITING && !this.waiting.has(key)) return;
    this.waiting.set(key, { lost, untilMs: nowMs + LONGEST_WAIT_MS, keep });
  }

  /** Called on the coarse clock's tick. */
  tick(nowMs: number): void {
    for (const [key, { lost, untilMs, keep }] of this.waiting) {
      if (lost.fleetView === 'disputed' && nowMs < untilMs) continue;
      this.waiting.delete(key);
      if (lost.fleetView === 'agreed') keep();
    }
  }
}
