import {
  complaintsIn,
  isComplaint,
  VIEW_LIFE_MS,
  VIEW_RENEWAL_MS,
  type View,
  type ViewCounts,
} from '../../src/sessions/endpoint-view.js';

/** What is told of one endpoint. */
export interface ToldCounts extends ViewCounts {
  /** The endpoint's digest. */
  readonly endpoint: number;
  /** A sidecar that could not use it can again. */
  readonly recovered: boolean;
}

/** Endpoints of which one sidecar, or one other control plane, has a view; beyond that, what it said first is forgotten. */
export const MOST_VIEWS_OF_ONE = 1000;

interface Vote {
  readonly view: View;
  readonly atMs: number;
}

const NONE: ViewCounts = {
  unknown: 0,
  good: 0,
  unreachable: 0,
  appRefuses: 0,
  ejected: 0,
  failingChecks: 0,
};
const COUNTED: Readonly<Record<View, keyof ViewCounts>> = {
  UNKNOWN: 'unknown',
  GOOD: 'good',
  UNREACHABLE: 'unreachable',
  APP_REFUSES: 'appRefuses',
  EJECTED: 'ejected',
  FAILING_CHECKS: 'failingChecks',
};

/**
 * How the sidecars that call a service see those of its endpoints that one of them complains of. Each sidecar has one
 * voice for an endpoint. It is counted, never obeyed: what follows from the counts is each sidecar's own to decide.
 */
export class EndpointViews {
  private readonly votes = new Map<string, Map<number, Vote>>();
  /** What other control planes have counted. */
  private readonly elsewhere = new Map<string, Map<number, ViewCounts & { readonly atMs: number }>>();
  /** Endpoints to be told of, and of which of them that they are usable again. */
  private readonly changed = new Map<number, boolean>();
  /** Sidecars of other control planes; undefined: they have not said. */
  private readonly sidecarsElsewhere = new Map<string, number | undefined>();
  /** Endpoints that a sidecar complains of, or did when they were last told of. */
  private readonly contested = new Set<number>();
  private retoldAtMs = 0;

  /** How many sidecars may have a view. @param here those of this control plane */
  sidecars(here: number): number {
    let sum = here;
    for (const there of this.sidecarsElsewhere.values()) sum += there ?? 1;
    return sum;
  }

  /** Another control plane is going to say what its sidecars see. */
  expect(peer: string): void {
    this.sidecarsElsewhere.set(peer, undefined);
  }

  /** Takes what a sidecar here says. A good word counts only where a sidecar complains. */
  take(voter: string, endpoint: number, view: View, nowMs: number): void {
    const before = this.votes.get(voter)?.get(endpoint);
    if (isComplaint(view)) this.contested.add(endpoint);
    if (!this.contested.has(endpoint)) return;
    put(this.votes, voter, endpoint, { view, atMs: nowMs });
    if (before?.view !== view) this.tell(endpoint, view === 'GOOD' && isComplaint(before?.view));
  }

  /** Takes what another control plane has counted. */
  takeCounts(peer: string, sidecars: number, told: ToldCounts, nowMs: number): void {
    const { endpoint, recovered, ...counts } = told;
    const before = this.elsewhere.get(peer)?.get(endpoint);
    this.takeSidecars(peer, sidecars);
    if (complaintsIn(counts) > 0) this.contested.add(endpoint);
    if (!this.contested.has(endpoint)) return;
    put(this.elsewhere, peer, endpoint, { ...counts, atMs: nowMs });
    const isSame =
      before !== undefined && Object.values(COUNTED).every((field) => before[field] === counts[field]);
    if (!isSame || recovered) this.tell(endpoint, recovered);
  }

  /** Another control plane has said how many of its sidecars call the service. */
  takeSidecars(peer: string, sidecars: number): void {
    if (this.sidecarsElsewhere.get(peer) !== sidecars) this.tellAgain();
    this.sidecarsElsewhere.set(peer, sidecars);
  }

  /** A sidecar, or another control plane, is gone. */
  leave(who: string): void {
    for (const all of [this.votes, this.elsewhere]) {
      for (const endpoint of all.get(who)?.keys() ?? []) this.tell(endpoint, false);
      all.delete(who);
    }
    this.sidecarsElsewhere.delete(who);
  }

  /** Has everything told that is complained of: a sidecar has joined that does not know it. */
  tellAgain(): void {
    for (const endpoint of this.contested) this.tell(endpoint, false);
  }

  /**
   * What has changed since the last call.
   *
   * @returns `all` for sidecars; `own` for other control planes, which count their own sidecars themselves
   */
  changes(nowMs: number): { readonly all: readonly ToldCounts[]; readonly own: readonly ToldCounts[] } {
    if (nowMs - this.retoldAtMs >= VIEW_RENEWAL_MS) {
      this.retoldAtMs = nowMs;
      this.forgetOld(nowMs);
      this.tellAgain();
    }
    const told = [...this.changed].map(([endpoint, recovered]) => {
      const own = this.ownCounts(endpoint);
      const all = this.allCounts(endpoint, own);
      if (complaintsIn(all) === 0) this.forget(endpoint);
      return { all: { endpoint, recovered, ...all }, own: { endpoint, recovered, ...own } };
    });
    this.changed.clear();
    return { all: told.map(({ all }) => all), own: told.map(({ own }) => own) };
  }

  private tell(endpoint: number, recovered: boolean): void {
    this.changed.set(endpoint, recovered || this.changed.get(endpoint) === true);
  }

  private ownCounts(endpoint: number): ViewCounts {
    const counts = { ...NONE } as Record<keyof ViewCounts, number>;
    for (const votes of this.votes.values()) {
      const vote = votes.get(endpoint);
      if (vote !== undefined) counts[COUNTED[vote.view]]++;
    }
    return counts;
  }

  private allCounts(endpoint: number, own: ViewCounts): ViewCounts {
    const counts = { ...own } as Record<keyof ViewCounts, number>;
    for (const told of this.elsewhere.values()) {
      const there = told.get(endpoint);
      if (there !== undefined) for (const field of Object.values(COUNTED)) counts[field] += there[field];
    }
    return counts;
  }

  private forget(endpoint: number): void {
    this.contested.delete(endpoint);
    for (const all of [this.votes, this.elsewhere])
      for (const [who, each] of all) {
        each.delete(endpoint);
        if (each.size === 0) all.delete(who);
      }
  }

  private forgetOld(nowMs: number): void {
    for (const all of [this.votes, this.elsewhere])
      for (const each of all.values())
        for (const [endpoint, { atMs }] of each) if (nowMs - atMs >= VIEW_LIFE_MS) each.delete(endpoint);
  }
}

function put<V>(all: Map<string, Map<number, V>>, who: string, endpoint: number, value: V): void {
  const own = all.get(who) ?? new Map<number, V>();
  all.set(who, own);
  own.delete(endpoint);
  own.set(endpoint, value);
  if (own.size > MOST_VIEWS_OF_ONE) own.delete(own.keys().next().value as number);
}
