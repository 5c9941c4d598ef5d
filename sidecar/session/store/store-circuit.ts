import { BackOff } from '../../../src/lifecycle/back-off.js';
import type { StoreClock } from './store-clock.js';

/** Failures in a row that open a circuit. */
const FAILURES_TO_OPEN = 5;
const FIRST_PROBE_MS = 500;
const LAST_PROBE_MS = 10_000;
/** A circuit that has been closed for so long is one that has not failed before. */
const SOUND_AFTER_MS = 30_000;
/** Nodes of a cluster whose circuits are kept; of more, those that are closed are forgotten. */
const MOST_PARTS = 100;

export interface StoreCircuitOptions {
  readonly clock: StoreClock;
  /** Without a connection there is nothing to try with. */
  canProbe(): boolean;
  /**
   * Tries the key that has failed last once more, and tells the circuit what became of it.
   *
   * @returns false: there is nothing to try; the circuit closes, and what comes next shows
   */
  probe(circuit: StoreCircuit, key: string): boolean;
  onOpen(cause: Error): void;
  onClose(): void;
  /** @param failures how many probes have failed in a row */
  onProbeFailed(failures: number, cause: Error): void;
  readonly random?: () => number;
}

/**
 * Stops asking a server that fails again and again. Closed: it is asked. Open: it is not, except by a probe now and
 * then, of which one that works closes the circuit.
 */
export class StoreCircuit {
  private state: 'closed' | 'open' | 'probing' | 'ended' = 'closed';
  private failures = 0;
  private failedProbes = 0;
  private failedKey = '';
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

  failed(cause: Error, key: string): void {
    this.failedKey = key;
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
    if (!this.options.canProbe()) {
      this.scheduleProbe();
      return;
    }
    this.state = 'probing';
    if (!this.options.probe(this, this.failedKey)) this.worked();
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

export interface PartCircuitsOptions extends Omit<StoreCircuitOptions, 'onOpen' | 'onClose'> {
  /** The first circuit has opened. */
  onBroken(cause: Error): void;
  /** A circuit has closed. @param isWhole none is open any more */
  onClose(isWhole: boolean): void;
}

/** A circuit for each server of a store: where one node of a cluster fails, the others are used on. */
export class PartCircuits {
  private readonly circuits = new Map<string, StoreCircuit>();
  private open = 0;

  constructor(private readonly options: PartCircuitsOptions) {}

  of(part: string): StoreCircuit {
    const known = this.circuits.get(part);
    if (known !== undefined) return known;
    if (this.circuits.size >= MOST_PARTS) this.forgetClosed();
    const circuit = new StoreCircuit({
      ...this.options,
      onOpen: (cause) => {
        if (++this.open === 1) this.options.onBroken(cause);
      },
      onClose: () => this.options.onClose(--this.open === 0),
    });
    this.circuits.set(part, circuit);
    return circuit;
  }

  probeNow(): void {
    for (const circuit of this.circuits.values()) circuit.probeNow();
  }

  end(): void {
    for (const circuit of this.circuits.values()) circuit.end();
  }

  private forgetClosed(): void {
    for (const [part, { isOpen }] of this.circuits) if (!isOpen) this.circuits.delete(part);
  }
}
