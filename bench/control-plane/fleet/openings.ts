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

function firstRequest(
  kind: ResourceKind,
  names: readonly string[],
  initialResourceVersions: Readonly<Record<string, string>>,
): Buffer {
  return encodeRequest({
    typeUrl: TYPE_URL[kind],
    resourceNamesSubscribe: kind === 'listener' ? ['*'] : names,
    initialResourceVersions,
  });
}
