import { PUSH_ORDER, type ResourceKind, TYPE_URL } from '../../../src/xds/resource-types.js';
import { frameOf } from './grpc-frames.js';
import type { Opening } from './simulated-sidecar.js';
import { encodeRequest } from './wire.js';
import type { World } from './world.js';

/** What is asked for once the first response of a kind has come. */
const NEXT: Readonly<Partial<Record<ResourceKind, ResourceKind>>> = {
  listener: 'route',
  route: 'cluster',
  cluster: 'endpoint',
};

/** A sidecar that comes back, or starts from `--state-dir`: it says what it holds, and is sent what differs. */
export function warmOpening(world: World): Opening {
  const [first, ...rest] = PUSH_ORDER.map((kind) =>
    firstRequest(kind, [...world[kind].keys()], Object.fromEntries(world[kind])),
  ) as [Buffer, ...Buffer[]];
  return { first, rest: rest.map((request) => frameOf(request)), following: {} };
}

/** A sidecar that starts from nothing: each answer tells it what to ask for next. */
export function coldOpening(world: World): Opening {
  const following = Object.entries(NEXT).map(([kind, next]) => [
    kind,
    frameOf(firstRequest(next, [...world[next].keys()], {})),
  ]);
  return { first: firstRequest('listener', [], {}), rest: [], following: Object.fromEntries(following) };
}

/** A sidecar that asks for some services by name, and starts from nothing. */
export function sparseOpening(world: World, listeners: readonly string[]): Opening {
  const names = namesOf(world, listeners);
  const [first, ...rest] = PUSH_ORDER.map((kind) => request(kind, names[kind], {})) as [Buffer, ...Buffer[]];
  return { first, rest: rest.map((bytes) => frameOf(bytes)), following: {} };
}

/** How many resources some services are. */
export function resourcesOf(world: World, listeners: readonly string[]): number {
  return Object.values(namesOf(world, listeners)).reduce((sum, { length }) => sum + length, 0);
}

/** Every resource of some services, by the names that our control plane gives them. */
function namesOf(
  world: World,
  listeners: readonly string[],
): Readonly<Record<ResourceKind, readonly string[]>> {
  const route = listeners.map((listener) => {
    const [name, namespace] = listener.split('.');
    return `${namespace}/${name}`;
  });
  const releases = route.flatMap((service) => ['v1', 'v2'].map((release) => `${service}/${release}`));
  return {
    listener: listeners,
    route,
    cluster: releases.filter((name) => world.cluster.has(name)),
    endpoint: releases.filter((name) => world.endpoint.has(name)),
  };
}

function firstRequest(
  kind: ResourceKind,
  names: readonly string[],
  versions: Readonly<Record<string, string>>,
): Buffer {
  return request(kind, kind === 'listener' ? ['*'] : names, versions);
}

function request(
  kind: ResourceKind,
  resourceNamesSubscribe: readonly string[],
  initialResourceVersions: Readonly<Record<string, string>>,
): Buffer {
  return encodeRequest({ typeUrl: TYPE_URL[kind], resourceNamesSubscribe, initialResourceVersions });
}
