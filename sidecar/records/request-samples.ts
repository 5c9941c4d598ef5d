import type { RequestRecord } from './request-record.js';

/** A record with when it was made. */
export interface Sample extends RequestRecord {
  /** ISO 8601. */
  readonly time: string;
}

/** Records kept of each kind; older ones give way. A record is a few hundred bytes, 5 KB at the very most. */
export const SAMPLES_KEPT = 200;
/** Kept of every tick of the coarse clock whatever comes, so that a quiet sidecar shows every request. */
const FREE_EACH_TICK = 5;
/** Of those that failed: a storm of them is over before anybody could look at more. */
const FAILED_EACH_TICK = 50;

/**
 * The last few requests, for people to look at: every request while there are few, else one in so many; and every
 * one that failed, kept apart, so that neither kind displaces the other.
 */
export class RequestSamples {
  private readonly ordinary = new Ring(SAMPLES_KEPT);
  private readonly failed = new Ring(SAMPLES_KEPT);
  private sequence = 0;
  private untilNext: number;
  private free = FREE_EACH_TICK;
  private freeFailed = FAILED_EACH_TICK;

  /** @param oneIn of a busy sidecar, one request in so many is kept */
  constructor(private readonly oneIn: number) {
    this.untilNext = oneIn;
  }

  /** The coarse clock has moved on. */
  onTick(): void {
    this.free = FREE_EACH_TICK;
    this.freeFailed = FAILED_EACH_TICK;
  }

  /** Whether a request is to be kept. Asked once for each. */
  wants(failed: boolean): boolean {
    if (failed) return this.freeFailed-- > 0;
    if (this.free > 0) {
      this.free--;
      return true;
    }
    if (--this.untilNext > 0) return false;
    this.untilNext = this.oneIn;
    return true;
  }

  /** @param record as JSON: its strings, being parts of a request's head, would keep that in memory whole */
  add(record: string, time: string, failed: boolean): void {
    (failed ? this.failed : this.ordinary).add({ sequence: this.sequence++, time, record });
  }

  /** The newest first. */
  latest(count: number): Sample[] {
    const all = [...this.ordinary.all, ...this.failed.all].sort((a, b) => b.sequence - a.sequence);
    return all
      .slice(0, count)
      .map(({ time, record }) => ({ time, ...(JSON.parse(record) as RequestRecord) }));
  }
}

/** The newest of several workers' samples, each list with its newest first. */
export function newestOf(count: number, lists: readonly (readonly Sample[])[]): Sample[] {
  const all = lists.flat();
  // ISO 8601 in UTC sorts as text. Sorting keeps the order of those that share a millisecond.
  return all.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0)).slice(0, count);
}

interface Kept {
  readonly sequence: number;
  readonly time: string;
  readonly record: string;
}

class Ring {
  readonly all: Kept[] = [];
  private next = 0;

  constructor(private readonly size: number) {}

  add(kept: Kept): void {
    this.all[this.next] = kept;
    this.next = (this.next + 1) % this.size;
  }
}
