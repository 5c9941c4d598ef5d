import { describeMatch } from './describe-match.js';
import { DEFAULT_ROUTE, parseMeshService } from './mesh-service.js';
import { InvalidResourceError } from './problems.js';
import type { MeshServiceInput } from './schema.js';

/** What operators do to a running canary, as changes of the document they wrote. */

type SpecInput = MeshServiceInput['spec'];
type RouteInput = NonNullable<SpecInput['routes']>[number];
type SplitInput = NonNullable<RouteInput['split']>;

/** An operation that the service, as it is, does not allow. */
export class OperationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OperationError';
  }
}

/**
 * Replaces the split of one route. Releases that are not listed are evicted; those that were listed before keep their
 * places (S2), whatever order they are given in now: another order would move sessions that no weight moves.
 */
export function withSplit(
  document: MeshServiceInput,
  split: SplitInput,
  routeName?: string,
): MeshServiceInput {
  const routes = routesOf(document);
  const index =
    routeName === undefined ? mainRoute(routes) : routes.findIndex(({ name }) => name === routeName);
  if (index === -1) {
    const names = routes.map(({ name }) => name).join(', ');
    throw new OperationError(
      routeName === undefined
        ? `no route is the obvious one to split; name one with --route (${names})`
        : `no route is named "${routeName}"; the service has ${names}`,
    );
  }
  const ordered = inPlace(split, routes[index]?.split ?? []);
  const changed = routes.map((route, i) => (i === index ? { ...route, split: ordered } : route));
  return checked(document, { routes: changed });
}

/** New ones come last, in the order in which they are given. */
function inPlace(split: SplitInput, before: SplitInput): SplitInput {
  const placeOf = ({ version }: SplitInput[number]) => {
    const place = before.findIndex((entry) => entry.version === version);
    return place === -1 ? before.length : place;
  };
  return [...split].sort((a, b) => placeOf(a) - placeOf(b));
}

/** Makes a release `stable` and the only one of every split that weighs releases or takes all requests. */
export function withPromotion(document: MeshServiceInput, release: string): MeshServiceInput {
  return checked(document, {
    stable: release,
    routes: mapSplits(document, () => [{ version: release, weight: 1 }]),
  });
}

export interface AbortOptions {
  /** The other releases keep their sessions. */
  readonly drain: boolean;
  /** Requests that a route or a lane leads to another release go to `stable` as well. */
  readonly labels: boolean;
}

/** Puts the splits back to `stable` alone. */
export function withAbort(document: MeshServiceInput, { drain, labels }: AbortOptions): MeshServiceInput {
  const { stable } = parseMeshService(document).spec;
  const toStable = (split: SplitInput) => {
    if (!drain) return [{ version: stable, weight: 1 }];
    const others = split
      .filter(({ version }) => version !== stable)
      .map(({ version }) => ({ version, weight: 0 }));
    return [{ version: stable, weight: 1 }, ...others];
  };
  if (!labels) return checked(document, { routes: mapSplits(document, toStable) });
  const routes = routesOf(document).map((route) =>
    route.split === undefined ? route : { ...route, split: toStable(route.split) },
  );
  const versions = document.spec.versions.map((version) =>
    version.name === stable ? version : withoutLane(version),
  );
  return checked(document, { routes, versions });
}

function withoutLane({ lane: _, ...version }: SpecInput['versions'][number]): SpecInput['versions'][number] {
  return version;
}

/** What of a service leads requests to another release than `stable`, whatever its splits say. */
export interface LedElsewhere {
  /** Routes that name a release under a condition, and lanes: `route "testers" (x-tester=yes) to v2`. */
  readonly labels: readonly string[];
  /** Routes that copy their requests to another release. */
  readonly mirrors: readonly string[];
}

export function ledElsewhere(document: MeshServiceInput): LedElsewhere {
  const { stable, routes, versions, affinity } = parseMeshService(document).spec;
  const named = routes.flatMap(({ name, match, split = [] }) => {
    const [entry, ...more] = split;
    if (match === undefined || entry === undefined || more.length > 0 || entry.version === stable) return [];
    return [`route "${name}" (${describeMatch(match)}) to ${entry.version}`];
  });
  const lanes = versions.flatMap(({ name, lane }) =>
    lane === undefined || name === stable || affinity?.lanes === 'ignore'
      ? []
      : [`lane "${lane}" to ${name}`],
  );
  const mirrors = routes.flatMap(({ name, mirror }) =>
    mirror === undefined || mirror.version === stable ? [] : [`route "${name}" to ${mirror.version}`],
  );
  return { labels: [...named, ...lanes], mirrors };
}

/** Whether an abort has nothing to take away from other releases: every split gives all its weight to `stable`. */
export function isAllOnStable(document: MeshServiceInput): boolean {
  const { stable, routes } = parseMeshService(document).spec;
  return routes.every(
    (route) =>
      isLabel(route) ||
      (route.split ?? []).every(({ version, weight }) => version === stable || weight === 0),
  );
}

function routesOf(document: MeshServiceInput): readonly RouteInput[] {
  const { routes } = document.spec;
  if (routes !== undefined && routes.length > 0) return routes;
  const { stable } = parseMeshService(document).spec;
  return [{ name: DEFAULT_ROUTE, split: [{ version: stable, weight: 1 }] }];
}

/** The route called `default`, else the one that takes what no other does, else the only one; -1: there is none. */
export function mainRoute(routes: readonly Pick<RouteInput, 'name' | 'match'>[]): number {
  const byName = routes.findIndex(({ name }) => name === DEFAULT_ROUTE);
  if (byName !== -1) return byName;
  const unconditional = routes.findIndex(({ match }) => match === undefined);
  if (unconditional !== -1) return unconditional;
  return routes.length === 1 ? 0 : -1;
}

/** A route that names one release under a condition. */
function isLabel({ match, split }: Pick<RouteInput, 'match' | 'split'>): boolean {
  return match !== undefined && split?.length === 1;
}

/** Labels stay as they are: operators change those themselves. */
function mapSplits(document: MeshServiceInput, change: (split: SplitInput) => SplitInput): RouteInput[] {
  return routesOf(document).map((route) => {
    if (route.split === undefined) return route;
    return isLabel(route) ? route : { ...route, split: change(route.split) };
  });
}

function checked(document: MeshServiceInput, changes: Partial<SpecInput>): MeshServiceInput {
  const changed = { ...document, spec: { ...document.spec, ...changes } };
  try {
    parseMeshService(changed);
  } catch (error) {
    if (error instanceof InvalidResourceError) throw new OperationError(error.message);
    throw error;
  }
  return changed;
}
