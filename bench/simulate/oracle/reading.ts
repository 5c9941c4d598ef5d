import type { MeshService } from '../../../src/model/mesh-service.js';
import type { RouteSpec, SplitEntry } from '../../../src/model/schema.js';
import { LABEL_HEADER } from '../world/traits.js';

/**
 * A service's document as the oracle reads it: the operator's words in the terms of SEMANTICS, without any of the
 * code that is being judged.
 */
export interface ReadService {
  readonly revision: number;
  readonly releases: readonly ReadRelease[];
  readonly stable: ReadRelease;
  readonly routes: readonly ReadRoute[];
  /** The route that takes what no other does. */
  readonly fallback: ReadRoute;
  readonly affinity: NonNullable<MeshService['spec']['affinity']>;
  readonly hashes: 'ring' | 'maglev' | 'none';
}

export interface ReadRelease {
  /** Tells releases apart for good: a later one of the same name has another. */
  readonly number: number;
  readonly name: string;
  readonly lane: string | undefined;
}

export interface ReadRoute {
  readonly name: string;
  /** Undefined: the route has no condition. */
  readonly label: string | undefined;
  readonly split: ReadSplit;
  readonly pin: boolean;
}

export interface ReadSplit {
  /** The same for splits that are the same: the same releases in the same order with the same slots. */
  readonly id: number;
  readonly releases: readonly ReadRelease[];
  /** Of 10,000. */
  readonly slots: readonly number[];
}

/** Numbers releases and splits by what they are. */
export class Numbers {
  private readonly known = new Map<string, number>();

  of(what: string): number {
    const number = this.known.get(what) ?? this.known.size + 1;
    this.known.set(what, number);
    return number;
  }
}

interface Configured {
  readonly service: MeshService;
  readonly revision: number;
  incarnation(release: string): string;
}

export function readService(configured: Configured, numbers: Numbers): ReadService {
  const { spec, namespace, name } = configured.service;
  const { affinity } = spec;
  if (affinity === undefined) throw new Error(`${name} has no affinity to judge`);
  const releases = spec.versions.map((version) => ({
    name: version.name,
    lane: version.lane,
    number: numbers.of(
      `release ${namespace}/${name} ${version.name} ${configured.incarnation(version.name)}`,
    ),
  }));
  const named = (wanted: string) => {
    const found = releases.find((release) => release.name === wanted);
    if (found === undefined) throw new Error(`${name} has no release ${wanted}`);
    return found;
  };
  const routes = spec.routes.map((route) => readRoute(route, named, numbers));
  const fallback = routes.find(({ label }) => label === undefined);
  if (fallback === undefined) throw new Error(`${name} has no route without conditions`);
  const hashes = affinity.endpoint === 'none' ? 'none' : spec.loadBalancer === 'maglev' ? 'maglev' : 'ring';
  return {
    revision: configured.revision,
    releases,
    stable: named(spec.stable),
    routes,
    fallback,
    affinity,
    hashes,
  };
}

function readRoute(route: RouteSpec, named: (name: string) => ReadRelease, numbers: Numbers): ReadRoute {
  const condition = route.match?.[0]?.headers[0];
  if (condition !== undefined && condition.name !== LABEL_HEADER) {
    throw new Error(`the oracle cannot read the condition on ${condition.name}`);
  }
  const entries = route.split ?? [];
  const releases = entries.map(({ version }) => named(version));
  const slots = shareOut(entries);
  const id = numbers.of(`split ${releases.map(({ number }, i) => `${number}:${slots[i]}`).join(' ')}`);
  return { name: route.name, label: condition?.exact, split: { id, releases, slots }, pin: route.pin };
}

const SLOTS = 10_000;

/** S2: 10,000 slots by largest remainder; of equal remainders, the one that is listed first. */
export function shareOut(entries: readonly SplitEntry[]): number[] {
  const sum = entries.reduce((total, { weight }) => total + BigInt(weight), 0n);
  const exact = entries.map(({ weight }) => BigInt(weight) * BigInt(SLOTS));
  const slots = exact.map((share) => Number(share / sum));
  const open = exact.map((share) => share % sum);
  for (let left = SLOTS - slots.reduce((total, n) => total + n, 0); left > 0; left--) {
    const largest = open.reduce((best, rest, i) => (rest > (open[best] as bigint) ? i : best), 0);
    slots[largest] = (slots[largest] as number) + 1;
    open[largest] = -1n;
  }
  return slots;
}

/** S4: the release that owns a slot. */
export function ownerOf({ releases, slots }: ReadSplit, slot: number): ReadRelease {
  let end = 0;
  const index = slots.findIndex((count) => {
    end += count;
    return slot < end;
  });
  return releases[index] as ReadRelease;
}

export function has({ releases }: ReadSplit, release: number): boolean {
  return releases.some(({ number }) => number === release);
}

/** S1: the first route whose condition holds. */
export function routeFor({ routes }: ReadService, label: string): ReadRoute {
  return routes.find((route) => route.label === undefined || route.label === label) as ReadRoute;
}
