import { USABLE } from '../../../src/routing/endpoint-set.js';
import type { View } from '../fleet/cluster-version.js';
import type { Last } from './memory.js';
import { Numbers, type ReadRelease } from './reading.js';

/** What was usable when: views and sets of releases that decisions were made in, by number. */
export class SeenViews {
  /** Usable pods. */
  private readonly views = new Map<number, ReadonlySet<number>>();
  private readonly numbers = new Numbers();
  private readonly servingSets = new Map<number, ReadonlySet<number>>();

  remember(view: View): void {
    if (this.views.has(view.id)) return;
    const { pods } = view.version;
    this.views.set(view.id, new Set(pods.filter((_, i) => view.states[i] === USABLE).map(({ id }) => id)));
  }

  wasUsable(view: number, pod: number): boolean {
    return this.views.get(view)?.has(pod) === true;
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
