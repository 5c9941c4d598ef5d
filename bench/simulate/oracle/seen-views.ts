import { USABLE } from '../../../src/routing/endpoint-set.js';
import type { View } from '../fleet/cluster-version.js';
import type { ConsistentHash } from './consistent-hash.js';
import type { Last } from './memory.js';
import { Numbers, type ReadRelease } from './reading.js';

interface Seen {
  readonly usable: ReadonlySet<number>;
  /** Ring entries by pod. */
  readonly entries: ReadonlyMap<number, number>;
}

/** What was usable when: views and sets of releases that decisions were made in, by number. */
export class SeenViews {
  private readonly views = new Map<number, Seen>();
  private readonly numbers = new Numbers();
  private readonly servingSets = new Map<number, ReadonlySet<number>>();

  constructor(private readonly hashing: ConsistentHash) {}

  remember(view: View): void {
    if (this.views.has(view.id)) return;
    const counts = this.hashing.countsOf(view.version);
    const { pods } = view.version;
    this.views.set(view.id, {
      usable: new Set(pods.filter((_, i) => view.states[i] === USABLE).map(({ id }) => id)),
      entries: new Map(pods.map(({ id }, i) => [id, counts[i] as number])),
    });
  }

  wasUsable(view: number, pod: number): boolean {
    return this.views.get(view)?.usable.has(pod) === true;
  }

  /** Pods that were there before and are there now have another number of entries now. */
  isResized(before: number, now: View): boolean {
    const counts = this.hashing.countsOf(now.version);
    const { entries } = this.views.get(before) as Seen;
    return now.version.pods.some(({ id }, i) => entries.has(id) && entries.get(id) !== counts[i]);
  }

  /** Numbers a set of releases that had usable pods. */
  serving(releases: readonly ReadRelease[]): number {
    const number = this.numbers.of(releases.map((release) => release.number).join());
    if (!this.servingSets.has(number))
      this.servingSets.set(number, new Set(releases.map((release) => release.number)));
    return number;
  }

  /** Of the releases that a session was and is on, one served only before or only now. */
  movesBetween(last: Last, release: number, serving: number): boolean {
    const before = this.servingSets.get(last.serving);
    const now = this.servingSets.get(serving);
    return before?.has(release) !== true || now?.has(last.release) !== true;
  }
}
