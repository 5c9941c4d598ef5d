import type { ServiceKey } from '../../../src/model/mesh-service.js';

/**
 * Services that a file declared and none does now, with since when. A file that is being rewritten declares less than
 * it will, so an absence counts only once it has lasted.
 */
export class Absences {
  private readonly since = new Map<ServiceKey, number>();

  constructor(private readonly settleMs: number) {}

  /** @param absent every service that no file declares now */
  update(absent: readonly ServiceKey[], nowMs: number): void {
    for (const key of this.since.keys()) if (!absent.includes(key)) this.since.delete(key);
    for (const key of absent) if (!this.since.has(key)) this.since.set(key, nowMs);
  }

  get keys(): ServiceKey[] {
    return [...this.since.keys()].sort();
  }

  /** How long until every absence has lasted long enough; 0: they all have, or there is none. */
  waitMs(nowMs: number): number {
    const latest = Math.max(Number.NEGATIVE_INFINITY, ...this.since.values());
    return Math.max(0, latest + this.settleMs - nowMs);
  }
}
