import type { OutlierConfig, SuccessRateConfig } from '../../src/xds/cluster-protection.js';
import type { OutlierRecord } from './outlier-record.js';

/** An endpoint, as far as outlier detection looks at it. */
export interface Suspect {
  readonly outlier: OutlierRecord;
}

/** What others have ejected, this sidecar hears of that much later at most. */
const TOLD_LATE_MS = 500;

/** Told after an endpoint has been taken out of the pick, or put back; `why` is for logs. */
export type OutlierListener<S extends Suspect> = (endpoint: S, why: string) => void;

/**
 * Ejects a cluster's endpoints for how they answer, by Envoy's rules (outlier detection in its architecture
 * overview; `source/common/upstream/outlier_detection_impl.cc`): for errors in a row as soon as they happen; for a
 * success rate far below the others' at the end of each interval. An ejection lasts for the base time multiplied
 * by how often the endpoint has been ejected, less one for every whole interval that it has been in since. It counts
 * for the rules only that an answer was an error: a status of 500 or above, none in time, a reset, no connection.
 */
export class OutlierDetector<S extends Suspect> {
  private config: OutlierConfig | undefined;
  private endpoints: readonly S[] = [];
  private ejected = 0;
  private intervalEndMs = 0;

  constructor(
    private readonly onChange: OutlierListener<S>,
    private readonly nowMs: () => number,
  ) {}

  /** Undefined: nobody is ejected, and who was is readmitted. */
  configure(config: OutlierConfig | undefined): void {
    if (this.config === undefined || config === undefined) this.intervalEndMs = 0;
    this.config = config;
    if (config !== undefined) return;
    this.ejected = 0;
    for (const endpoint of this.endpoints) {
      const wasEjected = endpoint.outlier.ejectedAtMs !== undefined;
      endpoint.outlier.forget();
      if (wasEjected) this.onChange(endpoint, 'outlier detection is off');
    }
  }

  setEndpoints(endpoints: readonly S[]): void {
    this.endpoints = endpoints;
    this.ejected = endpoints.filter(({ outlier }) => outlier.ejectedAtMs !== undefined).length;
  }

  /** An endpoint's answer was an error. Called as it happens. */
  failed(endpoint: S): void {
    this.judge(endpoint, endpoint.outlier.answers.failed());
  }

  /** Errors in a row that make an endpoint's ejection due; Infinity: none do. */
  get errorsToEject(): number {
    return this.config?.consecutiveErrors || Number.POSITIVE_INFINITY;
  }

  /** An endpoint has made so many errors in a row. */
  judge(endpoint: S, errorsInARow: number): void {
    const { config } = this;
    if (config === undefined || errorsInARow < this.errorsToEject) return;
    this.eject(endpoint, config, `${errorsInARow} errors in a row`);
  }

  /** Readmits who has been out long enough, and ends the interval if it is over. Called on the coarse clock's tick. */
  tick(): void {
    const { config } = this;
    if (config === undefined) return;
    const nowMs = this.nowMs();
    if (this.ejected > 0) this.readmit(config, nowMs);
    if (this.intervalEndMs === 0) this.intervalEndMs = nowMs + config.intervalMs;
    if (nowMs < this.intervalEndMs) return;
    this.intervalEndMs = nowMs + config.intervalMs;
    this.endInterval(config);
  }

  private readmit(config: OutlierConfig, nowMs: number): void {
    for (const endpoint of this.endpoints) {
      const { outlier } = endpoint;
      if (outlier.ejectedAtMs === undefined) continue;
      const forMs = Math.min(config.baseEjectionMs * outlier.multiplier, config.maxEjectionMs);
      if (nowMs - outlier.ejectedAtMs >= forMs) this.letIn(endpoint, `ejected for ${forMs} ms`);
    }
  }

  /** An endpoint has passed an active check, which may be enough to take it back. */
  passedCheck(endpoint: S): void {
    if (this.config?.checksReadmit === true && endpoint.outlier.ejectedAtMs !== undefined)
      this.letIn(endpoint, 'it passes its checks');
  }

  /**
   * Another sidecar has readmitted the endpoint. So that sidecars do not differ for long, this one does, too: not before
   * the base time is over, since it was ejected here or elsewhere, or one that lies could end ejections at once.
   *
   * @param outForMs for how long others have had it ejected
   */
  readmittedElsewhere(endpoint: S, outForMs: number): void {
    const { ejectedAtMs } = endpoint.outlier;
    if (this.config === undefined || ejectedAtMs === undefined) return;
    const longestMs = Math.max(outForMs + TOLD_LATE_MS, this.nowMs() - ejectedAtMs);
    if (longestMs >= this.config.baseEjectionMs) this.letIn(endpoint, 'another sidecar has readmitted it');
  }

  private letIn(endpoint: S, why: string): void {
    endpoint.outlier.ejectedAtMs = undefined;
    endpoint.outlier.answers.endRow();
    this.ejected--;
    this.onChange(endpoint, why);
  }

  private endInterval(config: OutlierConfig): void {
    for (const { outlier } of this.endpoints) {
      if (!outlier.wasOut && outlier.multiplier > 0) outlier.multiplier--;
    }
    if (config.successRate !== undefined) this.ejectBySuccessRate(config, config.successRate);
    for (const { outlier } of this.endpoints) outlier.startInterval();
  }

  private ejectBySuccessRate(config: OutlierConfig, rule: SuccessRateConfig): void {
    const judged = this.endpoints.filter(
      ({ outlier: { ejectedAtMs, answers } }) =>
        ejectedAtMs === undefined && answers.successes + answers.errors >= rule.requestVolume,
    );
    if (judged.length === 0 || judged.length < rule.minimumHosts) return;
    const rates = judged.map(
      ({ outlier: { answers } }) => answers.successes / (answers.successes + answers.errors),
    );
    const bound = successRateBound(rates, rule.stdevFactor);
    judged.forEach((endpoint, i) => {
      const rate = rates[i] as number;
      if (rate >= bound) return;
      this.eject(endpoint, config, `${percent(rate)} of answers good; the bound was ${percent(bound)}`);
    });
  }

  /** Never more at once than `maxEjectionPercent` of the cluster, but where it is so configured always one. */
  private eject(endpoint: S, config: OutlierConfig, why: string): void {
    const { outlier } = endpoint;
    if (outlier.ejectedAtMs !== undefined) return;
    const share = Math.floor((this.endpoints.length * config.maxEjectionPercent) / 100);
    const allowed = Math.max(config.alwaysEjectsOne ? 1 : 0, share);
    // One that has left the cluster may still be answering.
    if (this.ejected >= allowed || !this.endpoints.includes(endpoint)) return;
    outlier.ejectedAtMs = this.nowMs();
    outlier.wasOut = true;
    outlier.ejections++;
    // No further than to the longest ejection, or it would take ages of good behaviour to come back from it.
    if (config.baseEjectionMs * outlier.multiplier < config.maxEjectionMs) outlier.multiplier++;
    this.ejected++;
    this.onChange(endpoint, why);
  }
}

/** Mean less so many standard deviations (of the population, as Envoy has it). */
export function successRateBound(rates: readonly number[], stdevFactor: number): number {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
  return mean - stdevFactor * Math.sqrt(variance);
}

function percent(rate: number): string {
  return `${(100 * rate).toFixed(1)} %`;
}
