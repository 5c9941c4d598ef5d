import type { HealthCheckConfig } from '../../src/xds/cluster-protection.js';

/** How one endpoint has done in active checks. It passes until it has failed often enough. */
export class HealthRecord {
  failing = false;
  /** The check has been asked for and has not ended. */
  underWay = false;
  /** When the last check was asked for, on the coarse clock; undefined: none yet. */
  lastMs: number | undefined;
  /** By what the time to the next check is multiplied, so that sidecars that start together drift apart. */
  jitter = 1;
  /** Checks that do not wait for the interval: another sidecar has found the endpoint well again. */
  hurried = 0;
  /** Checks that failed, ever. */
  failures = 0;
  /** Why the last one failed; empty: it did not. */
  lastFailure = '';
  /** Results in a row that speak against the present state. */
  private against = 0;

  /**
   * Takes a result.
   *
   * @param failure undefined: the check passed; else why not
   * @returns whether the endpoint's state is another now
   */
  take(failure: string | undefined, config: HealthCheckConfig): boolean {
    if (failure !== undefined) this.failures++;
    this.lastFailure = failure ?? '';
    const contradicts = (failure !== undefined) !== this.failing;
    this.against = contradicts ? this.against + 1 : 0;
    const threshold = this.failing ? config.healthyThreshold : config.unhealthyThreshold;
    if (this.against < threshold) return false;
    this.failing = !this.failing;
    this.against = 0;
    return true;
  }

  /** As if it had never been checked; what has been counted stays. */
  forget(): void {
    this.failing = false;
    this.against = 0;
    this.lastMs = undefined;
    this.hurried = 0;
    this.lastFailure = '';
  }
}
