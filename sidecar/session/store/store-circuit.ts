import { BackOff } from '../../../src/lifecycle/back-off.js';
import type { StoreClock } from './store-clock.js';

/** Failures in a row that open the circuit. */
const FAILURES_TO_OPEN = 5;
const FIRST_PROBE_MS = 500;
const LAST_PROBE_MS = 10_000;
/** A circuit that has been closed for so long is one that has not failed before. */
const SOUND_AFTER_MS = 30_000;

export interface StoreCircuitOptions {
  readonly clock: StoreClock;
  /** Tries once whether it works again, and reports. @returns false: there is nothing to try with */
  probe(): boolean;
  onOpen(cause: Error): void;
  onClose(): void;
  /** @param failures how many probes have failed in a row */
  onProbeFailed(failures: number, cause: Error): void;
  readonly random?: () => number;
}

/**
 * Stops asking a store that fails again and again. Closed: it is asked. Open: it is not, except by a probe now and then,
 * of which one that works closes the circuit.
 */
export class StoreCircuit {
  private state: 'closed' | 'open' | 'probing' | 'ended' = 'closed';
  private failures = 0;
  private failedProbes = 0;
  private closedAtMs = Number.NEGATIVE_INFINITY;
  private cancelProbe = () => {};
  private readonly backOff: BackOff;

  constructor(private readonly options: StoreCircuitOptions) {
    this.backOff = new BackOff(FIRST_PROBE_MS, LAST_PROBE_MS, options.random);
  }

  get isOpen(): boolean {
    return this.state !== 'closed';
  }

  worked(): void {
    this.failures = 0;
    if (this.state === 'closed' || this.state === 'ended') return;
    this.cancelProbe();
    this.state = 'closed';
    this.closedAtMs = this.options.clock.nowMs();
    this.options.onClose();
  }

  failed(cause: Error): void {
    if (this.state === 'closed') {
      if (++this.failures >= FAILURES_TO_OPEN) this.open(cause);
    } else if (this.state === 'probing') {
      this.state = 'open';
      this.options.onProbeFailed(++this.failedProbes, cause);
      this.scheduleProbe();
    }
  }

  /** Does not wait any longer: there is reason to believe that it works again. */
  probeNow(): void {
    if (this.state !== 'open') return;
    this.cancelProbe();
    this.state = 'probing';
    if (this.options.probe()) return;
    this.state = 'open';
    this.scheduleProbe();
  }

  /** For good: no probe any more. */
  end(): void {
    this.cancelProbe();
    this.state = 'ended';
  }

  private open(cause: Error): void {
    const { clock, onOpen } = this.options;
    if (clock.nowMs() - this.closedAtMs > SOUND_AFTER_MS) this.backOff.reset();
    this.state = 'open';
    this.failedProbes = 0;
    onOpen(cause);
    this.scheduleProbe();
  }

  private scheduleProbe(): void {
    this.cancelProbe = this.options.clock.after(this.backOff.next(), () => this.probeNow());
  }
}
