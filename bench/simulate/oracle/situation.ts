import { PINNED_ONLY, UNUSABLE } from '../../../src/routing/endpoint-set.js';
import type { View } from '../fleet/cluster-version.js';
import type { Pod } from '../world/pods.js';
import type { Held } from './memory.js';
import type { ReadRelease, ReadRoute, ReadService, ReadSplit } from './reading.js';

/** A release's pods as the deciding sidecar sees them. */
export interface Sight {
  readonly view: View;
  /** Since when it has known no usable pod. */
  readonly unusableSinceMs: number | undefined;
}

/** One request, with all that the document lets its fate depend on. */
export interface Situation {
  readonly read: ReadService;
  readonly route: ReadRoute;
  /** Undefined: the request belongs to no session. */
  readonly hash: bigint | undefined;
  /** Empty: none. */
  readonly lane: string;
  /** What the session holds and its sidecar or its cookie still knows. */
  readonly held: Held | undefined;
  readonly nowMs: number;
  sees(release: ReadRelease): Sight;
}

/** S6: the release that something held leads to, if it is in this split. */
export function leadsTo(held: Held, split: ReadSplit, { sees }: Situation): ReadRelease | undefined {
  const ofPod = split.releases.find((release) => podIndex(sees(release).view, held.pod) !== -1);
  return ofPod ?? split.releases.find(({ number }) => number === held.release);
}

export function podIndex({ version }: View, pod: number): number {
  return version.pods.findIndex(({ id }) => id === pod);
}

/** S5: usable, to everybody or to its pinned sessions. */
export function isUsable(view: View, index: number, toPinned: boolean): boolean {
  const state = view.states[index];
  return state !== undefined && state !== UNUSABLE && (toPinned || state !== PINNED_ONLY);
}

/** S5: the pod that the session is pinned to in this release, where pods are pinned and it may be used. */
export function pinnedPod({ read, held }: Situation, view: View): Pod | undefined {
  if (held === undefined || read.affinity.endpoint !== 'persistent') return undefined;
  const index = podIndex(view, held.pod);
  return isUsable(view, index, true) ? view.version.pods[index] : undefined;
}

/** S4.5: there is a pod of the release for this request. */
export function serves(release: ReadRelease, situation: Situation, without: readonly ReadRelease[]): boolean {
  if (without.includes(release)) return false;
  const { view } = situation.sees(release);
  return view.usableCount > 0 || pinnedPod(situation, view) !== undefined;
}

/** S4.1: a route that lists one release names it. */
export function isNamed({ split }: ReadRoute): boolean {
  return split.releases.length === 1;
}
